/** What a tool does, one object after another, and what can be reached on the way. */
import type { ImaginedCluster, Plan, PlannedFlow, PlannedObject } from "../plan";
import type { KubeObject, Peer, Reachability, Traffic } from "../reachability";
import type { TrafficSet } from "../reachability";
import {
  compile,
  describeEnd,
  differences,
  outwards,
  isPolicy,
  metadataEndpoints,
  PolicyVariants,
  shapesPolicies,
} from "../reachability";
import { idOf } from "./objects";

/** One thing that a tool does to the cluster. */
export interface OrderStep {
  readonly does: "apply" | "delete";
  readonly object: PlannedObject;
  /** The layer it belongs to; between two layers the tool waits. */
  readonly layer: string;
}

/** A path that is for a while neither as before nor as it is to be. */
export interface OnTheWay {
  /** `open`: something passes that passed neither before nor will at the end. `cut`: something does not that passes before and at the end. */
  readonly what: "open" | "cut";
  /** `shop/web -> shop/db: TCP 5432`. */
  readonly path: string;
  /** Since which object: `NetworkPolicy.networking.k8s.io shop/allow-web`. */
  readonly since: string;
}

/** What was proved of an order. */
export interface OrderProof {
  readonly steps: number;
  /** After each object, or, where there are too many pairs for that, after each layer. */
  readonly checkedAfter: "object" | "layer";
  readonly found: readonly OnTheWay[];
}

/** So many verdicts are computed in a second or two. */
const mostVerdicts = 60_000;

/**
 * Computes reachability after every object in the order in which a tool applies and deletes them: of the declared workloads,
 * a new pod in each namespace, nodes, the API server, metadata endpoints, and addresses outside.
 *
 * @param before The objects that the tool applied earlier; none: the policies are new, and everything is open.
 */
