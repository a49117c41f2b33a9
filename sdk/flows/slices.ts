/** Kinds of flows by time, so that the last part of a recording can be held out. Memory grows with the kinds alone. */
import type { FlowClass } from "./classes";
import { FlowClasses } from "./classes";
import type { FlowRecord } from "./record";

/** A recording is cut into so many slices at most; half as many at least, once it is longer than so many seconds. */
const mostSlices = 128;

/** The kinds of flows before and after a moment. */
export interface Parts {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly earlier: readonly FlowClass[];
  readonly later: readonly FlowClass[];
}

/** Gathers records in classes, a slice of time each. */
export class TimeSlices {
  /** Milliseconds. */
  private width = 1_000;
  private slices = new Map<number, FlowClasses>();

  add(record: FlowRecord): void {
    const index = Math.floor(record.time / this.width);
    let slice = this.slices.get(index);
    if (slice === undefined) {
      slice = new FlowClasses();
      this.slices.set(index, slice);
    }
    slice.add(record);
    while (this.slices.size > mostSlices) this.widen();
  }

  /** Pairs of slices become one. */
  private widen(): void {
    this.width *= 2;
    const wider = new Map<number, FlowClasses>();
    for (const [index, slice] of this.slices) {
      const known = wider.get(Math.floor(index / 2));
      if (known === undefined) wider.set(Math.floor(index / 2), slice);
      else known.addAll(slice);
    }
    this.slices = wider;
  }

  /** Cuts the recording where the last `share` of its time begins; to use once, when everything has been added. */
  parts(share: number): Parts {
    const indices = [...this.slices.keys()].sort((a, b) => a - b);
    const first = indices[0] ?? 0;
    const end = (indices.at(-1) ?? 0) + 1;
    const cut = Math.round(end - (end - first) * share);
    const [earlier, later] = [new FlowClasses(), new FlowClasses()];
    for (const index of indices) {
      const slice = this.slices.get(index);
      if (slice !== undefined) (index < cut ? earlier : later).addAll(slice);
    }
    return { at: cut * this.width, earlier: earlier.all(), later: later.all() };
  }
}
