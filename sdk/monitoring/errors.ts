import type { DeclarationProblem } from "../plan";
import { describeProblem } from "../plan/errors";

/** Settings of monitoring that are refused, with everything that is wrong with them. */
export class MonitoringError extends Error {
  /** Everything that is wrong. */
  readonly problems: readonly DeclarationProblem[];

  constructor(problems: readonly DeclarationProblem[]) {
    super(
      ["The settings of monitoring are refused:", ...problems.map((each) => `  ${describeProblem(each)}`)].join("\n"),
    );
    this.name = "MonitoringError";
    this.problems = problems;
  }
}
