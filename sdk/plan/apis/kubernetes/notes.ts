/** What NetworkPolicy cannot express of a declaration. */
import { DenyScope, PolicyMode } from "../../declaration";
import { externallyDenied, heldNamespaces, modeOf } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { noteNodeAddresses } from "../address-peers";
import { isCutByWorkload } from "./network-policy";

export function noteLimits(model: Model, shortfalls: Shortfalls): void {
  const notFinal = "NetworkPolicy has no deny: what one policy does not allow, another can allow.";
  const fix = "Keep the policy pack mandatory, or use the cilium dialect.";
  shortfalls.note(
    "metadata-deny-not-final",
    ["dialect"],
    "NetworkPolicy has no deny: metadata endpoints are denied only as long as no other policy of a namespace allows them.",
    fix,
  );
  if (model.denyScope === DenyScope.Cluster) {
    shortfalls.note(
      "undeclared-namespaces-uncovered",
      ["denyScope"],
      "NetworkPolicy has no clusterwide form: the default deny covers the declared namespaces only.",
      "Declare every namespace, or use the cilium dialect.",
    );
  }
  if (model.tenants.length > 0) shortfalls.note("deny-not-final", ["tenants"], notFinal, fix);
  for (const workload of externallyDenied(model)) {
    shortfalls.note("deny-not-final", ["workloads", workload.id], notFinal, fix);
  }
  noteServiceAccounts(model, shortfalls, "NetworkPolicy");
  noteNodeAddresses(model, shortfalls);
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.lost(
      "audit-unsupported",
      ["namespaces", namespace.name],
      "NetworkPolicy has no staged form, and whatever selects a pod isolates it: nothing is written in mode audit.",
      "Compare snapshots with `cluster-security diff`, or use the calico dialect, which stages every policy.",
    );
  }
  for (const namespace of heldNamespaces(model, PolicyMode.Enforce)) {
    if (!namespace.existing || isCutByWorkload(model, namespace)) continue;
    shortfalls.note(
      "first-allow-isolates",
      ["namespaces", namespace.name],
      "Pods that run there already are isolated by the first policy that selects them, and lose their other declared flows until the last policy is in place.",
      "Use the layout per-workload, or start the workloads after the policies.",
    );
  }
}

/** Workloads are told apart by labels only where the dialect knows no service accounts. */
export function noteServiceAccounts(model: Model, shortfalls: Shortfalls, enforcer: string): void {
  for (const workload of model.workloads.values()) {
    if (workload.serviceAccount === undefined || modeOf(model, workload.namespace) !== PolicyMode.Enforce) continue;
    shortfalls.lost(
      "service-account-unsupported",
      ["workloads", workload.id],
      `${enforcer} does not know service accounts: workloads are identified by their labels, which anyone who creates pods can set.`,
      "Use the cilium dialect where identity matters.",
    );
  }
}
