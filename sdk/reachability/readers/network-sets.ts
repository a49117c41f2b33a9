/** Calico's NetworkSet and GlobalNetworkSet: addresses with labels. */
import type { SourcedObject } from "../model/objects";
import type { PeerTerm } from "../model/rules";
import { evaluate, type Condition, type Lookup } from "../model/selectors/conditions";
import { labelOf, type LabelSet } from "../model/selectors/labels";
import { AddressSet, parseCidr } from "../model/sets/addresses";
import { isUnknown, NO, YES } from "../model/unknown";
import { labelSetOf } from "./workloads";

interface NetworkSet {
  readonly lookup: Lookup;
  readonly set: AddressSet;
  /** Some entry is not an address: the set may hold anything. */
  readonly doubtful: boolean;
}

/** Answers which network sets a selector chooses, as peers. */
export function networkSetsOf(objects: readonly SourcedObject[]): (where: Condition) => PeerTerm[] {
  const namespaces = new Map<string, LabelSet>();
  for (const { object } of objects) {
    const name = object.metadata?.name;
    if (object.kind === "Namespace" && typeof name === "string") {
      const labels = labelSetOf(object.metadata?.labels);
      namespaces.set(name, { ...labels, values: { ...labels.values, "kubernetes.io/metadata.name": name } });
    }
  }
  const sets = objects.flatMap(({ object }): NetworkSet[] => {
    const global = object.kind === "GlobalNetworkSet";
    if ((!global && object.kind !== "NetworkSet") || !/projectcalico\.org\//.test(object.apiVersion)) return [];
    const given = object.metadata?.namespace;
    const namespace = global ? undefined : typeof given === "string" ? given : "default";
    const labels = labelSetOf(object.metadata?.labels);
    const nets = (object.spec as { nets?: unknown } | null | undefined)?.nets;
    const ranges = (Array.isArray(nets) ? (nets as unknown[]) : []).map((net) =>
      typeof net === "string" ? parseCidr(net) : undefined,
    );
    const known = ranges.filter((range) => range !== undefined);
    return [
      {
        lookup: lookupOf(labels, namespace, namespaces),
        set: AddressSet.of(...known),
        doubtful:
          isNoMap(object.spec) ||
          Object.keys(object.spec ?? {}).some((field) => field !== "nets") ||
          known.length < ranges.length ||
          (nets !== undefined && nets !== null && !Array.isArray(nets)),
      },
    ];
  });
  return (where) =>
    sets.flatMap((each): PeerTerm[] => {
      const fits = evaluate(where, each.lookup);
      if (fits === NO) return [];
      const term: PeerTerm = { kind: "cidr", set: each.set };
      if (each.doubtful) return [{ kind: "uncertain" }];
      return fits === YES ? [term] : [{ kind: "and", of: [term, { kind: "uncertain" }] }];
    });
}

/** Given and not readable: not known yet, or no map. */
function isNoMap(spec: unknown): boolean {
  return spec !== undefined && spec !== null && (typeof spec !== "object" || Array.isArray(spec) || isUnknown(spec));
}

function lookupOf(labels: LabelSet, namespace: string | undefined, namespaces: ReadonlyMap<string, LabelSet>): Lookup {
  const place =
    namespace === undefined
      ? undefined
      : (namespaces.get(namespace) ?? { values: { "kubernetes.io/metadata.name": namespace }, complete: true });
  return (field, key) => {
    if (field === "label") return labelOf(labels, key);
    if (field === "namespace") return namespace;
    if (field === "namespaceLabel") return place === undefined ? undefined : labelOf(place, key);
    return undefined;
  };
}
