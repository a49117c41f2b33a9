/** What two snapshots let pass differently, and which objects did it. */
import type { Engine } from "../compile/engine";
import { directionOf } from "../compile/evaluate";
import type { ObjectRef } from "../objects";
import { describeRange, type AddressRange } from "../sets/addresses";
import type { Traffic } from "../verdicts";
import type { CompiledPolicy } from "../rules";
import { TrafficSet } from "../sets/ports";
import { tablesOf, type End, type Matrix } from "./matrix";

export type PathChange =
  /** Something passes that did not pass before. */
  | "opened"
  /** Something no longer passes, and nothing new does. */
  | "closed"
  /** Some traffic was opened and some closed. */
  | "changed"
  /** One end is new. */
  | "added"
  /** One end is gone. */
  | "removed";

/** A pair between which not the same passes as before. */
export interface DiffEntry {
  readonly sourceId: string;
  readonly destinationId: string;
  readonly change: PathChange;
  readonly before: Traffic;
  readonly after: Traffic;
  /** The objects that were added, removed or changed and that have to do with the pair. */
  readonly causes: readonly ObjectRef[];
}

const nothing: Traffic = { allowed: TrafficSet.none(), possible: TrafficSet.none() };

export function* diffOf(before: Engine, after: Engine): Iterable<DiffEntry> {
  const [old, fresh] = [tablesOf(before), tablesOf(after)];
  const causes = new Causes(before, after);
  const ids = [...new Set([...old.ends, ...fresh.ends].map((end) => end.workload.id))].sort();
  const [oldEnds, freshEnds] = [byId(old), byId(fresh)];
  for (const id of ids) {
    const [oldEnd, freshEnd] = [oldEnds.get(id), freshEnds.get(id)];
    yield* comparePods(old, fresh, oldEnd, freshEnd, oldEnds, freshEnds, causes);
    for (const direction of ["egress", "ingress"] as const) {
      yield* compareWorld(old, fresh, oldEnd, freshEnd, direction, causes);
    }
  }
}

function byId(matrix: Matrix): ReadonlyMap<string, End> {
  return new Map(matrix.ends.map((end) => [end.workload.id, end]));
}

function* comparePods(
  old: Matrix,
  fresh: Matrix,
  oldSource: End | undefined,
  freshSource: End | undefined,
  oldEnds: ReadonlyMap<string, End>,
  freshEnds: ReadonlyMap<string, End>,
  causes: Causes,
): Iterable<DiffEntry> {
  const sourceId = (oldSource ?? freshSource)?.workload.id ?? "";
  const was = destinations(old, oldSource);
  const is = destinations(fresh, freshSource);
  for (const destinationId of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    const [before, after] = [was.get(destinationId) ?? nothing, is.get(destinationId) ?? nothing];
    if (isSame(before, after)) continue;
    const both = oldSource !== undefined && freshSource !== undefined;
    const known = both && oldEnds.has(destinationId) && freshEnds.has(destinationId);
    const change = known ? changeOf(before, after) : after === nothing ? "removed" : "added";
    yield { sourceId, destinationId, change, before, after, causes: causes.of(sourceId, destinationId) };
  }
}

function destinations(matrix: Matrix, source: End | undefined): Map<string, Traffic> {
  const found = new Map<string, Traffic>();
  if (source === undefined) return found;
  for (const [destination, range] of matrix.from(source)) found.set(destination.workload.id, matrix.trafficOf(range));
  return found;
}

function* compareWorld(
  old: Matrix,
  fresh: Matrix,
  oldEnd: End | undefined,
  freshEnd: End | undefined,
  direction: "ingress" | "egress",
  causes: Causes,
): Iterable<DiffEntry> {
  const id = (oldEnd ?? freshEnd)?.workload.id ?? "";
  const was = oldEnd === undefined ? [] : old.world(direction, oldEnd);
  const is = freshEnd === undefined ? [] : fresh.world(direction, freshEnd);
  const trafficAt = (matrix: Matrix, entries: typeof was, range: AddressRange): Traffic => {
    const entry = entries.find(
      (each) => each.range.family === range.family && each.range.from <= range.from && range.from <= each.range.to,
    );
    return entry === undefined ? nothing : matrix.trafficOf(entry.traffic);
  };
  let last: { range: AddressRange; before: Traffic; after: Traffic } | undefined;
  const made: (typeof last & object)[] = [];
  for (const range of pieces([...was, ...is].map((entry) => entry.range))) {
    const before = trafficAt(old, was, range);
    const after = trafficAt(fresh, is, range);
    const joins =
      last !== undefined &&
      last.range.family === range.family &&
      last.range.to + 1n === range.from &&
      isSame(last.before, before) &&
      isSame(last.after, after);
    if (joins && last !== undefined) {
      last.range = { ...last.range, to: range.to };
      continue;
    }
    last = { range, before, after };
    made.push(last);
  }
  for (const { range, before, after } of made) {
    if (isSame(before, after)) continue;
    const outside = `${describeRange(range)}[External]`;
    const change = oldEnd === undefined ? "added" : freshEnd === undefined ? "removed" : changeOf(before, after);
    const [sourceId, destinationId] = direction === "egress" ? [id, outside] : [outside, id];
    yield { sourceId, destinationId, change, before, after, causes: causes.of(sourceId, destinationId) };
  }
}

