import type { Direction, Peer, Snapshot } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { isolators, nameTheirPeers, policyOf } from "../../policy-rules";
import type { PublicPiece } from "../../public-addresses";
import { publicPieces } from "../../public-addresses";
import { causeOf, freshPod, isExempt, list, namespaceNames, namespaceSubject } from "../../subjects";
import type { Cause } from "../../subjects";
import type { Answer } from "../../world";
import { ask, askWorld } from "../../world";
import type { Certainty, Finding, Rule, RuleContext } from "../../types";

/**
 * Every namespace outside tier 0 has a default deny, in both directions.
 *
 * What that means, exactly: a new pod of the namespace (no labels, account `default`) can exchange nothing, on any
 * protocol and port, with a peer that no policy knows:
 *
 * - a new pod of a foreign, unlabelled namespace,
 * - the public internet, IPv4 and IPv6: at most 1/256 of either address space is open, so that a namespace-wide rule may
 *   name an address range of its own but not the world (see `publicPieces`),
 * - another node of the cluster.
 *
 * The pod's own node is left out: for the kubelet's probes several enforcers always let it in.
 *
 * An allow that every pod of the namespace gets does not break this as long as it names its peers: DNS to the pods of
 * `kube-dns`, the API server, a scraper in `observability` are none of the three. A rule that names nobody does
 * break it, also one with ports (`toPorts: 53` without peers is a tunnel to any server on port 53), and so does a rule
 * that names everybody (`ingress: [{}]` in a NetworkPolicy leaves the pod "isolated" and open).
 *
 * Tier 1 (platform namespaces): a rule of theirs may name the other pods of the cluster and the nodes for egress, since
 * metrics are scraped everywhere. It is reported as exempt. Ingress and what is outside the cluster are judged as
 * everywhere.
 */
export const namespaceDefaultDeny: Rule = {
  id: "namespace-default-deny",
  title: "A namespace has no default deny, or a policy opens it again",
  severity: "critical",
  why: "Without a default deny, any pod that is started in the namespace reaches everything that others leave open, and every pod can reach it.",
  description:
    "A new, unlabelled pod of every namespace outside tier 0 is denied to and from a new pod of another " +
    "namespace, the public internet (IPv4 and IPv6) and other nodes, on every protocol and port; decided by computed " +
    "reachability, never by the name or the presence of a policy.",
  remediation:
    "Give the namespace a policy that selects all its pods and isolates them for ingress and egress " +
    "(NetworkPolicy: podSelector {} with policyTypes [Ingress, Egress] and no rules), after the allows that it needs.",
  controls: [
    controls.cisEveryNamespaceHasPolicies,
    controls.nistDenyByDefault,
    controls.cmmcDenyByDefault,
    controls.nsaDefaultDeny,
    controls.pciInbound,
    controls.pciOutbound,
    controls.isoSegregation,
  ],
  check: checkDefaultDeny,
};

/** A namespace that no object knows, so that only rules without names match it. */
const foreignNamespace = "a-namespace-that-no-policy-names";

const otherNodes = "other nodes";
const everyPort = "every protocol and port";

interface Opening {
  readonly direction: Direction;
  readonly certainty: Certainty;
  /** `pods of foreign namespaces`. */
  readonly who: string;
  /** `every protocol and port`, `TCP 80,443`. */
  readonly what: string;
  readonly cause: Cause;
  /** A tier-1 egress rule that may name the cluster. */
  readonly tolerated: boolean;
}

function* checkDefaultDeny(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const pieces = publicPieces(snapshot);
  for (const namespace of namespaceNames(snapshot)) {
    if (isExempt(context.tiers, namespace)) {
      yield exemptNamespace(context, namespace);
      continue;
    }
    const openings = (["ingress", "egress"] as const).flatMap((direction) =>
      openingsOf(context, namespace, direction, pieces),
    );
    const violations = openings.filter((opening) => !opening.tolerated);
    const definite = violations.filter((opening) => opening.certainty === "definite");
    if (definite.length > 0) yield violation(context, namespace, definite);
    else if (violations.length > 0) yield violation(context, namespace, violations);
    const tolerated = openings.filter((opening) => opening.tolerated);
    if (tolerated.length > 0) yield toleratedOpenings(context, namespace, tolerated);
  }
}

function openingsOf(
  context: RuleContext,
  namespace: string,
  direction: Direction,
  pieces: readonly PublicPiece[],
): Opening[] {
  const { reachability } = context;
  const pod = freshPod(namespace);
  const openings: Opening[] = [];
  const add = (found: Answer | undefined, name: string, inCluster: boolean): void => {
    if (found === undefined || found.openness === "closed") return;
    const cause = causeOf(reachability, found.sample, direction, "every pod");
    openings.push({
      direction,
      certainty: found.openness === "open" ? "definite" : "possible",
      who: name,
      what: found.traffic.isAll() ? everyPort : found.traffic.toString(),
      cause,
      tolerated:
        inCluster && direction === "egress" && cause.isolated && context.tiers.platformNamespaces.includes(namespace),
    });
  };
  add(ask(reachability, pod, freshPod(foreignNamespace), direction), "pods of foreign namespaces", true);
  // Whether a node runs the API server is not known, so what is allowed to the API server is possible to any node.
  const apiServer = ask(reachability, pod, { kind: "kubeApiserver" }, direction).allowed;
  add(ask(reachability, pod, nodeThatNobodyNames(pieces), direction, apiServer), otherNodes, true);
  for (const family of [4, 6] as const) {
    add(askWorld(reachability, pod, direction, pieces, family), `the internet (IPv${family})`, false);
  }
  return openings;
}

