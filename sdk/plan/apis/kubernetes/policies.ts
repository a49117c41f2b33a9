/**
 * Kubernetes: NetworkPolicy (`networking.k8s.io/v1`).
 *
 * It can only allow, and whatever selects a pod isolates it; so pods of tier 0 are never selected, and metadata
 * endpoints are closed by leaving them out of every range. It knows no DNS names, no service accounts, no nodes and no
 * API server, and it has no staged form; the plan says so instead of writing something that means less.
 */
import { PolicyMode } from "../../declaration";
import { namespacesWithoutDns } from "../../dns-limits";
import type { DraftDocument } from "../../documents";
import { logicalNameOf } from "../../documents";
import { byNamespace, externallyDenied, halvesOf, heldNamespaces, namespaceOf } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { isSayable } from "../address-peers";
import {
  dnsRules,
  isCutByWorkload,
  namespaceDeny,
  networkPolicy,
  notePodRanges,
  perFlowDocuments,
  perWorkloadDocuments,
} from "./network-policy";
import { noteLimits } from "./notes";

/** Writes the policies of a declaration as NetworkPolicies. */
export function kubernetesDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  noteLimits(model, shortfalls);
  const enforced = heldNamespaces(model, PolicyMode.Enforce);
  const isEnforced = new Set(enforced.map(({ name }) => name));
  const halves = halvesOf(model.flows).filter((half) => {
    const sayable = isSayable(model, half, shortfalls, "NetworkPolicy");
    if (sayable) notePodRanges(model, half, shortfalls);
    return sayable && isEnforced.has(namespaceOf(half.subject));
  });
  const combined = new Set(enforced.filter((one) => isCutByWorkload(model, one)).map(({ name }) => name));
  const isSingle = (namespace: string): boolean => !combined.has(namespace);
  const silent = new Set(namespacesWithoutDns(model));
  const homes = byNamespace(halves);
  const wide = (namespace: string): { egress: ReturnType<typeof dnsRules> } => ({
    egress: silent.has(namespace) ? [] : dnsRules(model),
  });
  const allows = [
    ...enforced.filter(({ name }) => isSingle(name) && !silent.has(name)).map(({ name }) => dnsEgress(model, name)),
    ...perFlowDocuments(
      model,
      halves.filter((half) => isSingle(namespaceOf(half.subject))),
    ),
    ...enforced
      .filter(({ name }) => combined.has(name))
      .flatMap((namespace) =>
        perWorkloadDocuments(model, namespace, homes.get(namespace.name) ?? [], wide(namespace.name)),
      ),
  ];
  return [
    ...allows,
    ...externallyDenied(model)
      .filter((workload) => isEnforced.has(workload.namespace))
      .map(({ namespace, name, labels }) => {
        const spec = { podSelector: { matchLabels: labels }, policyTypes: ["Ingress"] };
        const draft = networkPolicy("flows", namespace, `deny-external-to-${name}`, {}, spec);
        // it isolates, so every allow of the namespace comes first
        return { ...draft, step: 2, after: allows.filter((one) => isFlowOf(one, namespace)).map(logicalNameOf) };
      }),
    ...enforced.map(({ name }) => namespaceDeny(name)),
  ];
}

function isFlowOf(draft: DraftDocument, namespace: string): boolean {
  return draft.stage === "flows" && draft.object.metadata.namespace === namespace;
}

function dnsEgress(model: Model, namespace: string): DraftDocument {
  const spec = { podSelector: {}, policyTypes: ["Egress"], egress: dnsRules(model) };
  return networkPolicy("dns", namespace, "allow-dns-egress", {}, spec);
}
