import type { CompiledPolicy, Direction, Peer, PolicyRule, Workload } from "../../reachability";
import { describeRef, TrafficSet } from "../../reachability";
import { controls } from "../controls";
import {
  isForReserved,
  workloadsNamedBy,
  policyObjects,
  policySubject,
  rulesOf,
  workloadsSelectedBy,
} from "../policy-rules";
import type { PolicyParts } from "../policy-rules";
import { list } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/**
 * Ingress and egress are judged independently, so an allow on one side only lets nothing through (requirement S3-17,
 * seed defects B02, B07, B24, B41). A rule is half open if it names workloads that exist and, of all that it allows,
 * nothing passes between any two of them.
 */
export const halfOpenFlow: Rule = {
  id: "half-open-flow",
  title: "Flows are allowed on both sides",
  severity: "medium",
  why: "Ingress and egress are judged apart, so an allow on one side only lets nothing through and merely looks as if it did.",
  description:
    "For every allow rule that names pods: where workloads of both ends are in the snapshot, something of what the rule " +
    "allows passes between at least one pair of them.",
  remediation:
    "Add the other half: egress at the source for an ingress rule, ingress at the destination for an egress rule.",
  controls: [controls.pciServicesApproved, controls.nistInformationFlow],
  check: checkHalves,
};

/** Enough pairs to believe that nothing passes; a rule for a whole cluster is not asked for every pair. */
const maxPairs = 400;

function* checkHalves(context: RuleContext): Iterable<Finding> {
  for (const object of policyObjects(context.reachability.snapshot)) {
    const halves = object.parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => rulesOf(part).map((rule) => ({ part, rule })))
      .filter(({ part, rule }) => isHalfOpen(context, part, rule));
    if (halves.length > 0)
      yield describe(
        object,
        halves.map(({ rule }) => rule),
      );
  }
}

function isHalfOpen(context: RuleContext, part: CompiledPolicy, rule: PolicyRule): boolean {
  if (rule.verdict !== "allow") return false;
  const { reachability } = context;
  const { snapshot } = reachability;
  const subjects = workloadsSelectedBy(part, snapshot);
  if (subjects.length === 0) return false;
  // what the rule allows; named ports are numbers only at the destination, so then anything that passes will do
  const allowed = rule.l4.named.length > 0 ? TrafficSet.all() : rule.l4.must;
  const peers = workloadsNamedBy(rule, snapshot);
  let pairs = 0;
  for (const subject of subjects) {
    for (const peer of peers) {
      if (peer.id === subject.id) continue;
      if (++pairs > maxPairs) return false;
      const [source, destination] = ends(rule.direction, subject, peer);
      if (!reachability.traffic(source, destination).possible.intersect(allowed).isEmpty()) return false;
    }
  }
  return pairs > 0;
}

function ends(direction: Direction, subject: Workload, peer: Workload): [Peer, Peer] {
  const own: Peer = { kind: "workload", id: subject.id };
  const other: Peer = { kind: "workload", id: peer.id };
  return direction === "ingress" ? [other, own] : [own, other];
}

function describe({ origin }: PolicyParts, rules: readonly PolicyRule[]): Finding {
  const paths = rules.map((rule) => rule.path);
  const missing = [...new Set(rules.map((rule) => (rule.direction === "ingress" ? "egress" : "ingress")))];
  return {
    id: halfOpenFlow.id,
    severity: halfOpenFlow.severity,
    certainty: "definite",
    subject: policySubject(origin),
    message: `${describeRef(origin)} allows what the other side does not let pass: ${list(paths)}`,
    because: [`${missing.join(" and ")} at the other end of the flow is closed for it, so no connection comes about`],
    fix: halfOpenFlow.remediation,
    controls: halfOpenFlow.controls,
    ...(origin.source === undefined ? {} : { causes: [origin.source] }),
  };
}
