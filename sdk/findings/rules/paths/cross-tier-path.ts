import type { Peer, TrafficSet as Traffic, Workload } from "../../../reachability";
import { clusterDnsOf, kubeDns, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { findingOf } from "../../report";
import type { Cause } from "../../subjects";
import { causeOf, describeWorkload, isExempt, list, namespaceSubject, sampleFlow } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Applications use what the platform offers them and nothing else of it. */
export const crossTierPath: Rule = {
  id: "cross-tier-path",
  title: "An application reaches more of the platform than it offers",
  severity: "medium",
  why: "The platform's pods have rights over the whole cluster, which an attacker in an application could take over through them.",
  description:
    "No rule lets a workload of an application namespace reach a pod of tier 0, except the cluster's DNS on port 53, or a " +
    "pod of tier 1 on every TCP port; decided by computed reachability. What is open because nothing closes it is left " +
    "to namespace-default-deny.",
  remediation: "Name the platform's service that is meant, with its ports, or route the request through tier 1.",
  controls: [controls.nistSeparateFlows, controls.nistLeastPrivilege, controls.isoSegregation],
  check: checkTiers,
};

const allTcp = TrafficSet.protocol("TCP");

interface Group {
  readonly from: string;
  readonly to: string;
  readonly tier: 0 | 1;
  readonly certain: boolean;
  readonly causes: Map<string, Cause>;
  readonly pods: Set<string>;
  traffic: Traffic;
}

function* checkTiers(context: RuleContext): Iterable<Finding> {
  const { reachability, tiers } = context;
  const platform = [...tiers.exemptNamespaces, ...tiers.platformNamespaces];
  if (!reachability.snapshot.workloads.some(({ namespace }) => platform.includes(namespace))) return;
  const workloads = new Map(reachability.snapshot.workloads.map((workload) => [workload.id, workload]));
  const groups = new Map<string, Group>();
  const explained = new Map<string, Cause>();
  for (const entry of reachability.matrix({ namespaces: platform, end: "destination", external: false })) {
    const [source, destination] = [workloadOf(entry.source, workloads), workloadOf(entry.destination, workloads)];
    if (source === undefined || destination === undefined || platform.includes(source.namespace)) continue;
    if (source.hostNetwork || destination.hostNetwork) continue;
    const tier = isExempt(tiers, destination.namespace) ? 0 : 1;
    const offered = (traffic: Traffic): boolean =>
      tier === 0 ? traffic.subtract(dnsTrafficTo(destination)).isEmpty() : !allTcp.isSubsetOf(traffic);
    const certain = !offered(entry.allowed);
    if (!certain && offered(entry.possible)) continue;
    const traffic = certain ? entry.allowed : entry.possible;
    const flow = sampleFlow(
      entry.source,
      entry.destination,
      tier === 0 ? traffic.subtract(dnsTrafficTo(destination)) : traffic,
      [443, 80],
    );
    // the same traffic of the same namespaces has the same cause; explaining every pair would cost more than finding it
    const key = JSON.stringify([source.namespace, destination.namespace, certain, traffic.id]);
    const cause =
      explained.get(key) ?? causeOf(reachability, flow, "egress", describeWorkload(source, context.standIns));
    explained.set(key, cause);
    if (!cause.isolated) continue;
    const groupKey = JSON.stringify([source.namespace, destination.namespace, certain]);
    const group: Group = groups.get(groupKey) ?? {
      from: source.namespace,
      to: destination.namespace,
      tier,
      certain,
      causes: new Map(),
      pods: new Set(),
      traffic,
    };
    groups.set(groupKey, group);
    group.causes.set(cause.key, cause);
    group.pods.add(describeWorkload(destination, context.standIns));
    group.traffic = group.traffic.union(traffic);
  }
  for (const group of groups.values()) {
    const causes = [...group.causes.values()];
    const on = group.traffic.isAll() ? "every protocol and port" : group.traffic.toString();
    yield findingOf(crossTierPath, {
      subject: namespaceSubject(reachability.snapshot, group.from),
      certainty: group.certain ? "definite" : "possible",
      message:
        `Applications of namespace ${group.from} ${group.certain ? "reach" : "possibly reach"} ` +
        `${list([...group.pods].sort())} of tier ${group.tier} on ${on}`,
      because: causes.map((cause) => cause.text),
      causes: causes.map((cause) => cause.source),
    });
  }
}

function workloadOf(peer: Peer, workloads: ReadonlyMap<string, Workload>): Workload | undefined {
  return peer.kind === "workload" ? workloads.get(peer.id) : undefined;
}

/** What a DNS server is asked on; CoreDNS, kube-dns and NodeLocal DNSCache by their label in any namespace. */
function dnsTrafficTo(workload: Workload): Traffic {
  const isLabelled = ["kube-dns", "node-local-dns"].includes(String(workload.labels["k8s-app"]));
  const port = clusterDnsOf(workload)?.port ?? (isLabelled ? kubeDns.port : undefined);
  if (port === undefined) return TrafficSet.none();
  // `ANY` in a Cilium rule is SCTP as well
  return (["UDP", "TCP", "SCTP"] as const)
    .map((protocol) => TrafficSet.ports(protocol, port))
    .reduce((sum, traffic) => sum.union(traffic));
}
