/**
 * Kubernetes: NetworkPolicy (`networking.k8s.io/v1`).
 *
 * It can only allow, and whatever selects a pod isolates it; so pods of tier 0 are never selected, and metadata
 * endpoints are closed by leaving them out of every range. It knows no DNS names, no service accounts, no nodes and no
 * API server, and it has no staged form; the plan says so instead of writing something that means less.
 */
import { DenyScope, PolicyMode } from "../declaration";
import type { DraftDocument } from "../documents";
import { logicalNameOf } from "../documents";
import { namespacesWithoutDns } from "../dns-limits";
import { byNamespace, externallyDenied, halvesOf, heldNamespaces, modeOf, namespaceOf } from "../halves";
import type { Model } from "../model";
import type { Shortfalls } from "../unsupported";
import { isSayable, noteNodeAddresses } from "./address-peers";
import {
  dnsRules,
  isCutByWorkload,
  namespaceDeny,
  networkPolicy,
  notePodRanges,
  perFlowDocuments,
  perWorkloadDocuments,
} from "./network-policy";

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
        // it isolates, so every allow of the namespace stands first
        return { ...draft, after: allows.filter((one) => isFlowOf(one, namespace)).map(logicalNameOf) };
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

function noteLimits(model: Model, shortfalls: Shortfalls): void {
  const notFinal = "NetworkPolicy has no deny: what one policy leaves closed, another can open.";
  const fix = "Keep the policy pack mandatory, or use the cilium dialect.";
  shortfalls.note(
    "metadata-deny-not-final",
    "dialect",
    "NetworkPolicy has no deny: metadata endpoints are closed only as long as no other policy of a namespace opens them.",
    fix,
  );
  if (model.denyScope === DenyScope.Cluster) {
    shortfalls.note(
      "undeclared-namespaces-uncovered",
      "denyScope",
      "NetworkPolicy has no clusterwide form: the default deny covers the declared namespaces only.",
      "Declare every namespace, or use the cilium dialect.",
    );
  }
  if (model.tenants.length > 0) shortfalls.note("deny-not-final", "tenants", notFinal, fix);
  for (const workload of externallyDenied(model)) {
    shortfalls.note("deny-not-final", `workloads ${workload.id}`, notFinal, fix);
  }
  noteServiceAccounts(model, shortfalls, "NetworkPolicy");
  noteNodeAddresses(model, shortfalls);
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.lost(
      "audit-unsupported",
      `namespaces ${namespace.name}`,
      "NetworkPolicy has no staged form, and whatever selects a pod isolates it: nothing is written in mode audit.",
      "Compare snapshots with `cluster-security diff`, or use the calico dialect, which stages every policy.",
    );
  }
  for (const namespace of heldNamespaces(model, PolicyMode.Enforce)) {
    if (!namespace.existing || isCutByWorkload(model, namespace)) continue;
    shortfalls.note(
      "first-allow-isolates",
      `namespaces ${namespace.name}`,
      "Pods that run there already are isolated by the first policy that selects them, and lose their other declared flows until the last one stands.",
      "Use the layout per-workload, or start the workloads after the policies.",
    );
  }
}

/** Workloads are told apart by labels only where the dialect knows no service accounts. */
export function noteServiceAccounts(model: Model, shortfalls: Shortfalls, enforcer: string): void {
  for (const workload of model.workloads.values()) {
    if (workload.serviceAccount === undefined || modeOf(model, workload.namespace) === PolicyMode.Audit) continue;
    shortfalls.lost(
      "service-account-unsupported",
      `workloads ${workload.id}`,
      `${enforcer} does not know service accounts: workloads are told apart by their labels, which whoever creates pods can set.`,
      "Use the cilium dialect where identity matters.",
    );
  }
}
