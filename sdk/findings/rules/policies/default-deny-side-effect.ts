import type { Direction, PeerTerm, PolicySource } from "../../../reachability";
import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import type { PolicyParts } from "../../policy-rules";
import { isolationByWorkload } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { isExempt } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** An allow that closes (seed defects B17, B40): the first policy to select a pod closes it for everything else. */
export const defaultDenySideEffect: Rule = {
  id: "default-deny-side-effect",
  title: "No allow closes pods by the way",
  severity: "medium",
  why: "Whoever adds an allow expects more to work afterwards; where nothing closed the pods before, it cuts all their other connections.",
  description:
    "No policy with allow rules is the only one that closes workloads in a direction, unless it says that it means to " +
    "(enableDefaultDeny: true) or it also closes the whole namespace by name.",
  remediation:
    "Close the namespace by a policy of its own, with the allows it needs before it; or set enableDefaultDeny to false " +
    "for the direction (Cilium).",
  controls: [controls.pciRuleSets, controls.nistChangeControl],
  check: checkSideEffects,
};

function* checkSideEffects(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const closedBy = new Map<PolicyParts, Record<Direction, number>>();
  const homes = new Map(snapshot.workloads.map(({ id, namespace }) => [id, namespace]));
  for (const [id, isolation] of isolationByWorkload(snapshot)) {
    if (isExempt(context.tiers, homes.get(id) ?? "")) continue;
    for (const direction of ["ingress", "egress"] as const) {
      const objects = isolation[direction];
      // closed on purpose by somebody, then the allows beside it close nothing
      if (objects.length === 0 || objects.some((object) => isMeant(object, direction))) continue;
      if (objects.some((object) => letsAllPass(object, direction))) continue;
      for (const object of objects) {
        const counts = closedBy.get(object) ?? { ingress: 0, egress: 0 };
        closedBy.set(object, counts);
        counts[direction]++;
      }
    }
  }
  for (const [object, counts] of closedBy) {
    const closed = (["ingress", "egress"] as const).filter((direction) => counts[direction] > 0);
    const most = Math.max(counts.ingress, counts.egress);
    yield aboutPolicy(defaultDenySideEffect, object.origin, {
      message:
        `${describeRef(object.origin)} allows something and thereby closes ${closed.join(" and ")} of ` +
        `${most} workload${most === 1 ? "" : "s"} that ${most === 1 ? "was" : "were"} open`,
      because: closed.map(
        (direction) => `no policy closes ${direction} of them on purpose; this one does by selecting them`,
      ),
    });
  }
}

/** A policy with a rule for every peer, protocol and port cuts nothing off, although it selects the pods. */
function letsAllPass({ parts }: PolicyParts, direction: Direction): boolean {
  return parts.some((part) =>
    (part[direction]?.rules ?? []).some(
      (rule) => rule.verdict === "allow" && rule.l4.must.isAll() && rule.peers.some(isEverybody),
    ),
  );
}

function isEverybody(peer: PeerTerm): boolean {
  return peer.kind === "any" || (peer.kind === "entity" && peer.entity === "all");
}

/** A policy that closes and allows nothing in a direction, or that says it closes. */
function isMeant({ origin, parts }: PolicyParts, direction: Direction): boolean {
  const allows = parts.some((part) =>
    (part[direction]?.rules ?? []).some((rule) => rule.verdict !== "deny" && rule.peers.length > 0),
  );
  return !allows || saysSo(origin, direction) || /(^|[.-])(default-)?deny(-|$)/.test(origin.name);
}

/** Cilium: `enableDefaultDeny`, also where it is not known yet what it says. */
function saysSo({ dialect, object }: PolicySource, direction: Direction): boolean {
  if (dialect !== "cilium") return false;
  return [object.spec, ...listOf(object["specs"])].some((spec) => {
    const value = mapOf(mapOf(spec)["enableDefaultDeny"])[direction];
    return value === true || isUnknown(value);
  });
}
