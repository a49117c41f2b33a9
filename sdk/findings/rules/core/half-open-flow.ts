import type { CompiledPolicy, Direction, Peer, PolicyRule } from "../../../reachability";
import { describeRef, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { imaginedPeers, imaginedSubject } from "../../imagined-pods";
import {
  isForReserved,
  workloadsNamedBy,
  policyObjects,
  policySubject,
  understoodRulesOf,
  workloadsSelectedBy,
} from "../../policy-rules";
import type { PolicyParts } from "../../policy-rules";
import { findingOf } from "../../report";
import { list, sampleFlow } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Ingress and egress are judged independently, so an allow on one side only lets nothing through. A rule is half open if it names workloads that exist and, of all that it allows,
 * nothing passes between any two of them. Where no workload of a side exists, a pod is imagined that its selector fits.
 */
export const halfOpenFlow: Rule = {
  id: "half-open-flow",
  title: "A flow is allowed on one side only",
  severity: "medium",
  why: "A connection needs an allow for egress at the source and for ingress at the destination; an allow on one side only has no effect.",
  description:
    "For every allow rule that names pods: something of what the rule allows passes between at least one pair of workloads of " +
    "its two ends. For an end without workloads a new pod with the labels that the rule names is judged; then the severity " +
    "is low, since the other side may belong to another stack.",
  remediation:
    "Add the missing side: egress at the source for an ingress rule, ingress at the destination for an egress rule.",
  controls: [controls.pciServicesApproved, controls.nistInformationFlow],
  check: checkHalves,
};

/** Enough pairs to believe that nothing passes; a rule for a whole cluster is not asked for every pair. */
const maxPairs = 400;

function* checkHalves(context: RuleContext): Iterable<Finding> {
  for (const object of policyObjects(context.reachability.snapshot)) {
    const halves = object.parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => understoodRulesOf(part).map((rule) => ({ rule, state: stateOf(context, part, rule) })));
    for (const state of ["half-open", "half-open for new pods"] as const) {
      const rules = halves.filter((half) => half.state === state).map(({ rule }) => rule);
      if (rules.length > 0) yield describe(object, rules, state);
    }
  }
}

type State = "open" | "half-open" | "half-open for new pods";

function stateOf(context: RuleContext, part: CompiledPolicy, rule: PolicyRule): State {
  if (rule.verdict !== "allow") return "open";
  const { snapshot } = context.reachability;
  const peers = workloadsNamedBy(rule, snapshot).map(({ id }): Peer => ({ kind: "workload", id }));
  const subjects = workloadsSelectedBy(part, snapshot).map(({ id }): Peer => ({ kind: "workload", id }));
  if (peers.length > 0 && subjects.length > 0) {
    return passesSomewhere(context, rule, subjects, peers) ? "open" : "half-open";
  }
  const own = subjects.length > 0 ? subjects : [imaginedSubject(part, snapshot)].filter((pod) => pod !== undefined);
  const others = peers.length > 0 ? peers : imaginedPeers(rule, snapshot);
  return passesSomewhere(context, rule, own, others) ? "open" : "half-open for new pods";
}

/** Whether anything that a rule allows passes between some pair, or there is no pair to ask. */
function passesSomewhere(
  { reachability }: RuleContext,
  rule: PolicyRule,
  subjects: readonly Peer[],
  peers: readonly Peer[],
): boolean {
  // what the rule allows; named ports are numbers only at the destination, so then anything that passes will do
  const allowed = rule.l4.named.length > 0 ? TrafficSet.all() : rule.l4.must;
  let pairs = 0;
  for (const subject of subjects) {
    for (const peer of peers) {
      if (peer.kind === "workload" && subject.kind === "workload" && peer.id === subject.id) continue;
      if (++pairs > maxPairs) return true;
      const [source, destination] = ends(rule.direction, subject, peer);
      if (!reachability.traffic(source, destination).possible.intersect(allowed).isEmpty()) return true;
      // what the rule's own side denies is decided there, and what the mesh does is no matter of network policies
      const flow = sampleFlow(source, destination, allowed, [443, 80]);
      const told = reachability.explain(flow);
      if (told[rule.direction].verdict === "denied") return true;
      if (told[rule.direction === "ingress" ? "egress" : "ingress"].verdict !== "denied") return true;
    }
  }
  return pairs === 0;
}

function ends(direction: Direction, subject: Peer, peer: Peer): [Peer, Peer] {
  return direction === "ingress" ? [peer, subject] : [subject, peer];
}

function describe({ origin }: PolicyParts, rules: readonly PolicyRule[], state: State): Finding {
  const paths = [...new Set(rules.map((rule) => rule.path))];
  const missing = [...new Set(rules.map((rule) => (rule.direction === "ingress" ? "egress" : "ingress")))];
  const forNewPods = state === "half-open for new pods";
  return findingOf(halfOpenFlow, {
    ...(forNewPods ? { severity: "low" as const } : {}),
    subject: policySubject(origin),
    message: `${describeRef(origin)} allows what the other side of the flow denies: ${list(paths)}`,
    because: [
      `${missing.join(" and ")} on the other side of the flow does not allow it, so no connection can be established`,
      ...(forNewPods
        ? ["the snapshot has no workload for source or destination; judged for new pods with the labels in the rules"]
        : []),
    ],
    causes: [origin.source],
  });
}
