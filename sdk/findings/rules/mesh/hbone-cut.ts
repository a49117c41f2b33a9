import type { CompiledPolicy, Peer, PolicyRule, Workload } from "../../../reachability";
import { describeRef, meshModeOfWorkload, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import {
  isForReserved,
  policyObjects,
  understoodRulesOf,
  workloadsNamedBy,
  workloadsSelectedBy,
} from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** In ambient mode network policies see the tunnel, not the port of the application. */
export const hboneCut: Rule = {
  id: "hbone-cut",
  title: "A network policy blocks the tunnel of ambient mode",
  severity: "medium",
  why: "Between pods of an ambient mesh the CNI sees TCP 15008 only; a policy that allows the application's port and not 15008 breaks the connection.",
  description:
    "For every allow rule with TCP ports between pods of Istio's ambient mode: some of them reach each other over the tunnel " +
    "(TCP 15008) that carries these ports; decided by computed reachability.",
  remediation:
    "Add TCP 15008 to the ports of the rule, and leave it to an AuthorizationPolicy which of the application's ports may be used.",
  controls: [controls.pciServicesApproved, controls.nistInformationFlow],
  check: checkTunnel,
};

const tcp = TrafficSet.protocol("TCP");
const tunnel = TrafficSet.ports("TCP", 15008);
/** Enough pairs to believe that nothing passes. */
const maxPairs = 200;

function* checkTunnel(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const ambient = new Set(
    snapshot.workloads.filter((each) => !each.hostNetwork && meshModeOfWorkload(snapshot, each) === "ambient"),
  );
  if (ambient.size < 2) return;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const cut = parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => understoodRulesOf(part).filter((rule) => isCut(context, part, rule, ambient)));
    if (cut.length === 0) continue;
    const ports = cut.map(({ l4 }) => l4.must.intersect(tcp)).reduce((a, b) => a.union(b));
    const paths = [...new Set(cut.map(({ path }) => path))];
    yield aboutPolicy(hboneCut, origin, {
      message: `${describeRef(origin)} opens ${ports.toString()} and not TCP 15008, over which pods of the ambient mesh connect`,
      because: [
        `${list(paths)}: ztunnel carries TCP between these pods to port 15008 (HBONE), which no rule lets through, so nothing passes between them`,
      ],
    });
  }
}

/** Whether a rule for ports of applications is of no use to any two pods of the ambient mesh, for want of the tunnel. */
function isCut(
  { reachability }: RuleContext,
  part: CompiledPolicy,
  rule: PolicyRule,
  ambient: ReadonlySet<Workload>,
): boolean {
  const ports = rule.l4.must.intersect(tcp);
  if (rule.verdict !== "allow" || ports.isEmpty() || tunnel.isSubsetOf(rule.l4.may) || rule.l4.named.length > 0) {
    return false;
  }
  const { snapshot } = reachability;
  const own = workloadsSelectedBy(part, snapshot).filter((each) => ambient.has(each));
  const everybody = rule.peers.some(({ kind }) => kind === "any");
  const others = everybody ? [...ambient] : workloadsNamedBy(rule, snapshot).filter((each) => ambient.has(each));
  let pairs = 0;
  for (const subject of own) {
    for (const other of others) {
      if (subject === other) continue;
      if (++pairs > maxPairs) return false;
      const [from, to] = rule.direction === "ingress" ? [other, subject] : [subject, other];
      const [source, destination] = [from, to].map((each): Peer => ({ kind: "workload", id: each.id })) as [Peer, Peer];
      if (!reachability.traffic(source, destination).possible.intersect(ports).isEmpty()) return false;
      // another policy, or another side, may be what stops it
      const flow = { source, destination, protocol: "TCP" as const, port: ports.ranges("TCP")[0]?.[0] ?? 1 };
      if (reachability.explain(flow)[rule.direction].verdict !== "denied") return false;
    }
  }
  return pairs > 0;
}
