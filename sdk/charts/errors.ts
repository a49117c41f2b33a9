/** Chart values that cannot be written for the chosen version. Carries every problem that was found. */
export class ChartValuesError extends Error {
  readonly problems: readonly string[];

  constructor(chart: string, problems: readonly string[]) {
    super([`The values for ${chart} cannot be used:`, ...problems.map((problem) => `  ${problem}`)].join("\n"));
    this.name = "ChartValuesError";
    this.problems = problems;
  }
}
