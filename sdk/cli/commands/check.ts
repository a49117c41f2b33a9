import {
  applyExemptions,
  evaluate,
  exemptionOverdue,
  isViolation,
  rules as allRules,
  severities,
  sortFindings,
  type Finding,
  type Rule,
  type Severity,
} from "../../findings";
import type { Reachability, Snapshot } from "../../reachability";
import { incompleteness } from "../../reports";
import { knownNamespace, knownWorkload } from "../ends";
import { didYouMean, nearest, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { readExemptions } from "../exemptions-file";
import { coloursFor } from "../print/colours";
import type { CheckFormat } from "../print/formats";
import { countsOf, printCheck } from "../print/check";
import { apiVersionsIn, inputsOf } from "../inputs";
import { exitCodeOf, load, note, type Loaded } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface CheckOptions extends CommonOptions<CheckFormat> {
  readonly namespace: readonly string[];
  readonly workload: readonly string[];
  /** The least severity of a violation that makes the exit code 1. */
  readonly failOn: Exclude<Severity, "info"> | "none";
  readonly exemptions?: string;
  /** Only these rules. */
  readonly rule: readonly string[];
  /** Tiers 0 and 1 instead of the usual namespaces. */
  readonly tier0: readonly string[];
  readonly tier1: readonly string[];
  /** Print a patch of what can be repaired for certain, in place of the findings. */
  readonly fix: boolean;
  /** With `fix`: write the repaired files. */
  readonly write: boolean;
  /** With `write`: also where the git tree has changes that are not committed. */
  readonly allowDirty: boolean;
  /** The version of this package, for reports that name it. */
  readonly version: string;
}

/** `cluster-security check`: what is wrong, with reason, fix and controls. */
export async function check(positional: readonly string[], options: CheckOptions): Promise<ExitCode> {
  if (options.allowDirty && !options.write) throw usageError("--allow-dirty is for --write");
  if (options.write && !options.fix) throw usageError("--write is for --fix: it writes what that would print");
  if (options.fix && options.format !== "table") {
    throw usageError("--fix prints a patch in place of the findings: leave --format out");
  }
  const rules = rulesNamed(options.rule);
  const ids = [...allRules, exemptionOverdue].map(({ id }) => id);
  const exemptions = options.exemptions === undefined ? [] : readExemptions(options.exemptions, ids);
  const loaded = await load(sourcesOf(positional, options), options);
  const shown = filterOf(options, loaded.snapshot);
  const time = Date.now();
  const today = new Date(time).toISOString().slice(0, "YYYY-MM-DD".length);
  const judge = (reachability: Reachability): Finding[] => {
    const found = evaluate(reachability, {
      // a repair for one rule must not be a fault to another
      rules: options.fix ? allRules : rules,
      today,
      ...(options.tier0.length > 0 ? { exemptNamespaces: options.tier0 } : {}),
      ...(options.tier1.length > 0 ? { platformNamespaces: options.tier1 } : {}),
    });
    const { findings, overdue } = applyExemptions(options.fix ? found : found.filter(shown), exemptions, today);
    return sortFindings([...findings, ...overdue]);
  };
  if (options.fix) {
    const wanted = (finding: Finding): boolean => shown(finding) && rules.some(({ id }) => id === finding.id);
    return await printFix(loaded, judge, wanted, { ...options, sources: sourcesOf(positional, options) });
  }
  const findings = judge(loaded.reachability);
  const code = exitCodeFor(findings, loaded, options);
  process.exitCode = code;
  const output = outputOf(options, { coloured: options.format === "table" });
  const text = printCheck({
    format: options.format,
    colours: coloursFor(output),
    findings,
    rules: [...rules, ...(exemptions.length > 0 ? [exemptionOverdue] : [])],
    problems: loaded.problems,
    fails: (finding) => isAtLeast(finding.severity, options.failOn),
    version: options.version,
    time,
    namespaces: judgedNamespaces(options, loaded.snapshot),
    apiVersionOf: apiVersionsIn(loaded.objects),
    incomplete: incompleteness(loaded.snapshot, loaded.problems, loaded.holes),
    inputs: () => inputsOf(loaded.objects),
  });
  output.write(text);
  await output.end();
  if (loaded.holes) note("there may be more: something could not be read", options);
  note(countsOf(findings), options);
  return code;
}

/** The patch, or the repaired files. The exit code is that of what is left. */
async function printFix(
  loaded: Loaded,
  judge: (reachability: Reachability) => Finding[],
  wanted: (finding: Finding) => boolean,
  options: CheckOptions & { readonly sources: readonly string[] },
): Promise<ExitCode> {
  const { fix, noteRepairs, patchOf } = await import("./fix.js");
  const { writeTogether } = await import("../repaired-files.js");
  const { repairs, left, before } = fix(loaded, judge, wanted);
  if (options.write) await writeTogether(repairs.texts, before, options);
  else {
    const output = outputOf(options);
    output.write(patchOf(repairs, before));
    await output.end();
  }
  noteRepairs(repairs, loaded.reachability, left, options);
  const failing = left.filter((finding) => isViolation(finding) && isAtLeast(finding.severity, options.failOn));
  if (failing.some(({ certainty }) => certainty === "definite")) return exitCodes.no;
  return failing.length > 0 || loaded.holes ? exitCodes.incomplete : exitCodes.ok;
}

function rulesNamed(ids: readonly string[]): readonly Rule[] {
  if (ids.length === 0) return allRules;
  const known = allRules.map(({ id }) => id);
  for (const id of ids) {
    if (known.includes(id)) continue;
    const near = didYouMean(nearest(id, known));
    throw usageError(`--rule: there is no rule "${id}".${near === "" ? ` There are ${known.join(", ")}.` : near}`);
  }
  return allRules.filter(({ id }) => ids.includes(id));
}

/** Findings about a namespace, what lies in it, or a workload. */
function filterOf(options: CheckOptions, snapshot: Snapshot): (finding: Finding) => boolean {
  const namespaces = options.namespace.map((name) => knownNamespace(name, snapshot));
  const workloads = options.workload.map((name) => knownWorkload(name, snapshot));
  if (namespaces.length === 0 && workloads.length === 0) return () => true;
  return ({ subject: { kind, namespace, name } }) =>
    namespaces.includes(namespace ?? (kind === "Namespace" ? name : "")) ||
    workloads.some((each) => each.kind === kind && each.namespace === namespace && each.name === name);
}

/** All namespaces, or those that the filters name. */
function judgedNamespaces(options: CheckOptions, snapshot: Snapshot): string[] {
  const named = [
    ...options.namespace.map((name) => knownNamespace(name, snapshot)),
    ...options.workload.map((name) => knownWorkload(name, snapshot).namespace),
  ];
  return named.length > 0 ? [...new Set(named)] : [...snapshot.namespaces.keys()];
}

/** What is certainly wrong fails. What is only possibly wrong, or could not be read, leaves it open. */
function exitCodeFor(findings: readonly Finding[], loaded: Loaded, options: CheckOptions): ExitCode {
  const failing = findings.filter((finding) => isViolation(finding) && isAtLeast(finding.severity, options.failOn));
  if (failing.some(({ certainty }) => certainty === "definite")) return exitCodes.no;
  if (failing.length > 0 || loaded.holes) return exitCodes.incomplete;
  return exitCodeOf([loaded], options);
}

/** Whether a severity is this one or worse. */
export function isAtLeast(severity: Severity, least: CheckOptions["failOn"]): boolean {
  return least !== "none" && severities.indexOf(severity) <= severities.indexOf(least);
}
