import type { Snapshot, Workload } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf, textOf } from "../../plain";
import { findingOf } from "../../report";
import { describeWorkload, isExempt, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Whoever was given rights on the API uses it. */
export const kubeApiCut: Rule = {
  id: "kube-api-cut",
  title: "A workload with rights on the API cannot reach the API server",
  severity: "medium",
  why: "Operators, Patroni and other API clients stop working under a default deny, often hours later, when a lease ends.",
  description:
    "Every workload outside tier 0 whose service account a RoleBinding or ClusterRoleBinding names can reach the API " +
    "server on TCP 443 or 6443; decided by computed reachability.",
  remediation: "Allow egress to the API server (toEntities: [kube-apiserver], or its addresses on TCP 6443 and 443).",
  controls: [controls.pciServicesApproved],
  check: checkApi,
};

function* checkApi(context: RuleContext): Iterable<Finding> {
  const { reachability, tiers } = context;
  const bound = boundAccounts(reachability.snapshot);
  if (bound.size === 0) return;
  for (const workload of sortedWorkloads(reachability.snapshot)) {
    if (workload.hostNetwork || isExempt(tiers, workload.namespace) || !usesApi(workload, bound)) continue;
    const cut = [443, 6443].every(
      (port) =>
        reachability.verdict({
          source: { kind: "workload", id: workload.id },
          destination: { kind: "kubeApiserver" },
          protocol: "TCP",
          port,
        }) === "denied",
    );
    if (!cut) continue;
    yield findingOf(kubeApiCut, {
      subject: workloadSubject(workload),
      message: `${describeWorkload(workload, context.standIns)} has rights on the API and cannot reach the API server`,
      because: ["a binding names its service account, and no rule lets TCP 443 or 6443 pass to the API server"],
    });
  }
}

/** The account `default` counts only where it is named itself. */
function usesApi({ namespace, serviceAccount, serviceAccountUnknown }: Workload, bound: ReadonlySet<string>): boolean {
  return !serviceAccountUnknown && bound.has(`${namespace}/${serviceAccount}`);
}

/** Service accounts that some binding names, `namespace/name`. */
function boundAccounts(snapshot: Snapshot): Set<string> {
  const bound = new Set<string>();
  for (const { object } of snapshot.others) {
    if (object.kind !== "RoleBinding" && object.kind !== "ClusterRoleBinding") continue;
    for (const item of listOf(object["subjects"])) {
      const { kind, name, namespace } = mapOf(item);
      const home = textOf(namespace) ?? textOf(object.metadata?.namespace);
      if (kind === "ServiceAccount" && textOf(name) !== undefined && home !== undefined)
        bound.add(`${home}/${String(name)}`);
    }
  }
  return bound;
}
