/** Guards and bypasses as NetworkPolicies. */
import { namespaceNameLabel } from "../../../reachability/model/namespace-labels";
import type { DraftDocument } from "../../documents";
import { namespaceOf } from "../../halves";
import type { Model } from "../../model";
import { closedNeighbours } from "../../tenants/neighbours";
import type { Shortfalls } from "../../unsupported";
import { guardDraft, guardParts, policyTypes } from "../guard-parts";
import type { BypassPolicy, BypassRequest, GuardRequest, Plain } from "../writer";
import { everywhereButMetadata, podSelectorOf, worldWithout } from "./network-policy";
import { kubernetesDocuments } from "./policies";

/** One NetworkPolicy: it isolates, and allows DNS and the flows. Metadata endpoints are in none of its ranges. */
export function kubernetesGuard(model: Model, shortfalls: Shortfalls, request: GuardRequest): readonly DraftDocument[] {
  const { subject, name, annotations } = request;
  const parts = guardParts(kubernetesDocuments(model, shortfalls), request);
  const egress = [...parts.dns, ...parts.flows];
  const spec = {
    podSelector: podSelectorOf(subject),
    policyTypes: policyTypes(request),
    ...(egress.length > 0 ? { egress } : {}),
  };
  const place = { name, namespace: namespaceOf(subject) };
  return [guardDraft("networking.k8s.io/v1", "NetworkPolicy", place, annotations, spec)];
}

/**
 * NetworkPolicy has no deny that would stay, so what has to stay closed is left out: metadata endpoints where no other
 * policy denies them, the namespaces of other tenants, and the outside of a workload that denies it.
 */
export function kubernetesBypass(model: Model, { subject, label: [key, value] }: BypassRequest): BypassPolicy {
  const pods = podSelectorOf(subject) as { matchLabels?: Plain };
  // a selector of pods cannot leave a workload out: where one of a namespace denies the outside, all of it stays closed
  const isExternallyDenied =
    subject.kind === "workload"
      ? subject.workload.denyExternal
      : [...model.workloads.values()].some(
          ({ namespace, denyExternal }) => denyExternal && namespace === subject.namespace.name,
        );
  const closed = closedNeighbours(model, namespaceOf(subject));
  const others =
    closed.length === 0 ? {} : { matchExpressions: [{ key: namespaceNameLabel, operator: "NotIn", values: closed }] };
  const ingress =
    isExternallyDenied || closed.length > 0
      ? { from: [{ namespaceSelector: others }, ...(isExternallyDenied ? [] : worldWithout(model.podCidrs))] }
      : {};
  const egress = model.limits.finalDeny ? {} : everywhereButMetadata;
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    isolates: true,
    spec: {
      podSelector: { matchLabels: { ...pods.matchLabels, [key]: value } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [ingress],
      egress: [egress],
    },
  };
}
