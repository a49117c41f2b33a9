/** Guards and bypasses in Calico's API. */
import type { DraftDocument } from "../../documents";
import { namespaceOf } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { guardDraft, guardParts, policyTypes } from "../guard-parts";
import type { BypassPolicy, BypassRequest, GuardRequest } from "../writer";
import { calicoDocuments } from "./policies";
import { subjectSelector } from "./rules";
import { flowTier, nameInTier } from "./tiers";

/**
 * In the tier of Kubernetes' policies and before them: what neither the guard nor they allow is dropped at the tier's end.
 * Rules for addresses outside the cluster have to leave pods out, which only a global policy can express.
 */
export function calicoGuard(model: Model, shortfalls: Shortfalls, request: GuardRequest): readonly DraftDocument[] {
  const { subject, name, annotations } = request;
  const parts = guardParts(calicoDocuments(model, shortfalls), request);
  const spec = {
    tier: "default",
    order: 10,
    selector: subjectSelector(subject, true),
    types: policyTypes(request),
    egress: [...parts.metadata, ...parts.dns, ...parts.flows],
  };
  const place = { name: `default.${namespaceOf(subject)}.${name}` };
  return [
    { ...guardDraft("projectcalico.org/v3", "GlobalNetworkPolicy", place, annotations, spec), derivedName: name },
  ];
}

/** As Calico's API server stores a rule for everything: an admission policy compares what is written with it. */
const everything = { action: "Allow", source: {}, destination: {} };

/** In the tier of the flows, behind the guard tier with its denies. */
export function calicoBypass(_model: Model, { subject, label: [key, value] }: BypassRequest): BypassPolicy {
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    namePrefix: nameInTier(flowTier.name, ""),
    isolates: false,
    spec: {
      tier: flowTier.name,
      order: 100,
      selector: `${subjectSelector(subject, false)} && ${key} == '${value}'`,
      types: ["Ingress", "Egress"],
      ingress: [everything],
      egress: [everything],
    },
  };
}
