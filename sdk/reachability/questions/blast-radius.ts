/** How far an intruder gets from one workload, hop by hop, or from where one gets to it. */
import { trafficNamed, type Engine } from "../engine/engine";
import { describeRange } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import type { FlowProtocol, Traffic } from "../model/verdicts";
import type { Direction } from "../model/direction";
import { tablesOf, type End, type Matrix } from "./matrix";

/** A workload that can be reached (or that reaches), and over which others. */
export interface ReachedWorkload extends Traffic {
  readonly workloadId: string;
  /** 1 for what is reached directly. */
  readonly hops: number;
  /** The workload one hop nearer to where the question began, on a shortest way; what passes is between the two. */
  readonly over: string;
}

/** What a workload or an address reaches, or is reached by, over one or more hops. */
export interface BlastRadius {
  readonly from: string;
  readonly direction: Direction;
  readonly reached: readonly ReachedWorkload[];
  /** Ranges outside the cluster that the workload reaches, or that reach it, without a hop between. */
  readonly world: readonly ({ readonly rangeId: string } & Traffic)[];
}

/** What counts as a hop. */
export interface BlastRadiusOptions {
  /** The most hops. Default: no end. */
  readonly hops?: number;
  /** `egress`: what the workload reaches. `ingress`: what reaches the workload. Default `egress`. */
  readonly direction?: Direction;
  /** Only what passes on this protocol and port. Default: anything. */
  readonly protocol?: FlowProtocol;
  readonly port?: number;
}

/**
 * Everything that can be reached from a workload, if whatever is reached can be taken over; or everything from which it
 * can be reached in this way. What is only possible counts.
 *
 * @throws RangeError where the snapshot has no such workload.
 */
export function blastRadiusOf(engine: Engine, workloadId: string, options: BlastRadiusOptions = {}): BlastRadius {
  const matrix = tablesOf(engine);
  const start = matrix.ends.find((end) => end.workload.id === workloadId);
  if (start === undefined) throw new RangeError(`no workload ${workloadId} in the snapshot (ids are ns/name[Kind])`);
  const { hops: mostHops = Infinity, direction = "egress" } = options;
  const asked = askedFor(options);
  const narrowed = ({ allowed, possible }: Traffic): Traffic => ({
    allowed: allowed.intersect(asked),
    possible: possible.intersect(asked),
  });
  const neighbours = direction === "egress" ? (end: End) => matrix.from(end) : sourcesOf(matrix);
  const reached = new Map<string, ReachedWorkload>();
  let border = [start];
  for (let hops = 1; border.length > 0 && hops <= mostHops; hops++) {
    const next: typeof border = [];
    for (const end of border) {
      for (const [other, range] of neighbours(end)) {
        const { id } = other.workload;
        if (id === workloadId || reached.has(id)) continue;
        const traffic = narrowed(matrix.trafficOf(range));
        if (traffic.possible.isEmpty()) continue;
        reached.set(id, { workloadId: id, hops, over: end.workload.id, ...traffic });
        next.push(other);
      }
    }
    border = next;
  }
  const world = matrix.world(direction, start).map(({ range, traffic }) => ({
    rangeId: `${describeRange(range)}[External]`,
    ...narrowed(matrix.trafficOf(traffic)),
  }));
  const open = world.filter(({ possible }) => !possible.isEmpty());
  return { from: workloadId, direction, reached: [...reached.values()], world: open };
}

/** For each end those that something passes from: the pairs the other way round, gone through once. */
function sourcesOf(matrix: Matrix): (end: End) => readonly (readonly [End, number])[] {
  const sources = matrix.ends.map((): (readonly [End, number])[] => []);
  for (const source of matrix.ends) {
    for (const [destination, range] of matrix.from(source)) sources[destination.place]?.push([source, range]);
  }
  return (end) => sources[end.place] ?? [];
}

function askedFor({ protocol, port }: BlastRadiusOptions): TrafficSet {
  if (protocol === undefined) return TrafficSet.all();
  return trafficNamed({ protocol, ...(port === undefined ? {} : { port }) });
}
