/** Which of the objects that differ between two snapshots changed what passes from a source to a destination. */
import type { Engine } from "../engine/engine";
import type { Selected } from "../engine/policy-index";
import type { ObjectRef } from "../model/objects";
import { metadataEndpoints } from "../model/metadata-endpoints";
import { formatAddress, parseAddress } from "../model/sets/addresses";
import type { Workload } from "../model/snapshot";
import type { DirectionExplanation, Explanation, Flow, Peer } from "../model/verdicts";
import type { Direction } from "../model/direction";
import { ChangedObjects, type ChangedObject } from "./changed-objects";
import { explainFlow } from "./explain";
import { rangeOf, type ChangedPair } from "./path-changes";

/**
 * Finds the objects that changed a pair. A peer that appeared or is gone is the cause by itself; else the policies that
 * turned a side of the flow around and that differ; else those that its explanations name; else what source and destination
 * themselves are (labels, namespace); else everything that is neither policy nor workload and differs (Services, network
 * sets, the enforcer's settings).
 */
export function causeFinder(before: Engine, after: Engine): (pair: ChangedPair) => readonly ChangedObject[] {
  const changed = new ChangedObjects(before.snapshot, after.snapshot);
  const suspects = new Suspects(before, after, changed);
  return (pair) => {
    const ends = changed.appearedOrGone([pair.sourceId, pair.destinationId]);
    if (ends.length > 0) return ends;
    const only = suspects.only(pair);
    if (only !== undefined) return [only];
    const flows = [flowThatChanged(pair), ...flowsToMetadata(pair)];
    const explained = flows.map((flow) => [explainFlow(before, flow), explainFlow(after, flow)] as const);
    const deciding = changed.of(explained.flatMap(([was, is]) => decidersOf(was, is)));
    if (deciding.length > 0) return deciding;
    const policies = changed.of(explained.flat().flatMap(policiesNamed));
    if (policies.length > 0) return policies;
    const own = changed.ofEnds([pair.sourceId, pair.destinationId]);
    return own.length > 0 ? own : changed.others;
  };
}

/**
 * Changed policies that select the source or the destination of a pair. Where there is only one, and nothing else that
 * could matter has changed, it is the cause and no explanation is needed; that is most pairs of most changes.
 */
class Suspects {
  readonly #engines: readonly { readonly engine: Engine; readonly workloads: ReadonlyMap<string, Workload> }[];
  /** By what the index says of a peer: pods that the same policies select share one answer. */
  readonly #known = new Map<unknown, readonly ChangedObject[]>();
  readonly #applies: boolean;

  constructor(
    before: Engine,
    after: Engine,
    private readonly changed: ChangedObjects,
  ) {
    this.#engines = [before, after].map((engine) => ({
      engine,
      workloads: new Map(engine.snapshot.workloads.map((workload) => [workload.id, workload])),
    }));
    this.#applies = changed.others.length === 0 && !before.hasMesh && !after.hasMesh;
  }

  only({ source, sourceId, destination, destinationId }: ChangedPair): ChangedObject | undefined {
    if (!this.#applies || this.changed.ofEnds([sourceId, destinationId]).length > 0) return undefined;
    const [leaving, arriving] = [this.#of(source, "egress"), this.#of(destination, "ingress")];
    if (leaving === undefined || arriving === undefined) return undefined;
    const [first, ...others] = new Set([...leaving, ...arriving]);
    return others.length === 0 ? first : undefined;
  }

  /** Nothing where other policies than those of pods may be about a peer. */
  #of(end: Peer, direction: Direction): readonly ChangedObject[] | undefined {
    if (end.kind === "address") return [];
    if (end.kind !== "workload") return undefined;
    const found: ChangedObject[] = [];
    for (const { engine, workloads } of this.#engines) {
      const workload = workloads.get(end.id);
      if (workload === undefined || workload.hostNetwork || workload.hostNetworkUnknown) return undefined;
      found.push(...this.#selecting(engine.index.of(engine.endpoints.pod(workload))[direction]));
    }
    return found;
  }

  #selecting(tiers: Selected[Direction]): readonly ChangedObject[] {
    let known = this.#known.get(tiers);
    if (known === undefined) {
      const refs = tiers.flatMap(({ policies }) => policies.map(({ policy }): ObjectRef => policy.origin));
      this.#known.set(tiers, (known = this.changed.of(refs)));
    }
    return known;
  }
}

/** One flow of those that passed and do not, or the other way round. */
function flowThatChanged({ source, destination, before, after }: ChangedPair): Flow {
  const differing = [
    before.possible.subtract(after.possible),
    after.possible.subtract(before.possible),
    before.allowed.subtract(after.allowed),
    after.allowed.subtract(before.allowed),
  ];
  for (const set of differing) {
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      const port = set.ranges(protocol)[0]?.[0];
      if (port !== undefined) return { source, destination, protocol, port };
    }
    for (const protocol of ["ICMP", "ICMPv6"] as const) {
      if (set.ranges(protocol).length > 0) return { source, destination, protocol };
    }
  }
  return { source, destination, protocol: "TCP" };
}

/** A range is explained by its first address; the credentials of a cloud that lie within may be denied by others. */
function flowsToMetadata(pair: ChangedPair): Flow[] {
  if (pair.destination.kind !== "address") return [];
  const range = rangeOf(pair.destinationId);
  return metadataAddresses.flatMap(({ family, value }) => {
    const isWithin = family === range?.family && range.from < value && value <= range.to;
    const destination: Peer = { kind: "address", address: formatAddress({ family, value }) };
    return isWithin ? [flowThatChanged({ ...pair, destination })] : [];
  });
}

const metadataAddresses = metadataEndpoints.flatMap(({ address, formOf }) => {
  const parsed = formOf === undefined ? parseAddress(address) : undefined;
  return parsed === undefined ? [] : [parsed];
});

/**
 * The policies by which a side of a flow was turned around: what decides it now and what decided it before. Where no rule
 * decides, those that isolate: before, where nothing does any more; now, where nothing did. A policy that isolates beside
 * others changes nothing by going.
 */
function decidersOf(was: Explanation, is: Explanation): ObjectRef[] {
  return sidesOf(was).flatMap(([name, before]) => {
    const after = sidesOf(is).find(([other]) => other === name)?.[1];
    if (after === undefined || before.verdict === after.verdict) return [];
    const deciding = [before, after].flatMap((side) => (side.deciding === undefined ? [] : [side.deciding.policy]));
    const isolating = after.verdict === "allowed" ? before : after;
    const free = after.verdict === "allowed" ? after : before;
    return [...deciding, ...(free.deciding === undefined ? isolating.isolatedBy : [])];
  });
}

function sidesOf({ egress, ingress, mesh }: Explanation): readonly (readonly [string, DirectionExplanation])[] {
  return [["egress", egress], ["ingress", ingress], ...(mesh === undefined ? [] : [["mesh", mesh] as const])];
}

function policiesNamed(explanation: Explanation): ObjectRef[] {
  return sidesOf(explanation).flatMap(([, side]) => [
    ...(side.deciding === undefined ? [] : [side.deciding.policy]),
    ...side.isolatedBy,
    ...side.chain.filter(({ outcome }) => outcome !== "not-matched").map(({ rule }) => rule.policy),
  ]);
}
