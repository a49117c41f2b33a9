/** Settings out of a file: everything in it is known, and of the right kind. */
import type { MonitoringProblem } from "./errors";
import { MonitoringError } from "./errors";
import type { MonitoringDeclaration } from "./settings";
import { MonitoredEnforcer } from "./settings";

type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === "string" ? undefined : "is no string");
const number: Check = (value) => (typeof value === "number" && Number.isFinite(value) ? undefined : "is no number");
const flag: Check = (value) => (typeof value === "boolean" ? undefined : "is neither true nor false");
const enforcer: Check = (value) =>
  Object.values(MonitoredEnforcer).some((each) => each === value)
    ? undefined
    : `is none of ${Object.values(MonitoredEnforcer).join(", ")}`;

/** Each field, or the fields of each item of a list. */
const fields: Readonly<Record<keyof MonitoringDeclaration, Check | Readonly<Record<string, Check>>>> = {
  appLabels: { workload: text, app: text },
  encrypted: flag,
  enforcer,
  leastTraffic: number,
  maxSeries: number,
  mutes: { alert: text, owner: text, from: text, until: text, reason: text },
  namespaceOwners: { namespace: text, owner: text },
  objective: number,
  platformOwner: text,
  podLabels: flag,
  runbookBase: text,
  scrapeInterval: number,
  securityOwner: text,
};
const optional = new Set(["mutes.alert", "mutes.owner"]);

/** @throws MonitoringError with everything that is wrong. */
export function readMonitoringDeclaration(value: unknown): MonitoringDeclaration {
  if (!isObject(value)) throw new MonitoringError([{ path: "settings", message: "is no map of settings" }]);
  const problems: MonitoringProblem[] = [];
  const known: Readonly<Record<string, Check | Readonly<Record<string, Check>>>> = fields;
  for (const [key, given] of Object.entries(value)) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined;
    if (check === undefined) {
      problems.push({ path: key, message: `is no setting; there are ${Object.keys(known).join(", ")}` });
    } else if (typeof check === "function") {
      const wrong = check(given);
      if (wrong !== undefined) problems.push({ path: key, message: wrong });
    } else problems.push(...itemProblems(key, given, check));
  }
  if (problems.length > 0) throw new MonitoringError(problems);
  return value;
}

function itemProblems(key: string, given: unknown, checks: Readonly<Record<string, Check>>): MonitoringProblem[] {
  if (!Array.isArray(given)) return [{ path: key, message: "is no list" }];
  return given.flatMap((item: unknown, index): MonitoringProblem[] => {
    const path = `${key}[${index}]`;
    if (!isObject(item)) return [{ path, message: `is no map with ${Object.keys(checks).join(", ")}` }];
    const unknown = Object.keys(item).filter((name) => !Object.hasOwn(checks, name));
    return [
      ...unknown.map((name) => ({
        path: `${path}.${name}`,
        message: `is no setting; there are ${Object.keys(checks).join(", ")}`,
      })),
      ...Object.entries(checks).flatMap(([name, check]): MonitoringProblem[] => {
        if (item[name] === undefined && optional.has(`${key}.${name}`)) return [];
        const wrong = item[name] === undefined ? "is missing" : check(item[name]);
        return wrong === undefined ? [] : [{ path: `${path}.${name}`, message: wrong }];
      }),
    ];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
