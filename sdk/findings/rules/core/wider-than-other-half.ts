import type { CompiledPolicy, Peer, PolicyRule, Workload } from "../../../reachability";
import { describeRef, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { isForReserved, policyObjects, rulesOf, workloadsNamedBy, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { describeWorkload, list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** One side of a flow that allows more than the other lets pass is an opening in waiting. */
export const widerThanOtherHalf: Rule = {
  id: "wider-than-other-half",
  title: "The two sides of a flow name different workloads",
  severity: "low",
  why: "What one side allows beyond need opens as soon as the other side is relaxed; least privilege applies to both sides.",
  description:
    "Of the workloads that an allow rule names by labels, each exchanges something of what the rule allows with one of the " +
    "workloads that the policy selects, where any of them does; decided by computed reachability. Rules for all pods of the " +
    "cluster or of a namespace's own (DNS, metrics) and half-open flows are left out.",
  remediation: "Name in this rule the workloads that the other side names, and no more.",
  controls: [controls.nistLeastPrivilege, controls.pciServicesApproved],
  check: checkHalves,
};

/** A rule for more pairs than this is for everybody, and not one side of a flow. */
const maxPairs = 400;

function* checkHalves(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of policyObjects(context.reachability.snapshot)) {
    const because = parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => rulesOf(part).map((rule) => ({ rule, idle: idlePeers(context, part, rule) })))
      .filter(({ idle }) => idle.length > 0)
      .map(
        ({ rule, idle }) =>
          `${rule.path} also names ${list(idle.map((each) => describeWorkload(each, context.standIns)))}`,
      );
    if (because.length === 0) continue;
    yield aboutPolicy(widerThanOtherHalf, origin, {
      message: `${describeRef(origin)} allows more than the other side lets pass`,
      because,
    });
  }
}

/** Workloads that a rule names and that nothing of it reaches or comes from, where others that it names pass. */
function idlePeers(context: RuleContext, part: CompiledPolicy, rule: PolicyRule): Workload[] {
  const { reachability } = context;
  const { snapshot } = reachability;
  if (rule.verdict !== "allow") return [];
  const subjects = workloadsSelectedBy(part, snapshot);
  const peers = workloadsNamedBy(rule, snapshot);
  if (peers.length < 2 || subjects.length * peers.length > maxPairs) return [];
  const allowed = rule.l4.named.length > 0 ? TrafficSet.all() : rule.l4.must;
  const passes = (peer: Workload): boolean =>
    subjects.some((subject) => {
      if (subject === peer) return false;
      const [own, other]: Peer[] = [subject, peer].map(({ id }) => ({ kind: "workload", id }));
      const [source, destination] = rule.direction === "ingress" ? [other, own] : [own, other];
      if (source === undefined || destination === undefined) return false;
      return !reachability.traffic(source, destination).possible.intersect(allowed).isEmpty();
    });
  const idle = peers.filter((peer) => !(subjects.length === 1 && subjects[0] === peer) && !passes(peer));
  return idle.length < peers.length ? idle : [];
}
