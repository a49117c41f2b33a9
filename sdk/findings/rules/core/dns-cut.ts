import type { Peer, Workload } from "../../../reachability";
import { clusterDnsOf, describeRef, kubeDns, nodeLocalDnsAddress } from "../../../reachability";
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
    "of openshift-dns, which listen on 5353) on UDP and TCP 53, or NodeLocal DNSCache at 169.254.20.10.",
  remediation: "Allow egress to the pods of kube-dns in kube-system on UDP and TCP 53 for all pods.",
  controls: [controls.pciServicesApproved],
  check: checkDns,
};

/** A place that answers names, and the ports on which policies see the question. */
interface Server {
  readonly peer: Peer;
  readonly ports: readonly number[];
}

const nodeLocalDns: Server = { peer: { kind: "address", address: nodeLocalDnsAddress }, ports: [kubeDns.port] };

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
function* checkRules(context: RuleContext, servers: readonly Server[]): Iterable<Finding> {
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
function dnsServers(context: RuleContext): Server[] {
  const found = context.reachability.snapshot.workloads.filter((workload) => clusterDnsOf(workload) !== undefined);
  return found.length > 0
    ? found.map((workload): Server => ({ peer: { kind: "workload", id: workload.id }, ports: portsOf(workload) }))
    : [{ peer: { kind: "freshPod", namespace: kubeDns.namespace, labels: kubeDns.labels }, ports: [kubeDns.port] }];
}

/** Where policies of a CNI see the question: on the pod's port, or on the Service's where translation comes later. */
function portsOf(workload: Workload): readonly number[] {
  return [...new Set([kubeDns.port, clusterDnsOf(workload)?.port ?? kubeDns.port])];
}

function missingProtocols(context: RuleContext, source: Peer, servers: readonly Server[]): ("UDP" | "TCP")[] {
  return (["UDP", "TCP"] as const).filter((protocol) =>
    [...servers, nodeLocalDns].every(({ peer: destination, ports }) =>
      ports.every((port) => context.reachability.verdict({ source, destination, protocol, port }) === "denied"),
    ),
  );
}
