/** A file of scenarios as data: every field is looked at, and all that is wrong is told at once. */
import { editDistance } from "../reachability/model/words";
import type { Scenario } from "./scenario";
import { expectations } from "./scenario";

/** Something that is wrong with a file of scenarios. */
export interface ScenarioProblem {
  /** `scenarios[3].to`; empty: the file as a whole. */
  readonly path: string;
  /** What is wrong, and what to do. */
  readonly message: string;
}

/** What a file holds. */
export interface ScenarioList {
  /** Only those that are understood: use them only where there is no problem. */
  readonly scenarios: readonly Scenario[];
  readonly problems: readonly ScenarioProblem[];
}

/** The fields of a scenario, each with what is wrong with a value of it, if anything is. */
const fields: Readonly<Record<keyof Scenario, (value: unknown) => string | undefined>> = {
  from: textProblem('an end, such as "shop/web"'),
  to: textProblem('an end with its port, such as "shop/api:8080/TCP"'),
  expect: (value) =>
    (expectations as readonly unknown[]).includes(value)
      ? undefined
      : "is neither allowed nor denied: write one of them",
  because: textProblem("a reason"),
  packets: switchProblem,
  unlistedPort: switchProblem,
};
const required = ["from", "to", "expect", "because"] as const;

/** Whether a value looks like a file of scenarios, and not like a declaration. */
export function holdsScenarios(value: unknown): boolean {
  return isMap(value) && "scenarios" in value;
}

/** Reads the content of a file. Names and ports are not looked up: that needs the workloads. */
export function readScenarios(value: unknown): ScenarioList {
  if (!isMap(value)) return refused("", "it holds no scenarios: write them as a list under `scenarios:`");
  const problems: ScenarioProblem[] = unknownFields(value, ["scenarios"], "", "a file of scenarios");
  const list = value["scenarios"];
  if (!Array.isArray(list) || list.length === 0) {
    problems.push({ path: "scenarios", message: "is no list of scenarios: write at least one" });
    return { scenarios: [], problems };
  }
  const scenarios: Scenario[] = [];
  list.forEach((entry: unknown, index) => {
    const path = `scenarios[${index}]`;
    const found = isMap(entry)
      ? entryProblems(entry, path)
      : [{ path, message: "is no scenario: write from, to, expect and because" }];
    problems.push(...found);
    // every field was looked at
    if (found.length === 0) scenarios.push(entry as unknown as Scenario);
  });
  return { scenarios, problems };
}

function entryProblems(entry: Readonly<Record<string, unknown>>, path: string): ScenarioProblem[] {
  const problems = unknownFields(entry, Object.keys(fields), path, "a scenario");
  for (const [name, problemOf] of Object.entries(fields)) {
    if (!(name in entry)) {
      const isMissing = (required as readonly string[]).includes(name);
      if (isMissing) problems.push({ path: `${path}.${name}`, message: "is missing: every scenario says it" });
      continue;
    }
    const problem = problemOf(entry[name]);
    if (problem !== undefined) problems.push({ path: `${path}.${name}`, message: problem });
  }
  return problems;
}

function unknownFields(
  map: Readonly<Record<string, unknown>>,
  known: readonly string[],
  path: string,
  what: string,
): ScenarioProblem[] {
  return Object.keys(map)
    .filter((name) => !known.includes(name))
    .map((name) => {
      const near = known.filter((one) => editDistance(name.toLowerCase(), one.toLowerCase()) <= 2)[0];
      const fix = near === undefined ? `it has ${known.join(", ")}` : `did you mean ${near}?`;
      return { path: path === "" ? name : `${path}.${name}`, message: `is no field of ${what}: ${fix}` };
    });
}

function textProblem(what: string): (value: unknown) => string | undefined {
  return (value) => (typeof value === "string" && value.trim() !== "" ? undefined : `is no text: write ${what}`);
}

function switchProblem(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "is neither true nor false: write one of them";
}

function refused(path: string, message: string): ScenarioList {
  return { scenarios: [], problems: [{ path, message }] };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
