/** What a tool does, one object after another, and what can be reached on the way. */
import type { ImaginedCluster, Plan, PlannedFlow, PlannedObject } from "../plan";
import type { KubeObject, Peer, Reachability, Traffic } from "../reachability";
import type { TrafficSet } from "../reachability";
import {
  among,
  compileLike,
  describeEnd,
  metadataEndpoints,
  PolicyVariants,
  sameRules,
  shapesPolicies,
} from "../reachability";
import { carryOut, momentsOf, type Moment, type OrderStep } from "./moments";
import { idOf } from "./objects";

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
  let last: Reachability | undefined;
  const compiled = (objects: ReadonlyMap<string, PlannedObject>): Reachability => {
    const policies = [...objects.values()].filter(({ kind }) => kind !== "Namespace") as unknown as KubeObject[];
    return (last = compileLike(last, variants.with(policies)));
  };
  const made = new Set(before.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const isNew = (name: string): boolean =>
    namespaces.some((one) => one.name === name && !one.existing) && !made.has(name);
  const beginning = compiled(standing);
  const peers = peersOf(beginning, cluster, flows);
  const wanted = new Map(standing);
  for (const step of relevant) carryOut(wanted, step);
  const course = new Course(peers, isNew, beginning, compiled(wanted));
  const checkedAfter = relevant.length * course.pairs <= mostVerdicts ? "object" : "layer";
  for (const moment of momentsOf(standing, relevant, checkedAfter)) {
    course.after(compiled(moment.standing), moment);
  }
  return { steps: relevant.length, checkedAfter, found: course.found };
}

/** Between whom it is asked what passes. */
interface Peers {
  readonly pods: readonly Peer[];
  /** The namespace of each pod. */
  readonly namespaces: readonly string[];
  /** Everybody that a pod may reach: pods, then what may reach pods too, then the rest. */
  readonly reached: readonly Peer[];
  /** How many of them reach pods. */
  readonly reaching: number;
}

/** What passes while objects are applied, against what passed before and passes at the end. */
class Course {
  readonly found: OnTheWay[] = [];
  /** How many pairs there are. */
  readonly pairs: number;
  readonly #before: Passing;
  readonly #end: Passing;
  readonly #said = new Set<string>();
  /** Pods that run while the tool is at work; what starts later, in a namespace that the tool makes, is not cut by it. */
  readonly #runs: readonly boolean[];
  #last: Passing;

  constructor(
    private readonly peers: Peers,
    isNew: (namespace: string) => boolean,
    before: Reachability,
    end: Reachability,
  ) {
    const { pods, namespaces, reached, reaching } = peers;
    this.pairs = pods.length * (reached.length - 1 + reaching - pods.length);
    this.#runs = namespaces.map((namespace) => !isNew(namespace));
    this.#before = new Passing(before, peers);
    this.#end = new Passing(end, peers);
    this.#last = this.#before;
  }

  after(reachability: Reachability, { since, isBeside }: Moment): void {
    const now = new Passing(reachability, this.peers, this.#last);
    const { pods, reached, reaching } = this.peers;
    for (let row = 0; row < pods.length; row++) {
      const runs = this.#runs[row] === true;
      for (let column = 0; column < reached.length; column++) {
        if (column === row) continue;
        const bothRun = runs && (column >= pods.length || this.#runs[column] === true);
        this.#judge(now, since, { row, column, isFrom: true }, bothRun);
      }
      for (let column = pods.length; column < reaching; column++) {
        this.#judge(now, since, { row, column, isFrom: false }, runs);
      }
    }
    now.forgetBefore();
    if (!isBeside) this.#last = now;
  }

  #judge(reached: Passing, since: string, pair: Pair, runs: boolean): void {
    const [was, now] = [this.#last.along(pair), reached.along(pair)];
    // what had been opened or cut before has been said
    if (now.possible === was.possible && now.allowed === was.allowed) return;
    const opened = now.possible.subtract(was.possible);
    const cut = runs ? this.#before.along(pair).allowed.subtract(now.allowed) : undefined;
    if (opened.isEmpty() && cut?.isEmpty() !== false) return;
    const end = this.#end.along(pair);
    const name = reached.nameOf(pair);
    this.#say("open", name, since, opened.subtract(end.possible));
    if (cut !== undefined) this.#say("cut", name, since, cut.intersect(end.allowed));
  }

  #say(what: OnTheWay["what"], name: string, since: string, traffic: TrafficSet): void {
    const key = `${what} ${name}`;
    if (traffic.isEmpty() || this.#said.has(key)) return;
    this.#said.add(key);
    this.found.push({ what, path: `${name}: ${traffic.toString()}`, since });
  }
}

/** A pod and another end, by their places: from the pod, or to it. */
interface Pair {
  readonly row: number;
  readonly column: number;
  readonly isFrom: boolean;
}

/** What passes between the peers under one set of policies, each pair worked out once. */
class Passing {
  readonly #others: (Traffic | undefined)[];
  readonly #isAsWas: ((source: Peer, destination: Peer) => boolean) | undefined;
  #among: ((source: number, destination: number) => Traffic) | undefined;

  constructor(
    private readonly reachability: Reachability,
    private readonly peers: Peers,
    private was?: Passing,
  ) {
    const { pods, reached } = peers;
    if (was !== undefined) this.#isAsWas = sameRules(was.reachability, reachability);
    this.#others = new Array<undefined>(pods.length * (reached.length - pods.length) * 2).fill(undefined);
  }

  along({ row, column, isFrom }: Pair): Traffic {
    const { pods, reached } = this.peers;
    if (column < pods.length) return (this.#among ??= among(this.reachability, pods))(row, column);
    const place = (row * (reached.length - pods.length) + column - pods.length) * 2 + (isFrom ? 1 : 0);
    return (this.#others[place] ??= this.#ask(row, column, isFrom));
  }

  /** Not to hold all that was before. */
  forgetBefore(): void {
    this.was = undefined;
  }

  nameOf({ row, column, isFrom }: Pair): string {
    const { reached } = this.peers;
    const [pod, other] = [describeEnd(reached[row] as Peer), describeEnd(reached[column] as Peer)];
    return isFrom ? `${pod} -> ${other}` : `${other} -> ${pod}`;
  }

  #ask(row: number, column: number, isFrom: boolean): Traffic {
    const [pod, other] = [this.peers.reached[row] as Peer, this.peers.reached[column] as Peer];
    const [source, destination] = isFrom ? [pod, other] : [other, pod];
    if (this.was !== undefined && this.#isAsWas?.(source, destination) === true) {
      return this.was.along({ row, column, isFrom });
    }
    return this.reachability.traffic(source, destination);
  }
}

function peersOf({ snapshot }: Reachability, { objects }: ImaginedCluster, flows: readonly PlannedFlow[]): Peers {
  const workloads = snapshot.workloads.filter(({ hostNetwork }) => !hostNetwork);
  const homes = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata?.name ?? "");
  const pods: readonly Peer[] = [
    ...workloads.map(({ id }): Peer => ({ kind: "workload", id })),
    ...homes.map((namespace): Peer => ({ kind: "freshPod", namespace })),
  ];
  const both: readonly Peer[] = [
    ...pods,
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
    ...[...addresses(flows)].map((address): Peer => ({ kind: "address", address })),
  ];
  return {
    pods,
    namespaces: [...workloads.map(({ namespace }) => namespace), ...homes],
    reached: [
      ...both,
      ...metadataEndpoints.map(({ address }): Peer => ({ kind: "address", address })),
      ...[...names(flows)].map((name): Peer => ({ kind: "fqdn", name })),
    ],
    reaching: both.length,
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