export function proveOrder(
  cluster: ImaginedCluster,
  { flows, namespaces }: Pick<Plan, "flows" | "namespaces">,
  before: readonly PlannedObject[],
  steps: readonly OrderStep[],
): OrderProof {
  const relevant = steps.filter(({ object: { apiVersion, kind } }) => shapesPolicies(apiVersion, kind));
  const standing = new Map(before.map((object) => [idOf(object), object]));
  const all = [...before, ...relevant.map(({ object }) => object)].filter(({ kind }) => kind !== "Namespace");
  const variants = new PolicyVariants(cluster.objects, all as unknown as KubeObject[], cluster.profile);
  const compiled = (objects: ReadonlyMap<string, PlannedObject>): Reachability =>
    compile(variants.with([...objects.values()].filter(({ kind }) => kind !== "Namespace") as unknown as KubeObject[]));
  const made = new Set(before.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const isNew = (name: string): boolean =>
    namespaces.some((one) => one.name === name && !one.existing) && !made.has(name);
  const beginning = compiled(standing);
  const peers = peersOf(beginning, cluster, flows);
  const last = new Map(standing);
  for (const step of relevant) carryOut(last, step);
  const course = new Course(peers, isNew, beginning, compiled(last));
  const each = relevant.length * course.pairs <= mostVerdicts;
  let onlyPolicies = true;
  // after the last step everything is as it is to be
  for (const [index, step] of relevant.slice(0, -1).entries()) {
    carryOut(standing, step);
    onlyPolicies &&= isPolicy(step.object.apiVersion, step.object.kind);
    const isEnd = relevant[index + 1]?.layer !== step.layer;
    if (!each && !isEnd) continue;
    course.after(compiled(standing), idOf(step.object), onlyPolicies);
    onlyPolicies = true;
  }
  return { steps: relevant.length, checkedAfter: each ? "object" : "layer", found: course.found };
}

function carryOut(standing: Map<string, PlannedObject>, { does, object }: OrderStep): void {
  if (does === "apply") standing.set(idOf(object), object);
  else standing.delete(idOf(object));
}

/** Between whom it is asked what passes. */
interface Peers {
  /** Pods, each with its namespace. */
  readonly inside: readonly { readonly peer: Peer; readonly namespace: string }[];
  readonly outside: readonly Peer[];
  readonly onlyReached: readonly Peer[];
}

/** What passes while objects are applied, against what passed before and passes at the end. */
class Course {
  readonly found: OnTheWay[] = [];
  /** How many pairs there are. */
  readonly pairs: number;
  // worked out when it is first needed: most pairs are judged the same by most steps
  readonly #end: (Traffic | undefined)[] = [];
  readonly #said = new Set<string>();
  /** Pods that run while the tool is at work; what starts later, in a namespace that the tool makes, is not cut by it. */
  readonly #runs: readonly boolean[];
  /** What every one of a group of pods gains and loses towards a destination outside, by both. */
  #groups = new Map<string, Change>();
  #last: Reachability;

  constructor(
    private readonly peers: Peers,
    isNew: (namespace: string) => boolean,
    private readonly before: Reachability,
    private readonly end: Reachability,
  ) {
    const { inside, outside, onlyReached } = peers;
    this.pairs = inside.length * (inside.length - 1 + outside.length * 2 + onlyReached.length);
    this.#runs = inside.map(({ namespace }) => !isNew(namespace));
    this.#last = before;
  }

  /** @param onlyPolicies Nothing but policies has changed since the step before. */
  after(reachability: Reachability, object: string, onlyPolicies: boolean): void {
    const differ = onlyPolicies ? differences(this.#last, reachability) : everywhere;
    const groupOf = this.#groupsFor(reachability);
    const { inside, outside, onlyReached } = this.peers;
    const reached = [...inside.map(({ peer }) => peer), ...outside, ...onlyReached];
    const arrives = reached.map((peer) => differ.destination(peer));
    const leaves = outside.map((peer) => differ.source(peer));
    const isGrouped = reached.map((peer, column) => column >= inside.length && groupOf.isOutside(peer));
    const arriving = [...arrives.keys()].filter((column) => arrives[column]);
    const width = reached.length + outside.length;
    const judge = (index: number, source: Peer, destination: Peer, runs: boolean, group?: string): void => {
      if (!differ.pair(source, destination)) return;
      this.#judge(reachability, object, {
        index,
        source,
        destination,
        runs,
        ...(group === undefined ? {} : { group }),
      });
    };
    for (const [row, { peer }] of inside.entries()) {
      const runs = this.#runs[row] === true;
      const all = differ.source(peer);
      const group = groupOf(peer);
      for (const column of all ? reached.keys() : arriving) {
        const destination = reached[column];
        if (column === row || destination === undefined) continue;
        const isInside = column < inside.length;
        const key = group !== undefined && isGrouped[column] === true ? `${column} ${group} ${runs}` : undefined;
        judge(row * width + column, peer, destination, runs && (!isInside || this.#runs[column] === true), key);
      }
      for (const [place, source] of outside.entries()) {
        if (arrives[row] === true || leaves[place] === true)
          judge(row * width + reached.length + place, source, peer, runs);
      }
    }
    this.#last = reachability;
  }

  #judge(reachability: Reachability, object: string, pair: Pair): void {
    const { index, source, destination, group } = pair;
    let change = group === undefined ? undefined : this.#groups.get(group);
    if (change === undefined) {
      change = this.#changeOf(reachability, pair);
      if (group !== undefined) this.#groups.set(group, change);
    }
    const { opened, cut } = change;
    if (opened.isEmpty() && cut?.isEmpty() !== false) return;
    const end = (this.#end[index] ??= this.end.traffic(source, destination));
    const name = `${describeEnd(source)} -> ${describeEnd(destination)}`;
    this.#say("open", name, object, opened.subtract(end.possible));
    if (cut !== undefined) this.#say("cut", name, object, cut.intersect(end.allowed));
  }

  #changeOf(reachability: Reachability, { source, destination, runs }: Pair): Change {
    const before = this.before.traffic(source, destination);
    const was = this.#last.traffic(source, destination);
    const now = reachability.traffic(source, destination);
    const opened = now.possible.subtract(was.possible);
    return { opened, cut: runs ? before.allowed.subtract(now.allowed) : undefined };
  }

  /** Which pods gain and lose the same outside: the policies before, until now and now do not tell them apart. */
  #groupsFor(reachability: Reachability): ((source: Peer) => string | undefined) & { isOutside(end: Peer): boolean } {
    this.#groups = new Map();
    const all = [this.before, this.#last, reachability].map(outwards);
    const groupOf = (source: Peer): string | undefined => {
      const groups = all.map((each) => each.groupOf(source));
      return groups.includes(undefined) ? undefined : groups.join();
    };
    return Object.assign(groupOf, { isOutside: (end: Peer) => all.every((each) => each.isOutside(end)) });
  }

  #say(what: OnTheWay["what"], name: string, since: string, traffic: TrafficSet): void {
    const key = `${what} ${name}`;
    if (traffic.isEmpty() || this.#said.has(key)) return;
    this.#said.add(key);
    this.found.push({ what, path: `${name}: ${traffic.toString()}`, since });
  }
}

const everywhere = { source: () => true, destination: () => true, pair: () => true };

interface Change {
  readonly opened: TrafficSet;
  /** Undefined where nothing runs that could lose it. */
  readonly cut: TrafficSet | undefined;
}

interface Pair {
  /** Where what was found of it at the end is kept. */
  readonly index: number;
  /** Pairs of one group change in the same way. */
  readonly group?: string;
  readonly source: Peer;
  readonly destination: Peer;
  readonly runs: boolean;
}

function peersOf({ snapshot }: Reachability, { objects }: ImaginedCluster, flows: readonly PlannedFlow[]): Peers {
  return {
    inside: [
      ...snapshot.workloads
        .filter(({ hostNetwork }) => !hostNetwork)
        .map(({ id, namespace }) => ({ peer: { kind: "workload", id } as const, namespace })),
      ...objects
        .filter(({ kind }) => kind === "Namespace")
        .map(({ metadata }) => metadata?.name ?? "")
        .map((namespace) => ({ peer: { kind: "freshPod", namespace } as const, namespace })),
    ],
    outside: [
      { kind: "node", where: "remote" },
      { kind: "kubeApiserver" },
      ...[...addresses(flows)].map((address): Peer => ({ kind: "address", address })),
    ],
    onlyReached: [
      ...metadataEndpoints.map(({ address }): Peer => ({ kind: "address", address })),
      ...[...names(flows)].map((name): Peer => ({ kind: "fqdn", name })),
    ],
  };
}

/** One address of each range that a flow names, and one outside of each family. */
function addresses(flows: readonly PlannedFlow[]): ReadonlySet<string> {
  const ranges = flows.flatMap(({ from, to }) =>
    [from, to].flatMap((peer) => (peer.kind === "cidr" ? [peer.cidr.split("/")[0] ?? ""] : [])),
  );
  return new Set(["198.51.100.10", "2001:db8::10", ...ranges]);
}

function names(flows: readonly PlannedFlow[]): ReadonlySet<string> {
  return new Set(
    flows.flatMap(({ to }) => (to.kind === "fqdn" ? [to.name.replace(/\*+/g, "any").replace(/\.$/, "")] : [])),
  );
}
