import type { Peer, Workload } from "../../reachability";
import { controls } from "../controls";
import { describeWorkload, isExempt, list, namespaceSubject, sortedWorkloads, workloadSubject } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/**
 * Closing egress without allowing DNS breaks every name lookup (requirements S3-02, S3-24; seed defects B02, B40). A
 * workload may do without DNS, so this is shown and does not block by default.
 */
export const dnsCut: Rule = {
  id: "dns-cut",
  title: "Workloads can resolve names",
  severity: "medium",
  why: "A default deny without DNS breaks every lookup, and answers that do not fit into UDP need TCP.",
  description:
    "Every workload outside tier 0 reaches the cluster's DNS pods (k8s-app: kube-dns in kube-system; on OpenShift those " +
    "of openshift-dns) on UDP and TCP 53, or NodeLocal DNSCache at 169.254.20.10.",
  remediation: "Allow egress to the pods of kube-dns in kube-system on UDP and TCP 53 for all pods.",
  controls: [controls.pciServicesApproved],
  check: checkDns,
};

const nodeLocalDns: Peer = { kind: "address", address: "169.254.20.10" };

function* checkDns(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const servers = dnsServers(context);
  const cut = new Map<string, Workload[]>();
  for (const workload of sortedWorkloads(snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    const missing = missingProtocols(context, { kind: "workload", id: workload.id }, servers);
    if (missing.length === 0) continue;
    const key = JSON.stringify([workload.namespace, missing]);
    cut.set(key, [...(cut.get(key) ?? []), workload]);
  }
  for (const [key, workloads] of cut) {
    const [namespace, missing] = JSON.parse(key) as [string, string[]];
    const only = workloads.length === 1 ? workloads[0] : undefined;
    yield {
      id: dnsCut.id,
      severity: dnsCut.severity,
      certainty: "definite",
      subject: only === undefined ? namespaceSubject(snapshot, namespace) : workloadSubject(only),
      message:
        `${list(workloads.map((workload) => describeWorkload(workload, context.standIns)))} cannot ask the cluster's ` +
        `DNS over ${missing.join(" and ")}`,
      because: [`no rule lets ${missing.join(" and ")} 53 pass to the pods k8s-app=kube-dns in kube-system`],
      fix: `Allow egress from namespace ${namespace} to kube-dns on UDP and TCP 53, and let kube-dns accept it.`,
      controls: dnsCut.controls,
    };
  }
}

/** The DNS pods of the snapshot, or a pod as they are where the snapshot has none. */
function dnsServers(context: RuleContext): Peer[] {
  const found = context.reachability.snapshot.workloads.filter(isDnsServer);
  return found.length > 0
    ? found.map((workload): Peer => ({ kind: "workload", id: workload.id }))
    : [{ kind: "freshPod", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } }];
}

/** CoreDNS and kube-dns in kube-system; on OpenShift the DNS operator's pods (seed defect B37). */
function isDnsServer({ namespace, labels }: Workload): boolean {
  return (
    (namespace === "kube-system" && labels["k8s-app"] === "kube-dns") ||
    (namespace === "openshift-dns" && labels["dns.operator.openshift.io/daemonset-dns"] !== undefined)
  );
}

function missingProtocols(context: RuleContext, source: Peer, servers: readonly Peer[]): ("UDP" | "TCP")[] {
  return (["UDP", "TCP"] as const).filter((protocol) =>
    [...servers, nodeLocalDns].every(
      (destination) => context.reachability.verdict({ source, destination, protocol, port: 53 }) === "denied",
    ),
  );
}
