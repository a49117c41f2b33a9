/** What came of scenarios that the engine judged: as a table, TAP, JUnit and JSON. */
import Table from "cli-table3";
import type { Verdict } from "../../reachability";
import { junitDocument, tapHead, tapLine } from "../../reports";
import type { Scenario } from "../../scenarios";
import { describeScenario } from "../../scenarios";
import { printable } from "../output";

/** A scenario, and what the policies say. */
export interface JudgedScenario {
  readonly scenario: Scenario;
  readonly observed: Verdict;
  /** The HTTP requests for which it is allowed; nothing: for all. */
  readonly condition?: string;
  readonly result: "passed" | "failed" | "unknown";
}

/** The values of `--format` that show what came of scenarios. */
export type ScenarioFormat = "table" | "tap" | "junit" | "json";

/** Ends with a newline. */
export function printScenarios(judged: readonly JudgedScenario[], format: ScenarioFormat): string {
  switch (format) {
    case "table":
      return table(judged);
    case "tap":
      return tap(judged);
    case "junit":
      return junit(judged);
    case "json":
      return `${JSON.stringify(
        judged.map(({ scenario, ...rest }) => ({ ...scenario, ...rest })),
        undefined,
        2,
      )}\n`;
  }
}

/** `12 scenarios: 10 passed, 1 failed, 1 unknown`. */
export function scenarioSummary(judged: readonly JudgedScenario[]): string {
  const count = (wanted: JudgedScenario["result"]): number => judged.filter(({ result }) => result === wanted).length;
  return `${judged.length} scenarios: ${count("passed")} passed, ${count("failed")} failed, ${count("unknown")} unknown`;
}

function observedText({ observed, condition }: JudgedScenario): string {
  return condition === undefined ? observed : `${observed} for ${condition}`;
}

function table(judged: readonly JudgedScenario[]): string {
  const rows = new Table({
    head: ["", "from", "to", "expected", "observed", "because"],
    style: { head: [], border: [], compact: true },
  });
  for (const each of judged) {
    const { from, to, expect, because } = each.scenario;
    rows.push([each.result, from, to, expect, observedText(each), because].map(printable));
  }
  return `${rows.toString()}\n${scenarioSummary(judged)}\n`;
}

/** As TAP; what is unknown is not ok. */
function tap(judged: readonly JudgedScenario[]): string {
  const lines = [...tapHead(judged.length)];
  judged.forEach((each, index) => {
    const { scenario, result } = each;
    lines.push(tapLine(index + 1, result === "passed", describeScenario(scenario).replaceAll(/[\r\n]+/g, " ")));
    if (result === "passed") return;
    lines.push("  ---", `  observed: ${JSON.stringify(observedText(each))}`);
    lines.push(`  because: ${JSON.stringify(scenario.because)}`, "  ...");
  });
  return `${[...lines, `# ${scenarioSummary(judged)}`].join("\n")}\n`;
}

function junit(judged: readonly JudgedScenario[]): string {
  const cases = judged.map((each) => {
    const { scenario, result } = each;
    const message = `expected ${scenario.expect}, observed ${observedText(each)}: ${scenario.because}`;
    const about = { group: "scenarios", name: describeScenario(scenario) };
    if (result === "passed") return about;
    return { ...about, outcome: { kind: result === "failed" ? ("failure" as const) : ("error" as const), message } };
  });
  return junitDocument([{ name: "cluster-security scenarios", cases }]);
}
