/** Calico's NetworkSet, GlobalNetworkSet and HostEndpoint: addresses with labels. */
import { namespaceNameLabel } from "../model/namespace-labels";
import type { KubeObject, SourcedObject } from "../model/objects";
import type { PeerTerm } from "../model/rules";
import { always, evaluate, type Condition, type Lookup } from "../model/selectors/conditions";
import { labelOf, type LabelSet } from "../model/selectors/labels";
import { AddressSet, parseCidr } from "../model/sets/addresses";
import { isUnknown, NO, YES } from "../model/unknown";
import { labelSetOf } from "./workloads";

interface NetworkSet {
  readonly lookup: Lookup;
  readonly set: AddressSet;
  /** The addresses are a node's, and no pod's. */
  readonly ofNode: boolean;
  /** Some entry is not an address: the set may hold anything. */
  readonly doubtful: boolean;
}

/** The pods that a condition chooses, with the addresses of the network sets that it chooses too. */
export function withSets(where: Condition, sets: readonly PeerTerm[]): PeerTerm {
  return sets.length === 0 ? { kind: "pods", where } : { kind: "or", of: [{ kind: "pods", where }, ...sets] };
}

/** Whether the addresses or labels of a network set are not known. */
export function isDoubtful(set: PeerTerm): boolean {
  return set.kind === "uncertain" || (set.kind === "and" && set.of.some(isDoubtful));
}

/** Answers which network sets and host endpoints a selector chooses, as peers. */
export function networkSetsOf(objects: readonly SourcedObject[]): (where: Condition) => PeerTerm[] {
  const namespaces = new Map<string, LabelSet>();
  for (const { object } of objects) {
    const name = object.metadata?.name;
    if (object.kind === "Namespace" && typeof name === "string") {
      const labels = labelSetOf(object.metadata?.labels);
      namespaces.set(name, { ...labels, values: { ...labels.values, [namespaceNameLabel]: name } });
    }
  }
  const sets = objects.flatMap(({ object }): NetworkSet[] => {
    if (!/projectcalico\.org\//.test(object.apiVersion)) return [];
    if (object.kind === "HostEndpoint") return [hostEndpointOf(object)];
    const global = object.kind === "GlobalNetworkSet";
    if (!global && object.kind !== "NetworkSet") return [];
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
        ofNode: false,
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
      const addresses: PeerTerm = { kind: "cidr", set: each.set };
      const term: PeerTerm = each.ofNode ? { kind: "and", of: [addresses, noPod] } : addresses;
      if (each.doubtful) return [{ kind: "uncertain" }];
      return fits === YES ? [term] : [{ kind: "and", of: [term, { kind: "uncertain" }] }];
    });
}

const noPod: PeerTerm = { kind: "not", of: { kind: "pods", where: always } };

/** A host endpoint as a peer: the addresses that it expects, under its own labels and in no namespace. */
function hostEndpointOf(object: KubeObject): NetworkSet {
  const expected = (object.spec as { expectedIPs?: unknown } | null | undefined)?.expectedIPs ?? [];
  const texts = Array.isArray(expected) ? (expected as unknown[]) : [undefined];
  const known = texts
    .map((text) => (typeof text === "string" ? parseCidr(text) : undefined))
    .filter((range) => range !== undefined);
  return {
    lookup: lookupOf(labelSetOf(object.metadata?.labels), undefined, new Map()),
    set: AddressSet.of(...known),
    ofNode: true,
    doubtful: isNoMap(object.spec) || known.length < texts.length,
  };
}

/** Whether the labels of some host endpoint fit a selector. */
export function selectsHostEndpoint(objects: readonly SourcedObject[], where: Condition): boolean {
  return objects.some(
    ({ object }) =>
      object.kind === "HostEndpoint" &&
      /projectcalico\.org\//.test(object.apiVersion) &&
      evaluate(where, hostEndpointOf(object).lookup) !== NO,
  );
}

/** Given and not readable: not known yet, or no map. */
function isNoMap(spec: unknown): boolean {
  return spec !== undefined && spec !== null && (typeof spec !== "object" || Array.isArray(spec) || isUnknown(spec));
}

function lookupOf(labels: LabelSet, namespace: string | undefined, namespaces: ReadonlyMap<string, LabelSet>): Lookup {
  const place =
    namespace === undefined
      ? undefined
      : (namespaces.get(namespace) ?? { values: { [namespaceNameLabel]: namespace }, complete: true });
  return (field, key) => {
    if (field === "label") return labelOf(labels, key);
    if (field === "namespace") return namespace;
    if (field === "namespaceLabel") return place === undefined ? undefined : labelOf(place, key);
    return undefined;
  };
}
