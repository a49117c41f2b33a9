import type { PropertyPath } from "../property-path";
import { formatPath } from "../property-path";

/** One thing that is wrong with the arguments of a chart. Never carries a value, which might be a secret. */
export interface ChartProblem {
  /** Where: `["hubble", "ui"]`, `["values", "encryption", "type"]`. */
  readonly path: PropertyPath;
  /** What is wrong, and what to write instead. */
  readonly message: string;
}

/** Chart values that cannot be written for the chosen version. Carries every problem that was found. */
export class ChartValuesError extends Error {
  readonly problems: readonly ChartProblem[];

  constructor(chart: string, problems: readonly ChartProblem[]) {
    const lines = problems.map(({ path, message }) => `  ${formatPath(path)}: ${message}`);
    super([`The values for ${chart} cannot be used:`, ...lines].join("\n"));
    this.name = "ChartValuesError";
    this.problems = problems;
  }
}

/** Collects the problems of conditions that hold. */
export function collectProblems(): {
  readonly problems: ChartProblem[];
  readonly refuse: (condition: boolean, path: PropertyPath, message: string) => void;
} {
  const problems: ChartProblem[] = [];
  return {
    problems,
    refuse: (condition, path, message) => {
      if (condition) problems.push({ path, message });
    },
  };
}
