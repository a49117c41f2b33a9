/** Guards and bypasses in Cilium's API. */
import type { DraftDocument } from "../../documents";
import type { Direction } from "../../halves";
import { namespaceOf } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { guardDraft, guardParts } from "../guard-parts";
import type { BypassPolicy, BypassRequest, GuardRequest, Plain } from "../writer";
import { ciliumDocuments } from "./policies";
import { subjectSelector } from "./rules";

/** The deny is final; the rules allow; the policy isolates, also where it allows nothing. */
export function ciliumGuard(model: Model, shortfalls: Shortfalls, request: GuardRequest): readonly DraftDocument[] {
  const { subject, name, directions, annotations } = request;
  const parts = guardParts(ciliumDocuments(model, shortfalls), request, "egressDeny");
  const isIsolated = (direction: Direction): boolean => directions.includes(direction);
  const allowed = [...parts.dns, ...parts.flows];
  const spec: Plain = {
    description: "Closes everything that no policy allows, and the metadata endpoints of every cloud",
    endpointSelector: subjectSelector(subject, false),
    enableDefaultDeny: { ingress: isIsolated("ingress"), egress: isIsolated("egress") },
    ...(isIsolated("ingress") ? { ingress: [{}] } : {}),
    // an empty rule selects no peer; without any rule Cilium would not isolate
    egress: allowed.length > 0 ? allowed : [{}],
    egressDeny: parts.metadata,
  };
  const place = { name, namespace: namespaceOf(subject) };
  return [guardDraft("cilium.io/v2", "CiliumNetworkPolicy", place, annotations, spec)];
}

/** `all` includes the nodes and the API server; explicit denies of other policies come first. */
export function ciliumBypass(_model: Model, { subject, label: [key, value] }: BypassRequest): BypassPolicy {
  const own = subjectSelector(subject, false) as { matchLabels?: Plain };
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    resource: "ciliumnetworkpolicies",
    isolates: false,
    spec: {
      description: "Lifts the policies of labelled pods for a time; explicit denies stay",
      endpointSelector: { matchLabels: { ...own.matchLabels, [`k8s:${key}`]: value } },
      enableDefaultDeny: { ingress: false, egress: false },
      ingress: [{ fromEntities: ["all"] }],
      egress: [{ toEntities: ["all"] }],
    },
  };
}
