/** Policies about identities of Cilium's own, which have their reserved label alone. */
import type { CompiledPolicy, Direction, Lookup, PolicySource, Snapshot } from "../reachability";
import { evaluateCondition } from "../reachability";
import { policyObjects } from "./policy-rules";

type Reserved = "health" | "ingress";

const directions = ["ingress", "egress"] as const;

/** A policy that isolates the identity in directions in which no policy lets anybody through. */
export interface ReservedIsolator {
  readonly origin: PolicySource;
  readonly closed: readonly Direction[];
}

/** The policies that cut the identity from everybody. `lets`: whether a part of a policy lets through what it needs. */
export function reservedIsolators(
  snapshot: Snapshot,
  name: Reserved,
  lets: (part: CompiledPolicy, direction: Direction) => boolean,
): readonly ReservedIsolator[] {
  const about = partsAboutReserved(snapshot, name);
  const all = about.flatMap(({ parts }) => parts);
  const cut = directions.filter((direction) => !all.some((part) => lets(part, direction)));
  return about.flatMap(({ origin, parts }) => {
    const closed = cut.filter((direction) => parts.some((part) => part[direction]?.isolates === 2));
    return closed.length === 0 ? [] : [{ origin, closed }];
  });
}

/** The directions that any of them closes. */
export function closedBy(isolators: readonly ReservedIsolator[]): readonly Direction[] {
  return directions.filter((direction) => isolators.some(({ closed }) => closed.includes(direction)));
}

/** What policies say about the identity, by the object that says it. */
export function partsAboutReserved(
  snapshot: Snapshot,
  name: Reserved,
): readonly { readonly origin: PolicySource; readonly parts: readonly CompiledPolicy[] }[] {
  const lookup = reservedIdentity(name);
  return policyObjects(snapshot).map(({ origin, parts }) => ({
    origin,
    parts: parts.filter((part) => part.subject.kind === "pods" && evaluateCondition(part.subject.where, lookup) === 2),
  }));
}

/**
 * What selectors see of the identity. It has neither a namespace nor the cluster's label (ReservedIdentity in
 * pkg/identity/numericidentity.go), so a policy for all pods of the cluster leaves it out.
 */
function reservedIdentity(name: Reserved): Lookup {
  return (field, key) => (field === "reserved" && key === name ? "" : undefined);
}
