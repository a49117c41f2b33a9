/**
 * Calico's policies of host endpoints, as far as they decide about pods: with `applyOnForward` they judge what enters or
 * leaves a node on its way from or to a pod, besides the pod's own policies.
 * Source: the API text of GlobalNetworkPolicy (applyOnForward, preDNAT, doNotTrack) and felix/rules/endpoints.go.
 */
import type { CompiledPolicy, DirectionRules, PeerTerm, Rule, Tier } from "../model/rules";
import { always } from "../model/selectors/conditions";
import { TrafficSet } from "../model/sets/ports";
import { MAYBE, NO } from "../model/unknown";
import type { Direction } from "../model/direction";
import { uncertainPeer } from "./common";
import { readBoolean, type Fields } from "./fields";

/** Where a policy of host endpoints is evaluated; nothing for one that leaves forwarded traffic alone. */
export type HostStage = "doNotTrack" | "preDNAT" | "forward";

export function hostStageOf(spec: Fields): HostStage | undefined {
  const has = (field: string): boolean => readBoolean(spec[field], `spec.${field}`) === true;
  if (has("doNotTrack")) return "doNotTrack";
  if (has("preDNAT")) return "preDNAT";
  return has("applyOnForward") ? "forward" : undefined;
}

const stages: readonly HostStage[] = ["doNotTrack", "preDNAT", "forward"];

/**
 * A policy as a stage on the way to and from pods. Which of them it meets is not known (it depends on the nodes they run
 * on), so it makes what it drops possible, and nothing certain. What no rule decides is dropped after ordinary policies
 * only.
 */
export function onTheWayOf(policy: CompiledPolicy, stage: HostStage): CompiledPolicy {
  const tier: Tier = {
    id: `${stage} ${policy.tier.id}`,
    // all of one stage come before all of the next, by the order of their tiers
    order: stages.indexOf(stage) * 1e12 + Math.min(policy.tier.order, 1e11),
    combinator: "firstMatch",
    onTheWay: true,
  };
  const of = (direction: Direction): { [key in Direction]?: DirectionRules } => {
    const rules = policy[direction];
    if (rules === undefined) return {};
    const isolates = stage === "forward" && rules.isolates !== NO ? MAYBE : NO;
    return {
      [direction]: { isolates, rules: rules.rules.map((rule) => (stage === "forward" ? rule : undirected(rule))) },
    };
  };
  return {
    origin: policy.origin,
    tier,
    order: policy.order,
    subject: { kind: "pods", where: always },
    ...of("ingress"),
    ...of("egress"),
  };
}

/**
 * A rule that sees the packet before its destination is translated: the address and port of a Service may stand where the
 * pod's are asked about, so that what it says about them fits perhaps.
 */
function undirected({ own, l4, peers, ...rule }: Rule): Rule {
  const open = rule.direction === "ingress" && (own !== undefined || !isWhole(l4.must) || l4.named.length > 0);
  if (!open) return { ...rule, peers, l4, ...(own === undefined ? {} : { own }) };
  const perhaps: readonly PeerTerm[] = peers.map((of) => ({ kind: "and", of: [of, uncertainPeer] }));
  const protocols = (["TCP", "UDP", "SCTP"] as const).filter(
    (protocol) => l4.may.contains(protocol) || l4.named.some((port) => port.protocol === protocol),
  );
  const may = protocols.reduce((set, protocol) => set.union(TrafficSet.protocol(protocol)), l4.may);
  return { ...rule, peers: perhaps, l4: { must: TrafficSet.none(), may, named: [] } };
}

/** Whether a set tells no ports apart. */
function isWhole(set: TrafficSet): boolean {
  return (["TCP", "UDP", "SCTP"] as const).every((protocol) => {
    const part = set.only(protocol);
    return part.isEmpty() || part === TrafficSet.protocol(protocol);
  });
}