/** Another node at an address that no rule names by a range of its own. */
function nodeThatNobodyNames(pieces: readonly PublicPiece[]): Peer {
  const sample = pieces.find((piece) => piece.family === 4)?.sample;
  return { kind: "node", where: "remote", ...(sample === undefined ? {} : { address: sample }) };
}

function violation(context: RuleContext, namespace: string, openings: readonly Opening[]): Finding {
  const certainty: Certainty = openings[0]?.certainty ?? "possible";
  const directions = [...new Set(openings.map((opening) => opening.direction))];
  const sources = openings.flatMap((opening) => (opening.cause.source === undefined ? [] : [opening.cause.source]));
  const how = directions.map((direction) => describeDirection(direction, openings)).join("; ");
  return {
    id: namespaceDefaultDeny.id,
    severity: openings.every(isNarrow) ? "medium" : namespaceDefaultDeny.severity,
    certainty,
    subject: namespaceSubject(context.reachability.snapshot, namespace),
    message: `Namespace ${namespace} ${lacks(context.reachability.snapshot, namespace, openings, certainty)}: a new pod ${how}`,
    because: [...new Set(openings.map((opening) => opening.cause.text))],
    fix:
      sources.length === 0
        ? `Add a policy to the namespace that selects all pods and isolates them for ${directions.join(" and ")}.`
        : "Let the rule name its peers, or select the pods that need it instead of all.",
    controls: namespaceDefaultDeny.controls,
    ...(sources.length === 0 ? {} : { causes: sources }),
  };
}

/** Which directions nothing closes, and which ones a policy closes and another one opens again. */
function lacks(snapshot: Snapshot, namespace: string, openings: readonly Opening[], certainty: Certainty): string {
  const sure = certainty === "definite";
  const missing: Direction[] = [];
  const reopened: string[] = [];
  for (const direction of new Set(openings.map((opening) => opening.direction))) {
    const causes = openings.filter((opening) => opening.direction === direction).map(({ cause }) => cause);
    const closing = deniersOf(snapshot, namespace, direction);
    const deniers = causes.map((cause) => besideOpener(closing, cause));
    const rules = causes.flatMap(({ rule }) => (rule === undefined ? [] : describeRef(rule.policy)));
    if (deniers.some((names) => names.length === 0)) missing.push(direction);
    else
      reopened.push(
        `has a default deny for ${direction} (${list([...new Set(deniers.flat())])}) that ` +
          `${list([...new Set(rules)])} ${sure ? "" : "possibly "}opens again`,
      );
  }
  const none = `${sure ? "has" : "possibly has"} no default deny for ${missing.join(" and ")}`;
  return [...(missing.length > 0 ? [none] : []), ...reopened].join(", and ");
}

/** Policies that close the direction for a new pod, and open it to nobody whom they do not name. */
function deniersOf(snapshot: Snapshot, namespace: string, direction: Direction): string[] {
  return isolators(snapshot, freshPod(namespace), direction)
    .filter((ref) => policyOf(ref, snapshot)?.parts.every((part) => nameTheirPeers(part[direction]?.rules ?? [])))
    .map(describeRef);
}

/** Those of them that would close it, were it not for the rule that opens it. */
function besideOpener(deniers: readonly string[], { rule }: Cause): string[] {
  if (rule === undefined) return [];
  const opener = describeRef(rule.policy);
  return deniers.filter((name) => name !== opener);
}

/** What nodes need for a webhook or a probe: some ports, and only of nodes. Nobody else gets in, so there is a default deny. */
function isNarrow({ who, what, cause }: Opening): boolean {
  return who === otherNodes && what !== everyPort && cause.isolated;
}

function describeDirection(direction: Direction, openings: readonly Opening[]): string {
  const whoByTraffic = new Map<string, string[]>();
  for (const opening of openings.filter((each) => each.direction === direction)) {
    whoByTraffic.set(opening.what, [...(whoByTraffic.get(opening.what) ?? []), opening.who]);
  }
  const parts = [...whoByTraffic].map(([what, who]) => `${list(withoutFamilies(who))} on ${what}`);
  return `${direction === "ingress" ? "is reached from" : "reaches"} ${parts.join(", and ")}`;
}

/** One word for the internet where both families are as open. */
function withoutFamilies(who: readonly string[]): readonly string[] {
  const families = who.filter((name) => name.startsWith("the internet ("));
  return families.length < 2 ? who : [...who.filter((name) => !families.includes(name)), "the internet"];
}

function toleratedOpenings(context: RuleContext, namespace: string, openings: readonly Opening[]): Finding {
  return {
    id: namespaceDefaultDeny.id,
    severity: "info",
    certainty: openings[0]?.certainty ?? "definite",
    subject: namespaceSubject(context.reachability.snapshot, namespace),
    message: `Namespace ${namespace} is tier 1: any pod in it ${describeDirection("egress", openings)}`,
    because: [...new Set(openings.map((opening) => opening.cause.text))],
    fix: "Select the workload that needs it by its labels; then nothing has to be tolerated.",
    controls: namespaceDefaultDeny.controls,
    exempt: true,
  };
}

function exemptNamespace(context: RuleContext, namespace: string): Finding {
  return {
    id: namespaceDefaultDeny.id,
    severity: "info",
    certainty: "definite",
    subject: namespaceSubject(context.reachability.snapshot, namespace),
    message: `Namespace ${namespace} is tier 0: it needs no default deny`,
    because: [`${namespace} is in the list of exempt namespaces`],
    fix: "Nothing to do while the namespace belongs to the platform; take it off the list to have it checked.",
    controls: namespaceDefaultDeny.controls,
    exempt: true,
  };
}
