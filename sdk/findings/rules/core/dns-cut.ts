import type { Peer, Workload } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { imaginedSubject } from "../../imagined-pods";
import { policyObjects, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { describeWorkload, isExempt, list, namespaceSubject, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Closing egress without allowing DNS breaks every name lookup (requirements S3-02, S3-24; seed defects B02, B40). A
 * workload may do without DNS, so this is shown and does not block by default.
 */
export const dnsCut: Rule = {
  id: "dns-cut",
  title: "A workload cannot resolve names",
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
  yield* checkRules(context, servers);
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

/** Policies that allow DNS over UDP for pods that no workload stands for yet, which cannot ask over TCP. */
function* checkRules(context: RuleContext, servers: readonly Peer[]): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const udpOnly = parts.some((part) => {
      const rules = (part.egress?.rules ?? []).filter(
        (rule) => rule.verdict === "allow" && rule.l4.must.contains("UDP", 53),
      );
      if (rules.length === 0 || workloadsSelectedBy(part, snapshot).length > 0) return false;
      const pod = imaginedSubject(part, snapshot, "a-namespace-that-no-policy-names");
      return pod !== undefined && missingProtocols(context, pod, servers).join() === "TCP";
    });
    if (!udpOnly) continue;
    yield aboutPolicy(dnsCut, origin, {
      severity: "low",
      message: `Pods that ${describeRef(origin)} selects can ask the cluster's DNS over UDP and not over TCP`,
      because: ["answers that do not fit into UDP are asked for again over TCP, which no policy here lets pass"],
      fix: "Allow TCP 53 beside UDP 53.",
    });
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
