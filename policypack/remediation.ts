import type { AddressRange } from "../sdk/reachability";
import { isInRange, isUnknown, metadataEndpoints, parseAddress, parseCidr } from "../sdk/reachability";
import { isMap, type Fields } from "../sdk/reachability/model/plain";

/** One repair: the value that a field of an object gets. */
export interface Repair {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

/**
 * Repairs of one object that are local and certain: no other object has to be known to be sure that the repaired one is
 * what was meant, and nothing else changes. Everything else is left to a person.
 *
 * - A rule to addresses that hold a cloud's metadata endpoint gets the endpoint as an exception: `except` of an `ipBlock`
 *   (networking.k8s.io/v1, IPBlock) and of Cilium's `toCIDRSet`. An endpoint that is the whole block stays: the API takes
 *   only parts of a block as exceptions, and then somebody meant it.
 * - A CiliumClusterwideNetworkPolicy that does not say whether it closes what it does not allow says what it means
 *   already: `enableDefaultDeny: true` for each direction that it has rules for (cilium.io/v2, Rule). An empty list of
 *   rules closes nothing in Cilium and is left alone.
 *
 * What is not known yet is left as it is. Never throws on malformed input.
 */
export function repairsOf(object: Fields): Repair[] {
  const { apiVersion, kind } = object;
  const group = typeof apiVersion === "string" ? apiVersion.split("/")[0] : "";
  const clusterwide = kind === "CiliumClusterwideNetworkPolicy";
  if (group === "networking.k8s.io" && kind === "NetworkPolicy") {
    return blocksIn(object, (rule) =>
      listAt(rule, "to").map(([peer, index]) => [isMap(peer) ? peer["ipBlock"] : undefined, ["to", index, "ipBlock"]]),
    );
  }
  if (group === "cilium.io" && (kind === "CiliumNetworkPolicy" || clusterwide)) {
    const exceptions = blocksIn(object, (rule) =>
      listAt(rule, "toCIDRSet").map(([block, index]) => [block, ["toCIDRSet", index]]),
    );
    return [...exceptions, ...(clusterwide ? specsOf(object).flatMap(([spec, path]) => defaultDeny(spec, path)) : [])];
  }
  return [];
}

/**
 * Makes repairs, field by field, so that what the object keeps stays as it was handed in: unknown values and secrets are
 * marked by the proxies of the policy SDK and would lose their marks if they were copied.
 */
export function repair(object: Record<string, unknown>, repairs: readonly Repair[]): void {
  for (const { path, value } of repairs) {
    const keys = [...path];
    const last = keys.pop() as string | number;
    const holder = keys.reduce<Record<string | number, unknown>>(
      (each, key) => each[key] as Record<string | number, unknown>,
      object,
    );
    holder[last] = value;
  }
}

type Path = readonly (string | number)[];

/** Exceptions for the address blocks of every egress rule. */
function blocksIn(object: Fields, blocksOf: (rule: unknown) => [block: unknown, path: Path][]): Repair[] {
  return specsOf(object).flatMap(([spec, specPath]) =>
    listAt(spec, "egress").flatMap(([rule, index]) =>
      blocksOf(rule).flatMap(([block, path]) => exceptions(block, [...specPath, "egress", index, ...path])),
    ),
  );
}

function specsOf(object: Fields): [spec: Fields, path: Path][] {
  const several = listAt(object, "specs").map(([spec, index]): [unknown, Path] => [spec, ["specs", index]]);
  const all: [unknown, Path][] = [[object["spec"], ["spec"]], ...several];
  return all.filter((each): each is [Fields, Path] => isMap(each[0]));
}

function listAt(holder: unknown, key: string): [item: unknown, index: number][] {
  const list = isMap(holder) ? holder[key] : undefined;
  return Array.isArray(list) ? list.map((item: unknown, index) => [item, index]) : [];
}

/** The endpoints, each as the block that holds it alone. */
const endpoints = metadataEndpoints.flatMap(({ address, family }) => {
  const parsed = parseAddress(address);
  return parsed === undefined ? [] : [{ address: parsed, block: `${address}/${family === 4 ? 32 : 128}` }];
});

/** What a block `{ cidr, except }` lacks to leave the endpoints out that it holds. */
function exceptions(block: unknown, path: Path): Repair[] {
  if (!isMap(block)) return [];
  const range = rangeOf(block["cidr"]);
  const except: unknown = block["except"] ?? [];
  if (range === undefined || range.from === range.to || !Array.isArray(except)) return [];
  const present = except.map(rangeOf);
  // an exception that is not known yet may hold anything, and one outside the block makes the object invalid
  if (!present.every((each) => each !== undefined && isInRange(each, range))) return [];
  const missing = endpoints.filter(
    ({ address }) =>
      isInRange(address, range) && !present.some((each) => each !== undefined && isInRange(address, each)),
  );
  if (missing.length === 0) return [];
  return [{ path: [...path, "except"], value: [...(except as unknown[]), ...missing.map((each) => each.block)] }];
}

function rangeOf(cidr: unknown): AddressRange | undefined {
  return typeof cidr === "string" && !isUnknown(cidr) ? parseCidr(cidr) : undefined;
}

function defaultDeny(spec: Fields, path: Path): Repair[] {
  const given = spec["enableDefaultDeny"];
  // not a map, or not known yet: nothing is certain
  if (given !== undefined && !isMap(given)) return [];
  const missing = (["ingress", "egress"] as const).filter(
    (direction) => hasRules(spec, direction) && given?.[direction] === undefined,
  );
  if (missing.length === 0) return [];
  const value = { ...given, ...Object.fromEntries(missing.map((each) => [each, true])) };
  return [{ path: [...path, "enableDefaultDeny"], value }];
}

function hasRules(spec: Fields, direction: "ingress" | "egress"): boolean {
  return [spec[direction], spec[`${direction}Deny`]].some((rules) => Array.isArray(rules) && rules.length > 0);
}
