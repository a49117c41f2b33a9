import type { CompiledPolicy, Direction, PeerTerm, Snapshot } from "../../../reachability";
import { describeRef, metadataEndpoints, parseAddress } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, textOf } from "../../plain";
import type { PolicyParts } from "../../policy-rules";
import { policyObjects, selectsNewPods, workloadsSelectedBy } from "../../policy-rules";
import { aboutObject, aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Registered in the wrong order, right policies are wrong for a while: a default deny
 * that comes before its allows cuts what they allow, and an allow for the world that comes before the deny that it relies
 * on is open until then. On the way back, the same order is run backwards.
 */
export const orderHazard: Rule = {
  id: "order-hazard",
  title: "Policies are registered in an unsafe order",
  severity: "medium",
  why: "Pulumi registers resources without a dependency in parallel, in any order, so traffic can be open or cut until the last one is in place.",
  description:
    "Where the dependencies of a stack are known: every default deny waits for the allows " +
    "of the same pods, and every allow that an explicit deny has to limit waits for that deny. A kustomization " +
    "(kustomize.config.k8s.io) does not hold both, since all of it is applied together.",
  remediation:
    "Let the default deny depend on the allows (`dependsOn`), and allows for the world on the explicit deny.",
  controls: [controls.nistChangeControl, controls.pciChanges, controls.soc2Change, controls.isoChange],
  check: checkOrder,
};

function* checkOrder(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  yield* checkKustomizations(snapshot);
  if (context.dependencies === undefined) return;
  const behind = new Closure(context.dependencies);
  const behindDeny = new Map<PolicyParts, PolicyParts>();
  const late = new Map<PolicyParts, { readonly direction: Direction; readonly names: string }[]>();
  for (const direction of ["ingress", "egress"] as const) {
    for (const [closer, openers] of meetings(scopes(snapshot, direction))) {
      const urn = closer.origin.source?.urn;
      if (urn === undefined) continue;
      const unordered = [...openers].filter(({ origin }) => waitsForNobody(origin.source?.urn, urn, behind));
      // an allow that waits for the default deny cannot be waited for: it comes later on purpose
      const [later, any] = split(unordered, ({ origin }) => behind.of(origin.source?.urn ?? "").has(urn));
      for (const opener of later) behindDeny.set(opener, closer);
      if (any.length === 0) continue;
      const names = list(any.map(({ origin }) => describeRef(origin)));
      late.set(closer, [...(late.get(closer) ?? []), { direction, names }]);
    }
  }
  for (const [closer, openings] of late) {
    const directions = openings.map(({ direction }) => direction).join(" and ");
    yield aboutPolicy(orderHazard, closer.origin, {
      message: `${describeRef(closer.origin)} may deny ${directions} before the allows for the same pods are in place`,
      because: openings.map(
        ({ direction, names }) => `it does not depend on what opens ${direction} and may be registered first: ${names}`,
      ),
    });
  }
  for (const [opener, closer] of behindDeny) yield* checkPodsOf(opener, closer, snapshot, behind);
  yield* checkExplicitDenies(snapshot, behind);
}

/** Pods that are registered without waiting for an allow that comes after their default deny. */
function* checkPodsOf(
  opener: PolicyParts,
  closer: PolicyParts,
  snapshot: Snapshot,
  behind: Closure,
): Iterable<Finding> {
  const urn = opener.origin.source?.urn ?? "";
  const early = opener.parts
    .flatMap((part) => (part.subject.kind === "pods" ? workloadsSelectedBy(part, snapshot) : []))
    .filter(({ source }) => source?.urn !== undefined && !behind.of(source.urn).has(urn));
  if (early.length === 0) return;
  const names = list([...new Set(early.map(({ id }) => id))]);
  yield aboutPolicy(orderHazard, opener.origin, {
    message: `${describeRef(opener.origin)} may open what ${names} ${early.length === 1 ? "needs" : "need"} after ${early.length === 1 ? "it starts" : "they start"}`,
    because: [
      `it depends on ${describeRef(closer.origin)}, which closes the pods`,
      `${names} ${early.length === 1 ? "does" : "do"} not depend on it`,
    ],
    fix: "Let the workloads depend on this policy too (`dependsOn`), or let it depend on the namespace alone and the default deny on it.",
  });
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

/** Whether `urn` is a resource of the stack that `other` does not wait for. */
function waitsForNobody(urn: string | undefined, other: string, behind: Closure): boolean {
  return urn !== undefined && urn !== other && !behind.of(other).has(urn);
}

interface Scope {
  readonly closers: PolicyParts[];
  readonly openers: PolicyParts[];
}

/** Each policy that closes, with those that allow something for pods of the same namespaces. */
function meetings(byScope: ReadonlyMap<string, Scope>): Map<PolicyParts, Set<PolicyParts>> {
  const result = new Map<PolicyParts, Set<PolicyParts>>();
  for (const { closers, openers } of byScope.values()) {
    for (const closer of closers) {
      const met = result.get(closer) ?? new Set();
      result.set(closer, met);
      for (const opener of openers) met.add(opener);
    }
  }
  return result;
}

/** Policies that close, and those that allow, by namespace; clusterwide ones count in every namespace they select. */
function scopes(snapshot: Snapshot, direction: Direction): Map<string, Scope> {
  const result = new Map<string, Scope>();
  const at = (home: string): Scope => {
    const scope = result.get(home) ?? { closers: [], openers: [] };
    result.set(home, scope);
    return scope;
  };
  for (const object of policyObjects(snapshot)) {
    const parts = object.parts.filter((part) => part.subject.kind === "pods" && part[direction] !== undefined);
    if (parts.length === 0) continue;
    const allows = parts.some((part) =>
      (part[direction]?.rules ?? []).some((rule) => rule.verdict === "allow" && rule.peers.length > 0),
    );
    const closes = parts.some((part) => part[direction]?.isolates === 2);
    for (const home of homesOf(object, parts, snapshot)) {
      if (allows) at(home).openers.push(object);
      else if (closes) at(home).closers.push(object);
    }
  }
  return result;
}

/** Stands for what is not of one namespace. */
const everywhere = "*";

/** The namespaces whose pods a policy is about; policies for the whole cluster also meet each other. */
function homesOf({ origin }: PolicyParts, parts: readonly CompiledPolicy[], snapshot: Snapshot): Set<string> {
  if (origin.namespace !== undefined) return new Set([origin.namespace]);
  const homes = parts.flatMap((part) => [
    ...workloadsSelectedBy(part, snapshot).map(({ namespace }) => namespace),
    ...[...snapshot.namespaces.keys()].filter((namespace) => selectsNewPods(part, namespace, snapshot)),
  ]);
  return new Set([everywhere, ...homes]);
}

const metadataAddresses = metadataEndpoints.flatMap(({ address }) => parseAddress(address) ?? []);

/** Allows for addresses that hold a metadata endpoint, and explicit denies for one. */
function* checkExplicitDenies(snapshot: Snapshot, behind: Closure): Iterable<Finding> {
  const objects = policyObjects(snapshot);
  const egress = (object: PolicyParts, verdict: "allow" | "deny"): boolean =>
    object.parts.some((part) =>
      (part.egress?.rules ?? []).some((rule) => rule.verdict === verdict && rule.peers.some(holdsMetadata)),
    );
  const denies = objects.filter((object) => egress(object, "deny"));
  if (denies.length === 0) return;
  for (const object of objects.filter((each) => egress(each, "allow"))) {
    const urn = object.origin.source?.urn;
    if (urn === undefined) continue;
    const late = denies.filter(
      ({ origin }) =>
        (origin.namespace === undefined || origin.namespace === object.origin.namespace) &&
        waitsForNobody(origin.source?.urn, urn, behind),
    );
    if (late.length === 0) continue;
    const names = list(late.map(({ origin }) => describeRef(origin)));
    const isCyclic = late.some(({ origin }) => behind.of(origin.source?.urn ?? "").has(urn));
    yield aboutPolicy(orderHazard, object.origin, {
      message: `${describeRef(object.origin)} may open cloud metadata before ${names} ${late.length === 1 ? "closes" : "close"} it`,
      because: [
        isCyclic
          ? `${names} ${late.length === 1 ? "depends" : "depend"} on it, so it is registered first`
          : `it does not depend on ${names}, so it may be registered first`,
      ],
      fix: isCyclic
        ? "Leave the metadata addresses out of its rule, or let the explicit deny no longer depend on this policy, and this policy on the deny."
        : "Let this policy depend on the explicit deny (`dependsOn`), or leave the metadata addresses out of its rule.",
    });
  }
}

function holdsMetadata(peer: PeerTerm): boolean {
  switch (peer.kind) {
    case "any":
      return true;
    case "entity":
      return peer.entity === "world" || peer.entity === "all";
    case "cidr":
      return metadataAddresses.some((address) => peer.set.contains(address));
    default:
      return false;
  }
}

/** What a resource waits for, directly or through others. */
class Closure {
  readonly #known = new Map<string, ReadonlySet<string>>();

  constructor(private readonly direct: ReadonlyMap<string, readonly string[]>) {}

  of(urn: string): ReadonlySet<string> {
    const known = this.#known.get(urn);
    if (known !== undefined) return known;
    const found = new Set<string>();
    const open = [...(this.direct.get(urn) ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (found.has(next)) continue;
      found.add(next);
      const further = this.#known.get(next);
      if (further === undefined) open.push(...(this.direct.get(next) ?? []));
      else for (const each of further) found.add(each);
    }
    this.#known.set(urn, found);
    return found;
  }
}

/** Kustomize applies all resources of one kustomization together; only Flux's Kustomizations can wait for each other. */
function* checkKustomizations(snapshot: Snapshot): Iterable<Finding> {
  for (const { object, source } of snapshot.others) {
    if (object.kind !== "Kustomization" || !object.apiVersion.startsWith("kustomize.config.k8s.io/")) continue;
    const files = listOf(object["resources"]).flatMap((file) => textOf(file) ?? []);
    const denies = files.filter((file) => /(^|\/)default-deny/.test(file)).length;
    const allows = files.filter((file) => /(^|\/)(allow|tier\d)-/.test(file)).length;
    if (denies === 0 || allows === 0) continue;
    const name = textOf(object.metadata?.name) ?? "kustomization";
    const about = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(source === undefined ? {} : { source }),
    };
    yield aboutObject(orderHazard, about, {
      message: `Kustomization ${name} applies the default deny together with the allows that have to be in place before it`,
      because: ["one kustomization is applied as a whole; nothing in it waits for anything else in it"],
      fix: "Split it into two Flux Kustomizations, the one with the default deny with `dependsOn` on the other.",
    });
  }
}
