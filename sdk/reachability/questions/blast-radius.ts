/** How far an intruder gets from one workload, hop by hop. */
import type { Engine } from "../compile/engine";
import { describeRange } from "../sets/addresses";
import type { Traffic } from "../verdicts";
import { tablesOf } from "./matrix";

/** A workload that can be reached, and over which others. */
export interface ReachedWorkload extends Traffic {
  readonly workloadId: string;
  /** 1 for what is reached directly. */
  readonly hops: number;
  /** The workload one hop before, on a shortest way; what passes is from there. */
  readonly over: string;
}

export interface BlastRadius {
  readonly from: string;
  readonly reached: readonly ReachedWorkload[];
  /** Ranges outside the cluster that the workload reaches by itself. */
  readonly world: readonly ({ readonly rangeId: string } & Traffic)[];
}

/**
 * Everything that can be reached from a workload, if whatever is reached can be taken over. What is only possible counts.
 *
 * @throws RangeError where the snapshot has no such workload.
 */
export function blastRadiusOf(
  engine: Engine,
  workloadId: string,
  options: { readonly hops?: number } = {},
): BlastRadius {
  const matrix = tablesOf(engine);
  const start = matrix.ends.find((end) => end.workload.id === workloadId);
  if (start === undefined) throw new RangeError(`no workload ${workloadId} in the snapshot (ids are ns/name[Kind])`);
  const reached = new Map<string, ReachedWorkload>();
  let border = [start];
  for (let hops = 1; border.length > 0 && hops <= (options.hops ?? Infinity); hops++) {
    const next: typeof border = [];
    for (const end of border) {
      for (const [destination, range] of matrix.from(end)) {
        const { id } = destination.workload;
        if (id === workloadId || reached.has(id)) continue;
        reached.set(id, { workloadId: id, hops, over: end.workload.id, ...matrix.trafficOf(range) });
        next.push(destination);
      }
    }
    border = next;
  }
  const world = matrix.world("egress", start).map(({ range, traffic }) => ({
    rangeId: `${describeRange(range)}[External]`,
    ...matrix.trafficOf(traffic),
  }));
  return { from: workloadId, reached: [...reached.values()], world };
}
