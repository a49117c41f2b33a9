/** One thing that is wrong with the settings of monitoring. */
export interface MonitoringProblem {
  /** Where: `mutes[0].until`. */
  readonly path: string;
  /** What is wrong, and what to do. */
  readonly message: string;
}

/** Settings of monitoring that are refused, with everything that is wrong with them. */
export class MonitoringError extends Error {
  /** Everything that is wrong. */
  readonly problems: readonly MonitoringProblem[];

  constructor(problems: readonly MonitoringProblem[]) {
    super(`The monitoring is refused:\n${problems.map(({ path, message }) => `  ${path}: ${message}`).join("\n")}`);
    this.name = "MonitoringError";
    this.problems = problems;
  }
}
