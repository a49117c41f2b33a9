import type { Direction, PeerTerm, PolicyRule, PolicySource } from "../../../reachability";
import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import type { PolicyParts } from "../../policy-rules";
import { isolationByWorkload, opensEverything } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { isExempt } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** An allow that closes: the first policy to select a pod closes it for everything else. */
export const defaultDenySideEffect: Rule = {
  id: "default-deny-side-effect",
  title: "A policy isolates pods that nothing else isolates",
  severity: "medium",
  why: "Whoever adds an allow expects more to work afterwards; where nothing closed the pods before, it cuts all their other connections.",
  description:
    "No policy with rules that allow, or that deny something in particular, is the only one that closes workloads in a " +
    "direction, unless it says that it means to (enableDefaultDeny: true), denies everything or is named a default deny.",
  remediation:
    "Close the namespace by a policy of its own, with the allows it needs before it. In Cilium, enableDefaultDeny set to " +
    "false for the direction keeps the policy from isolating.",
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
    const denies = closed.every((direction) => hasOnlyDenies(object, direction));
    yield aboutPolicy(defaultDenySideEffect, object.origin, {
      message:
        `${describeRef(object.origin)} ${denies ? "denies" : "allows"} something and thereby closes ${closed.join(" and ")} of ` +
        `${most} workload${most === 1 ? "" : "s"} that ${most === 1 ? "was" : "were"} open`,
      because: closed.map(
        (direction) => `no policy closes ${direction} of them on purpose; ${reasonOf(object.origin, denies)}`,
      ),
      fix: fixOf(object.origin, closed, denies),
    });
  }
}

/** A policy with a rule for every peer, protocol and port cuts nothing off, although it selects the pods. */
function letsAllPass({ parts }: PolicyParts, direction: Direction): boolean {
  return parts.some((part) => (part[direction]?.rules ?? []).some(opensEverything));
}

function isEverybody(peer: PeerTerm): boolean {
  return peer.kind === "any" || (peer.kind === "entity" && peer.entity === "all");
}

/** A policy without rules that let something pass or deny something in particular, or that says it closes. */
function isMeant({ origin, parts }: PolicyParts, direction: Direction): boolean {
  const rules = parts.flatMap((part) => part[direction]?.rules ?? []).filter((rule) => rule.peers.length > 0);
  const isPlainDeny = rules.every((rule) => rule.verdict === "deny") && (rules.length === 0 || rules.some(deniesAll));
  return (
    isPlainDeny ||
    saysSo(origin, direction) ||
    /(^|[.-])(default-deny|deny-all|deny-by-default|deny-(in|e)gress)([.-]|$)/.test(origin.name)
  );
}

function hasOnlyDenies({ parts }: PolicyParts, direction: Direction): boolean {
  return parts.every((part) => (part[direction]?.rules ?? []).every((rule) => rule.verdict === "deny"));
}

function reasonOf({ dialect }: PolicySource, denies: boolean): string {
  if (!denies) return "this one does by selecting them";
  return dialect === "calico"
    ? "what no rule of this one decides, the end of its tier drops"
    : "this one does by selecting them, although it only denies";
}

/** What to do, in the words of the policy's own API. */
function fixOf({ dialect, kind }: PolicySource, closed: readonly Direction[], denies: boolean): string {
  if (dialect === "cilium") {
    const fields = closed.map((direction) => `enableDefaultDeny.${direction}`).join(" and ");
    return `Set ${fields} to false in it, or close the pods by a policy of their own, with the allows that they need before it.`;
  }
  if (dialect === "calico") {
    return denies
      ? "End the policy with a rule `action: Allow` for all the rest, or `action: Pass` if a later tier or profile decides."
      : "Close the pods by a policy of its own, with the allows that they need before it, or end this one with `action: Allow`.";
  }
  return `Close the namespace by a ${kind} of its own, with the allows that its pods need before it.`;
}

function deniesAll(rule: PolicyRule): boolean {
  return rule.verdict === "deny" && rule.l4.must.isAll() && rule.peers.some(isEverybody);
}

/** Cilium: `enableDefaultDeny`, also where it is not known yet what it says. */
function saysSo({ dialect, object }: PolicySource, direction: Direction): boolean {
  if (dialect !== "cilium") return false;
  return [object.spec, ...listOf(object["specs"])].some((spec) => {
    const value = mapOf(mapOf(spec)["enableDefaultDeny"])[direction];
    return value === true || isUnknown(value);
  });
}
