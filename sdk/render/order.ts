/** What a tool does, one object after another, and what can be reached on the way. */
import type { ImaginedCluster, Plan, PlannedFlow, PlannedObject } from "../plan";
import type { KubeObject, Peer, Reachability, Traffic } from "../reachability";
import type { TrafficSet } from "../reachability";
import {
  buildSnapshot,
  compile,
  describeEnd,
  isPolicy,
  mayDiffer,
  metadataEndpoints,
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
  const compiled = (): Reachability => reachabilityOf(cluster, [...standing.values()]);
  const made = new Set(before.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const isNew = (name: string): boolean =>
    namespaces.some((one) => one.name === name && !one.existing) && !made.has(name);
  const beginning = compiled();
  const pairs = pairsOf(beginning, cluster, flows, isNew);
  const last = new Map(standing);
  for (const step of relevant) carryOut(last, step);
  const course = new Course(pairs, beginning, reachabilityOf(cluster, [...last.values()]));
  const each = relevant.length * pairs.length <= mostVerdicts;
  let onlyPolicies = true;
  // after the last step everything is as it is to be
  for (const [index, step] of relevant.slice(0, -1).entries()) {
    carryOut(standing, step);
    onlyPolicies &&= isPolicy(step.object.apiVersion, step.object.kind);
    const isEnd = relevant[index + 1]?.layer !== step.layer;
    if (!each && !isEnd) continue;
    course.after(compiled(), idOf(step.object), onlyPolicies);
    onlyPolicies = true;
  }
  return { steps: relevant.length, checkedAfter: each ? "object" : "layer", found: course.found };
}

function carryOut(standing: Map<string, PlannedObject>, { does, object }: OrderStep): void {
  if (does === "apply") standing.set(idOf(object), object);
  else standing.delete(idOf(object));
}

function reachabilityOf({ objects, profile }: ImaginedCluster, policies: readonly PlannedObject[]): Reachability {
  const all = [
    ...objects,
    ...policies.filter(({ kind }) => kind !== "Namespace").map((one) => one as unknown as KubeObject),
  ];
  return compile(
    buildSnapshot(
      all.map((object) => ({ object })),
      { profile },
    ),
  );
}

/** Source and destination. */
interface Pair {
  readonly source: Peer;
  readonly destination: Peer;
  readonly name: string;
  /** Its pods run while the tool is at work; what starts later, in a namespace that the tool makes, is not cut by it. */
  readonly runs: boolean;
}

/** What passes while objects are applied, against what passed before and passes at the end. */
class Course {
  readonly found: OnTheWay[] = [];
  // each worked out when it is first needed: most pairs are judged the same by most steps
  readonly #before: (Traffic | undefined)[] = [];
  readonly #end: (Traffic | undefined)[] = [];
  readonly #now: (Traffic | undefined)[] = [];
  readonly #said = new Set<string>();
  #last: Reachability;

  constructor(
    private readonly pairs: readonly Pair[],
    private readonly before: Reachability,
    private readonly end: Reachability,
  ) {
    this.#last = before;
  }

  /** @param onlyPolicies Nothing but policies has changed since the step before. */
  after(reachability: Reachability, object: string, onlyPolicies: boolean): void {
    const differs = onlyPolicies ? mayDiffer(this.#last, reachability) : () => true;
    this.#last = reachability;
    for (const [index, pair] of this.pairs.entries()) {
      const { source, destination } = pair;
      if (!differs(source, destination)) continue;
      const before = (this.#before[index] ??= this.before.traffic(source, destination));
      const was = this.#now[index] ?? before;
      const now = (this.#now[index] = reachability.traffic(source, destination));
      const opened = now.possible.subtract(was.possible);
      const cut = pair.runs ? before.allowed.subtract(now.allowed) : undefined;
      if (opened.isEmpty() && cut?.isEmpty() !== false) continue;
      const end = (this.#end[index] ??= this.end.traffic(source, destination));
      this.#say("open", pair, object, opened.subtract(end.possible));
      if (cut !== undefined) this.#say("cut", pair, object, cut.intersect(end.allowed));
    }
  }

  #say(what: OnTheWay["what"], { name }: Pair, since: string, traffic: TrafficSet): void {
    const key = `${what} ${name}`;
    if (traffic.isEmpty() || this.#said.has(key)) return;
    this.#said.add(key);
    this.found.push({ what, path: `${name}: ${traffic.toString()}`, since });
  }
}

function pairsOf(
  { snapshot }: Reachability,
  { objects }: ImaginedCluster,
  flows: readonly PlannedFlow[],
  isNew: (namespace: string) => boolean,
): readonly Pair[] {
  const inside: readonly { readonly peer: Peer; readonly namespace: string }[] = [
    ...snapshot.workloads
      .filter(({ hostNetwork }) => !hostNetwork)
      .map(({ id, namespace }) => ({ peer: { kind: "workload", id } as const, namespace })),
    ...objects
      .filter(({ kind }) => kind === "Namespace")
      .map(({ metadata }) => metadata?.name ?? "")
      .map((namespace) => ({ peer: { kind: "freshPod", namespace } as const, namespace })),
  ];
  const outside: readonly Peer[] = [
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
    ...[...addresses(flows)].map((address): Peer => ({ kind: "address", address })),
  ];
  const onlyReached: readonly Peer[] = [
    ...metadataEndpoints.map(({ address }): Peer => ({ kind: "address", address })),
    ...[...names(flows)].map((name): Peer => ({ kind: "fqdn", name })),
  ];
  const pairs: Pair[] = [];
  const add = (source: Peer, destination: Peer, ...namespaces: readonly string[]): void => {
    const name = `${describeEnd(source)} -> ${describeEnd(destination)}`;
    pairs.push({ source, destination, name, runs: !namespaces.some(isNew) });
  };
  for (const one of inside) {
    for (const other of inside) if (one !== other) add(one.peer, other.peer, one.namespace, other.namespace);
    for (const end of [...outside, ...onlyReached]) add(one.peer, end, one.namespace);
    for (const end of outside) add(end, one.peer, one.namespace);
  }
  return pairs;
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
