/**
 * How many policy sets a run compares and from which seed. `PROPERTY_RUNS` is the total over all suites (default 700, a few
 * seconds; the full run is `PROPERTY_RUNS=12000`), `PROPERTY_SEED` repeats a run.
 */
export const seed = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2_147_483_647);

export const totalRuns = Number(process.env["PROPERTY_RUNS"] ?? 700);

/** A suite's part of the total, at least ten sets. */
export function runsFor(share: number): number {
  return Math.max(10, Math.ceil(totalRuns * share));
}

/** Suites of a full run take longer than mocha's default. */
export const suiteTimeout = 20_000 + totalRuns * 100;
