import type { CompiledPolicy, PolicyRule, Snapshot, TrafficSet } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { policyObjects, rulesOf, testsIn, workloadsNamedBy, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { isExempt } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Management ports that ride along with a service's own. */
export const adminPortOpen: Rule = {
  id: "admin-port-open",
  title: "A rule opens a management port",
  severity: "low",
  why: "A client of the database or queue has no business at its management interface, which often asks for less.",
  description:
    "No allow rule outside tier 0 opens a port that is known for management (RabbitMQ 15672, Patroni 8008 beside 5432, etcd " +
    "2379 and 2380, Docker 2375 and 2376, Envoy 9901 and 15000) to anybody but the workload itself.",
  remediation: "Take the port out of the rule, and give it to the administrators in a rule of its own with its reason.",
  controls: [controls.nistLeastFunctionality, controls.nistLeastPrivilege, controls.pciServicesApproved],
  check: checkPorts,
};

interface AdminPort {
  readonly port: number;
  readonly what: string;
  /** Counts only where the rules of the policy also open this port; alone the number means nothing. */
  readonly beside?: number;
}

const adminPorts: readonly AdminPort[] = [
  { port: 15672, what: "RabbitMQ's management interface" },
  { port: 8008, what: "Patroni's REST interface", beside: 5432 },
  { port: 2379, what: "etcd's client port" },
  { port: 2380, what: "etcd's peer port" },
  { port: 2375, what: "Docker's socket" },
  { port: 2376, what: "Docker's socket" },
  { port: 9901, what: "Envoy's administration" },
  { port: 15000, what: "Envoy's administration" },
];

function* checkPorts(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    if (origin.namespace !== undefined && isExempt(context.tiers, origin.namespace)) continue;
    const opened = parts.flatMap(rulesOf).filter((rule) => rule.verdict === "allow" && rule.peers.length > 0);
    const because = parts.flatMap((part) =>
      rulesOf(part)
        .filter((rule) => rule.verdict === "allow" && rule.direction === "ingress" && !isToItself(part, rule, snapshot))
        .flatMap((rule) =>
          adminPortsOf(rule, opened).map(({ port, what }) => `${rule.path} opens TCP ${port}, ${what}`),
        ),
    );
    if (because.length === 0) continue;
    yield aboutPolicy(adminPortOpen, origin, {
      message: `${describeRef(origin)} opens a management port`,
      because: [...new Set(because)],
    });
  }
}

function adminPortsOf({ l4 }: PolicyRule, all: readonly PolicyRule[]): AdminPort[] {
  // a rule for all ports, or for very many, is another finding
  if (isWide(l4.must)) return [];
  return adminPorts.filter(
    ({ port, beside }) =>
      l4.must.contains("TCP", port) &&
      (beside === undefined || all.some((rule) => rule.l4.must.contains("TCP", beside))),
  );
}

function isWide(traffic: TrafficSet): boolean {
  return traffic.ranges("TCP").some(([from, to]) => to - from > 1024);
}

/** Whether a rule is for the replicas of the workload that it protects. */
function isToItself(part: CompiledPolicy, rule: PolicyRule, snapshot: Snapshot): boolean {
  const peers = workloadsNamedBy(rule, snapshot);
  if (peers.length > 0) {
    const own = new Set(workloadsSelectedBy(part, snapshot));
    return peers.every((peer) => own.has(peer));
  }
  const subject = labelsIn(part.subject.where);
  return (
    rule.peers.length > 0 &&
    rule.peers.every((peer) => (peer.kind === "pods" || peer.kind === "identities") && labelsIn(peer.where) === subject)
  );
}

function labelsIn(where: CompiledPolicy["subject"]["where"]): string {
  return JSON.stringify(testsIn(where).filter((test) => test.field === "label"));
}
