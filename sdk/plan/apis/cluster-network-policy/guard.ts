/** Guards as ClusterNetworkPolicies, with NetworkPolicies beside them. */
import { metadataCidrs } from "../../addresses";
import type { DraftDocument } from "../../documents";
import type { Subject } from "../../halves";
import { namespaceOf } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { guardDraft } from "../guard-parts";
import { kubernetesGuard } from "../kubernetes/guard";
import type { GuardRequest } from "../writer";
import { chunks, podsOf, priorities, nameIs } from "./parts";

/** The NetworkPolicy of the guard, and the deny of metadata endpoints, which no NetworkPolicy opens again. */
export function clusterNetworkPolicyGuard(
  model: Model,
  shortfalls: Shortfalls,
  request: GuardRequest,
): readonly DraftDocument[] {
  return [metadataDenyOf(request.subject, request.name), ...kubernetesGuard(model, shortfalls, request)];
}

function metadataDenyOf(subject: Subject, name: string): DraftDocument {
  const home = namespaceOf(subject);
  const spec = {
    tier: "Admin",
    priority: priorities.metadataDeny,
    subject:
      subject.kind === "workload" ? { pods: podsOf(home, subject.workload.labels) } : { namespaces: nameIs(home) },
    egress: [{ action: "Deny", to: chunks(metadataCidrs).map((networks) => ({ networks })) }],
  };
  const place = { name: `${home}.${name}-metadata` };
  const draft = guardDraft("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", place, {}, spec);
  return { ...draft, stage: "metadata-deny", derivedName: `${name}-metadata` };
}
