/** What ClusterNetworkPolicy cannot express of a declaration. */
import { DenyScope, PolicyMode } from "../../declaration";
import { externallyDenied, heldNamespaces } from "../../halves";
import type { Model } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { noteNodeAddresses } from "../address-peers";
import { noteServiceAccounts } from "../kubernetes/notes";

export function noteLimits(model: Model, shortfalls: Shortfalls): void {
  noteServiceAccounts(model, shortfalls, "ClusterNetworkPolicy");
  if (model.denyScope === DenyScope.Cluster) {
    shortfalls.note(
      "undeclared-namespaces-uncovered",
      ["denyScope"],
      "ClusterNetworkPolicy has no name for what comes from outside the cluster: in namespaces that are not declared, only what comes from pods is denied.",
      "Declare every namespace, or use the cilium or calico dialect.",
    );
  }
  for (const workload of externallyDenied(model)) {
    shortfalls.note(
      "outside-not-nameable",
      ["workloads", workload.id],
      "ClusterNetworkPolicy has no name for what comes from outside the cluster: the default deny closes it, and a policy of the namespace can open it again.",
      "Keep the policy pack mandatory, or use the cilium or calico dialect.",
    );
  }
  noteNodeAddresses(model, shortfalls);
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.lost(
      "audit-unsupported",
      ["namespaces", namespace.name],
      "ClusterNetworkPolicy has no staged form: in mode audit only what accepts without isolating is written; flows by address and every deny are left out.",
      "Compare snapshots with `cluster-security diff`, or use the calico dialect, which stages every policy.",
    );
  }
}