/** Cuts overlapping ranges into pieces that overlap no more. */
function pieces(ranges: readonly AddressRange[]): AddressRange[] {
  const result: AddressRange[] = [];
  for (const family of [4, 6] as const) {
    const own = ranges.filter((range) => range.family === family);
    const starts = [...new Set(own.flatMap((range) => [range.from, range.to + 1n]))].sort((a, b) =>
      a < b ? -1 : a > b ? 1 : 0,
    );
    for (let at = 0; at + 1 < starts.length; at++) {
      result.push({ family, from: starts[at] as bigint, to: (starts[at + 1] as bigint) - 1n });
    }
  }
  return result;
}

function isSame(a: Traffic, b: Traffic): boolean {
  return a.allowed === b.allowed && a.possible === b.possible;
}

function changeOf(before: Traffic, after: Traffic): PathChange {
  const more = !after.possible.isSubsetOf(before.possible) || !after.allowed.isSubsetOf(before.allowed);
  const less = !before.possible.isSubsetOf(after.possible) || !before.allowed.isSubsetOf(after.allowed);
  return more && less ? "changed" : more ? "opened" : "closed";
}

/** Objects that differ between two snapshots, and the pairs they have to do with. */
class Causes {
  /** Keys of objects that were added, removed or changed. */
  readonly #changed = new Set<string>();
  readonly #objects = new Map<string, ObjectRef>();
  readonly #known = new Map<string, readonly ObjectRef[]>();

  constructor(
    private readonly before: Engine,
    private readonly after: Engine,
  ) {
    const [old, fresh] = [objectsOf(before), objectsOf(after)];
    for (const key of new Set([...old.keys(), ...fresh.keys()])) {
      const [was, is] = [old.get(key), fresh.get(key)];
      if (was?.text === is?.text) continue;
      this.#changed.add(key);
      this.#objects.set(key, (is ?? was)?.ref as ObjectRef);
    }
  }

  of(sourceId: string, destinationId: string): readonly ObjectRef[] {
    const found = [...this.#around(sourceId, "egress"), ...this.#around(destinationId, "ingress")];
    if (found.length > 0) return [...new Set(found)];
    // what else differs (an enforcer's setting, a Service, a network set): nothing nearer is known
    return [...this.#objects.values()].filter((ref) => !workloadKinds.test(ref.kind)).slice(0, 10);
  }

  /** What changed about one end: itself, its namespace, the policies that select it. */
  #around(id: string, direction: "ingress" | "egress"): readonly ObjectRef[] {
    const key = `${direction} ${id}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = new Set<ObjectRef>();
    for (const engine of [this.before, this.after]) {
      const workload = engine.snapshot.workloads.find((each) => each.id === id);
      if (workload === undefined) continue;
      this.#add(found, `${workload.kind} ${workload.namespace}/${workload.name}`);
      this.#add(found, `Namespace ${workload.namespace}`);
      if (workload.hostNetwork) continue;
      const endpoint = engine.endpoints.pod(workload);
      const indices = direction === "ingress" ? [engine.index, engine.meshIndex] : [engine.index];
      for (const index of indices) {
        for (const tier of index.of(endpoint)[direction]) {
          for (const { policy } of tier.policies) {
            if (directionOf(policy, direction) !== undefined) this.#add(found, policyKey(policy));
          }
        }
      }
    }
    const list = [...found];
    this.#known.set(key, list);
    return list;
  }

  #add(found: Set<ObjectRef>, key: string): void {
    const ref = this.#objects.get(key);
    if (ref !== undefined && this.#changed.has(key)) found.add(ref);
  }
}

const workloadKinds = /^(Pod|Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|CronJob)$/;

function policyKey({ origin }: CompiledPolicy): string {
  return `${origin.kind} ${origin.namespace === undefined ? "" : `${origin.namespace}/`}${origin.name}`;
}

function objectsOf(engine: Engine): Map<string, { ref: ObjectRef; text: string }> {
  const { snapshot } = engine;
  const result = new Map<string, { ref: ObjectRef; text: string }>();
  const add = (key: string, ref: ObjectRef, value: unknown): void => {
    result.set(key, { ref, text: JSON.stringify(value) });
  };
  for (const policy of snapshot.policies) {
    const { apiVersion, kind, namespace, name } = policy;
    const key = `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
    add(key, { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) }, [
      policy.object.spec,
      policy.object["specs"],
    ]);
  }
  for (const { name, labels } of snapshot.namespaces.values()) {
    add(`Namespace ${name}`, { apiVersion: "v1", kind: "Namespace", name }, labels);
  }
  for (const {
    object,
    kind,
    namespace,
    name,
    labels,
    serviceAccount,
    hostNetwork,
    ports,
    addresses,
  } of snapshot.workloads) {
    const ref = { apiVersion: object.apiVersion, kind, namespace, name };
    add(`${kind} ${namespace}/${name}`, ref, [labels, serviceAccount, hostNetwork, ports, addresses]);
  }
  for (const { object } of snapshot.others) {
    const { namespace, name = "" } = object.metadata ?? {};
    const ref = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    };
    add(`${object.kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`, ref, [
      object.spec,
      object["endpoints"],
    ]);
  }
  return result;
}
