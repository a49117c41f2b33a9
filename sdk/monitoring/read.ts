/** Settings out of a file: everything in it is known, and of the right kind. */
import type { PropertyPath } from "../property-path";
import { ProblemCollector, kindOf } from "../plan/errors";
import { Reader } from "../plan/reader";
import { MonitoringError } from "./errors";
import type { MonitoringDeclaration } from "./settings";
import { FlowLog, MonitoredEnforcer } from "./settings";

type Check = (reader: Reader, path: PropertyPath, value: unknown) => unknown;

const text: Check = (reader, path, value) => reader.text(path, value);
const optionalText: Check = (reader, path, value) => reader.optionalText(path, value);
const number: Check = (reader, path, value) => reader.number(path, value);
const flag: Check = (reader, path, value) => reader.flag(path, value);
const enforcer: Check = (reader, path, value) => reader.choice(path, value, MonitoredEnforcer);

/** A list of objects with these fields and no others. */
function listOf(checks: Readonly<Record<string, Check>>): Check {
  const known = Object.keys(checks);
  return (reader, path, value) => {
    for (const [index, item] of reader.list(path, value).entries()) {
      const at = [...path, index];
      const fields = reader.item(at, item, known, "is not an object", `Give ${known.join(", ")}.`);
      if (fields === undefined) continue;
      for (const [key, check] of Object.entries(checks)) check(reader, [...at, key], fields[key]);
    }
  };
}

const checks: Readonly<Record<keyof MonitoringDeclaration, Check>> = {
  appLabels: listOf({ workload: text, app: text }),
  encrypted: flag,
  enforcer,
  flowLog: (reader, path, value) => reader.choice(path, value, FlowLog),
  leastTraffic: number,
  maxSeries: number,
  mutes: listOf({ alert: optionalText, owner: optionalText, from: text, until: text, reason: text }),
  nodes: number,
  namespaceOwners: listOf({ namespace: text, owner: text }),
  objective: number,
  platformOwner: optionalText,
  podLabels: flag,
  runbookBase: optionalText,
  scrapeInterval: number,
  securityOwner: optionalText,
  ztunnelNamespace: optionalText,
};

/** @throws MonitoringError with everything that is wrong. */
export function readMonitoringDeclaration(value: unknown): MonitoringDeclaration {
  const problems = new ProblemCollector();
  const reader = new Reader(problems);
  const known = Object.keys(checks);
  if (kindOf(value) !== "object")
    problems.add(["settings"], value, "is not an object", `Give any of ${known.join(", ")}.`);
  const fields = kindOf(value) === "object" ? reader.fields([], value, known) : undefined;
  for (const [key, check] of Object.entries(checks)) check(reader, [key], fields?.[key]);
  if (problems.problems.length > 0) throw new MonitoringError(problems.problems);
  return fields ?? {};
}
