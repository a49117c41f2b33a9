import type { Direction, RuleRef, Snapshot, Workload } from "../reachability";
import { AddressSet, meshModeOfWorkload } from "../reachability";
import { addressesOf, describeAddresses } from "./address-ranges";
import { mapOf } from "./plain";
import { opensEverything, policyOf, ruleOf, rulesOf } from "./policy-rules";
import { publicPieces } from "./public-addresses";
import type { Cause } from "./subjects";
import {
  causeOf,
  describeWorkload,
  isExempt,
  list,
  namespaceSubject,
  sortedWorkloads,
  workloadSubject,
} from "./subjects";
import type { Finding, Rule, RuleContext } from "./types";
import { askWorld } from "./world";

interface Group {
  readonly cause: Cause;
  readonly traffic: string;
  readonly namespace: string;
  readonly workloads: Workload[];
}

/**
 * Who is open to the internet by a rule, or may reach it by one. Some have
 * to; they are shown with their ports so that somebody decides. What is open because nothing closes it is left to
 * `namespace-default-deny`.
 */
export function* checkInternet(context: RuleContext, rule: Rule, direction: Direction): Iterable<Finding> {
  const { reachability } = context;
  const pieces = publicPieces(reachability.snapshot);
  const groups = new Map<string, Group>();
  for (const workload of sortedWorkloads(reachability.snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    for (const family of [4, 6] as const) {
      const answer = askWorld(reachability, { kind: "workload", id: workload.id }, direction, pieces, family);
      if (answer?.openness !== "open") continue;
      const cause = causeOf(reachability, answer.sample, direction, describeWorkload(workload, context.standIns));
      if (!cause.isolated && !(direction === "ingress" && isDoor(reachability.snapshot, workload))) continue;
      const traffic = answer.traffic.isAll() ? "every protocol and port" : answer.traffic.toString();
      const key = JSON.stringify([workload.namespace, cause.key, traffic]);
      const group = groups.get(key) ?? { cause, traffic, namespace: workload.namespace, workloads: [] };
      groups.set(key, group);
      if (!group.workloads.includes(workload)) group.workloads.push(workload);
    }
  }
  for (const group of groups.values()) yield describe(context, rule, direction, group);
}

/** A gateway of the mesh to which a Service leads from outside the cluster: it is there to be reached. */
function isDoor(snapshot: Snapshot, workload: Workload): boolean {
  if (meshModeOfWorkload(snapshot, workload) !== "gateway") return false;
  return snapshot.services.some(({ namespace, selector, object }) => {
    const { type } = mapOf(object.spec);
    return (
      (type === "LoadBalancer" || type === "NodePort") &&
      namespace === workload.namespace &&
      selector !== undefined &&
      Object.entries(selector).every(([key, value]) => workload.labels[key] === value)
    );
  });
}

/**
 * The addresses that a rule names besides all else that it does, in brackets: who accepts a way to the internet accepts
 * these, and a wider range is another thing to accept.
 */
function rangesOf(ref: RuleRef | undefined, snapshot: Snapshot): string {
  if (ref === undefined) return "";
  const named = (policyOf(ref.policy, snapshot)?.parts ?? [])
    .flatMap(rulesOf)
    .filter((rule) => rule.path === ref.path && rule.direction === ref.direction && rule.verdict === "allow")
    .flatMap((rule) => rule.peers.flatMap((peer) => addressesOf(peer) ?? []));
  const text = describeAddresses(named.reduce((sum, set) => sum.union(set), AddressSet.none));
  return text === "" ? "" : ` (${text})`;
}

function describe(context: RuleContext, rule: Rule, direction: Direction, group: Group): Finding {
  const only = group.workloads.length === 1 ? group.workloads[0] : undefined;
  const who = list(group.workloads.map((workload) => describeWorkload(workload, context.standIns)));
  const { rule: ref } = group.cause;
  const ranges = rangesOf(ref, context.reachability.snapshot);
  const opening = ref === undefined ? undefined : ruleOf(ref, context.reachability.snapshot);
  const all = opening !== undefined && opensEverything(opening) ? " and every pod of the cluster" : "";
  return {
    id: rule.id,
    severity: rule.severity,
    certainty: "definite",
    subject:
      only === undefined ? namespaceSubject(context.reachability.snapshot, group.namespace) : workloadSubject(only),
    message:
      direction === "ingress"
        ? `The internet${all} can reach ${who} on ${group.traffic}${ranges}`
        : `${who} can reach the internet${all} on ${group.traffic}${ranges}`,
    because: [group.cause.text],
    fix: rule.remediation,
    controls: rule.controls,
    ...(group.cause.source === undefined ? {} : { causes: [group.cause.source] }),
  };
}
