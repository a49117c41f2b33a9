/** Files of scenarios: read, and every end looked up among the workloads that there are. */
import { readFileSync } from "node:fs";
import { load, YAMLException } from "js-yaml";
import { describeEnd, lineOfPath } from "../reachability";
import type { Flow, Snapshot, Workload } from "../reachability";
import type { Scenario, ScenarioProblem } from "../scenarios";
import { readScenarios } from "../scenarios";
import { parseFlow } from "./ends";
import { CliError, inputError } from "./errors";

/** A file of scenarios. */
export interface ScenarioFile {
  readonly file: string;
  readonly text: string;
  readonly scenarios: readonly Scenario[];
}

/** A scenario whose ends are there. */
export interface FoundScenario {
  readonly scenario: Scenario;
  readonly flow: Flow;
}

/** @throws CliError where the file cannot be read. */
export function scenarioTextOf(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw inputError(
      code === "ENOENT" ? `"${file}": there is no such file` : `"${file}" cannot be read: ${code ?? String(error)}`,
    );
  }
}

/** The content of a YAML or JSON text. @throws CliError where it is neither. */
export function contentOf(file: string, text: string): unknown {
  try {
    return load(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw inputError(`"${file}" cannot be read: ${error.reason}, line ${error.mark.line + 1}`);
  }
}

/** @throws CliError with everything that is wrong with it, each with its place. */
export function scenarioFile(file: string, text: string = scenarioTextOf(file)): ScenarioFile {
  const { scenarios, problems } = readScenarios(contentOf(file, text));
  refuse({ file, text }, problems);
  return { file, text, scenarios };
}

/**
 * Looks up the ends of scenarios.
 *
 * @throws CliError with every workload and port that is not there, and with scenarios that contradict each other.
 */
export function foundScenarios(
  file: Pick<ScenarioFile, "file" | "text" | "scenarios">,
  snapshot: Snapshot,
): FoundScenario[] {
  const problems: ScenarioProblem[] = [];
  const found: FoundScenario[] = [];
  const seen = new Map<string, { readonly scenario: Scenario; readonly path: string }[]>();
  file.scenarios.forEach((scenario, index) => {
    const path = `scenarios[${index}]`;
    try {
      const flow = parseFlow(scenario.from, scenario.to, snapshot);
      const problem = portProblem(scenario, flow, snapshot);
      if (problem !== undefined) problems.push({ path: `${path}.to`, message: problem });
      // the same ends on the same port, or on all of them
      const key = JSON.stringify([describeEnd(flow.source), describeEnd(flow.destination), flow.protocol]);
      const others = seen.get(key) ?? [];
      const contradicted = others.find(
        (other) => other.scenario.expect !== scenario.expect && overlap(flow, found, other.scenario),
      );
      if (contradicted !== undefined) {
        problems.push({
          path,
          message: `contradicts ${contradicted.path}: the same connection is ${contradicted.scenario.expect} there and ${scenario.expect} here: remove one of them`,
        });
      }
      seen.set(key, [...others, { scenario, path }]);
      found.push({ scenario, flow });
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      problems.push({ path: `${path}.${sideOf(scenario, snapshot)}`, message: error.message });
    }
  });
  refuse(file, problems);
  return found;
}

function overlap(flow: Flow, found: readonly FoundScenario[], other: Scenario): boolean {
  const port = found.find(({ scenario }) => scenario === other)?.flow.port;
  return port === undefined || flow.port === undefined || port === flow.port;
}

/** Which end of a scenario that was refused it is: the source is refused with any destination. */
function sideOf({ from }: Scenario, snapshot: Snapshot): "from" | "to" {
  try {
    parseFlow(from, "203.0.113.1:80", snapshot);
    return "to";
  } catch {
    return "from";
  }
}

function portProblem({ expect, unlistedPort }: Scenario, flow: Flow, snapshot: Snapshot): string | undefined {
  const { protocol, port, destination } = flow;
  const hasPorts = protocol === "TCP" || protocol === "UDP" || protocol === "SCTP";
  if (port === undefined) {
    if (hasPorts && expect === "allowed") return "names no port: write one behind a colon, such as :8080/TCP";
    return undefined;
  }
  const workload =
    destination.kind === "workload" ? snapshot.workloads.find(({ id }) => id === destination.id) : undefined;
  if (!hasPorts || workload === undefined || workload.ports.length === 0 || unlistedPort === true) return undefined;
  if (workload.ports.some((each) => each.port === port && each.protocol === protocol)) return undefined;
  return `${workload.id} has no port ${port}/${protocol}: it has ${portsText(workload)}. Write one of them, or unlistedPort: true where it serves a port that its containers do not list`;
}

function portsText({ ports }: Workload): string {
  return [...new Set(ports.map(({ port, protocol }) => `${port}/${protocol}`))].join(", ");
}

/** @throws CliError with all problems, where there are any. */
function refuse({ file, text }: Pick<ScenarioFile, "file" | "text">, problems: readonly ScenarioProblem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(({ path, message }) => {
    const line = path === "" ? undefined : lineOfPath(text, 1, path);
    return `${file}${line === undefined ? "" : `:${line}`}: ${path === "" ? "" : `${path} `}${message}`;
  });
  throw inputError(lines.join("\n"));
}
