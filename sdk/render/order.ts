/** What a tool does, one object after another, and what can be reached on the way. */
import type { ImaginedCluster, Plan, PlannedFlow, PlannedObject } from "../plan";
import type { Ends, KubeObject, Passing, Peer, Reachability, TrafficSet } from "../reachability";
import {
  compile,
  compileLike,
  describeEnd,
  metadataEndpoints,
  passing,
  PolicyVariants,
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
  const wanted = new Map(standing);
  for (const step of relevant) carryOut(wanted, step);
  // first, so that what the policies refer to in the end is read once
  const end = compile(variants.with(policiesOf(wanted)));
  let last = end;
  const compiled = (objects: ReadonlyMap<string, PlannedObject>): Reachability => {
    const snapshot = variants.with(policiesOf(objects));
    const like = [last, end].find((one) => one.snapshot.workloads === snapshot.workloads);
    return (last = compileLike(like, snapshot));
  };
  const made = new Set(before.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const isNew = (name: string): boolean =>
    namespaces.some((one) => one.name === name && !one.existing) && !made.has(name);
  const beginning = compiled(standing);
  const course = new Course(peersOf(beginning, cluster, flows), isNew, beginning, end);
  const checkedAfter = relevant.length * course.pairs <= mostVerdicts ? "object" : "layer";
  for (const moment of momentsOf(standing, relevant, checkedAfter)) {
    course.after(compiled(moment.standing), moment);
  }
  return { steps: relevant.length, checkedAfter, found: course.found };
}

function policiesOf(objects: ReadonlyMap<string, PlannedObject>): readonly KubeObject[] {
  return [...objects.values()].filter(({ kind }) => kind !== "Namespace") as unknown as KubeObject[];
}

/** Between whom it is asked what passes. */
interface Peers extends Ends {
  /** The namespace of each pod. */
  readonly namespaces: readonly string[];
  /** How many of the others, which pods may reach, may reach pods too: the first ones. */
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
  readonly #ends: readonly Peer[];
  /** Pods that run while the tool is at work; what starts later, in a namespace that the tool makes, is not cut by it. */
  readonly #runs: readonly boolean[];
  #last: Passing;

  constructor(
    private readonly peers: Peers,
    isNew: (namespace: string) => boolean,
    before: Reachability,
    end: Reachability,
  ) {
    const { pods, others, namespaces, reaching } = peers;
    this.pairs = pods.length * (pods.length - 1 + others.length + reaching);
    this.#ends = [...pods, ...others];
    this.#runs = this.#ends.map((_, place) => place >= pods.length || !isNew(namespaces[place] as string));
    this.#before = passing(before, peers);
    this.#end = passing(end, peers, this.#before);
    this.#last = this.#before;
  }

  after(reachability: Reachability, { since, isBeside }: Moment): void {
    const now = passing(reachability, this.peers, this.#last);
    const { pods, reaching } = this.peers;
    for (let pod = 0; pod < pods.length; pod++) {
      for (let other = 0; other < this.#ends.length; other++) {
        if (other !== pod) this.#judge(now, since, pod, other);
      }
      for (let other = pods.length; other < pods.length + reaching; other++) this.#judge(now, since, other, pod);
    }
    now.forgetBefore();
    if (!isBeside) this.#last = now;
  }

  #judge(passing: Passing, since: string, from: number, to: number): void {
    if (passing.isAsBefore(from, to)) return;
    const [was, now] = [this.#last.traffic(from, to), passing.traffic(from, to)];
    // what had been opened or cut before has been said
    if (now.possible === was.possible && now.allowed === was.allowed) return;
    const opened = now.possible.subtract(was.possible);
    const bothRun = this.#runs[from] === true && this.#runs[to] === true;
    const cut = bothRun ? this.#before.traffic(from, to).allowed.subtract(now.allowed) : undefined;
    if (opened.isEmpty() && cut?.isEmpty() !== false) return;
    const end = this.#end.traffic(from, to);
    const path = `${describeEnd(this.#ends[from] as Peer)} -> ${describeEnd(this.#ends[to] as Peer)}`;
    this.#say("open", path, since, opened.subtract(end.possible));
    if (cut !== undefined) this.#say("cut", path, since, cut.intersect(end.allowed));
  }

  #say(what: OnTheWay["what"], name: string, since: string, traffic: TrafficSet): void {
    const key = `${what} ${name}`;
    if (traffic.isEmpty() || this.#said.has(key)) return;
    this.#said.add(key);
    this.found.push({ what, path: `${name}: ${traffic.toString()}`, since });
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
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
    ...[...addresses(flows)].map((address): Peer => ({ kind: "address", address })),
  ];
  return {
    pods,
    namespaces: [...workloads.map(({ namespace }) => namespace), ...homes],
    others: [
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
