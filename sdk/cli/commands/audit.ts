import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import {
  audit as auditOf,
  compareRuns,
  hasWorsened,
  readRun,
  recordOf,
  type AuditDrift,
  type AuditResult,
  type RecordedDrift,
  type RecordedRun,
} from "../../audit";
import { severities, type Severity } from "../../findings";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { describeDrifts, printAudit, printComparison, type AuditReporting, type AuditRun } from "../print/audit";
import { coloursFor } from "../print/colours";
import type { AuditFormat } from "../print/formats";
import { note, type InputOptions } from "../snapshot";
import {
  nameOfSource,
  readAuditLogs,
  readBaseline,
  readLive,
  readLiveFiles,
  type Baseline,
  type Live,
} from "./audit-inputs";
import { outputOf } from "./options";

export interface AuditOptions extends InputOptions {
  readonly format: AuditFormat;
  readonly context?: string;
  /** Files that stand for the cluster. */
  readonly live: readonly string[];
  readonly baseline: readonly string[];
  readonly auditLog: readonly string[];
  readonly history?: string;
  /** Two runs, in place of a cluster. */
  readonly compare?: readonly string[];
  readonly failOn: Exclude<Severity, "info"> | "none";
  readonly tier0: readonly string[];
  readonly policyEditor: readonly string[];
  /** Also policies and rules without effect. */
  readonly effect: boolean;
  /** Of this package. */
  readonly version: string;
  readonly output?: string;
}

/** `cluster-security audit`: what has become of a baseline in a cluster. Reads only. */
export async function audit(options: AuditOptions): Promise<ExitCode> {
  if (options.compare !== undefined) return await compare(options.compare, options);
  const { context, baseline: specs } = options;
  checkOptions(options);
  if (options.history !== undefined) refuseForeign(options.history);
  const baseline = await readBaseline(specs, options);
  const requests = options.auditLog.length === 0 ? undefined : await readAuditLogs(options.auditLog, options);
  const live = await liveOf(options, baseline);
  note("comparing", options);
  const time = new Date().toISOString();
  const result = auditOf({
    baseline: baseline.objects,
    live: live.objects,
    today: time.slice(0, "YYYY-MM-DD".length),
    now: time,
    ...(options.cni === undefined ? {} : { cni: options.cni }),
    mayAudit: baseline.mayAudit,
    exemptNamespaces: [...baseline.exemptNamespaces, ...options.tier0],
    policyEditors: options.policyEditor,
    effect: options.effect,
    unlisted: live.unlisted,
    gaps: [...baseline.gaps.map((gap) => `baseline: ${gap}`), ...live.gaps],
    holes: { baseline: baseline.holes, live: live.holes },
    ...(requests === undefined ? {} : { requests }),
  });
  const code = exitCodeOf(result, options);
  process.exitCode = code;
  const run: AuditRun = {
    time,
    cluster: context ?? options.live.map(nameOfSource).join(", "),
    baseline: specs.map(nameOfSource),
  };
  const output = outputOf(options, { coloured: options.format === "table" });
  const reporting: AuditReporting = {
    version: options.version,
    namespaces: live.objects.flatMap(({ object: { kind, metadata } }) =>
      kind === "Namespace" && metadata?.name !== undefined ? [metadata.name] : [],
    ),
    fails: (drift) => fails(drift, options.failOn),
  };
  output.write(printAudit(result, run, options.format, { colours: coloursFor(output), reporting }));
  await output.end();
  for (const gap of result.gaps) process.stderr.write(`not compared: ${gap}\n`);
  if (options.history !== undefined) append(options.history, recordOf(result, run));
  note(summary(result), options);
  return code;
}

function checkOptions({ context, live, baseline, auditLog }: AuditOptions): void {
  if (baseline.length === 0) {
    throw usageError(
      "name what the cluster should be: --baseline STATE, FOLDER or DECLARATION, or - for standard input",
    );
  }
  if ((context === undefined) === (live.length === 0)) {
    throw usageError("name the cluster: --context NAME, or --live FOLDER for files that stand for it");
  }
  if ([...baseline, ...live, ...auditLog].filter((spec) => spec === "-").length > 1) {
    throw usageError("standard input (-) can be read only once");
  }
}

function liveOf(options: AuditOptions, { objects }: Baseline): Promise<Live> {
  const { context, live } = options;
  return context === undefined ? readLiveFiles(live, objects, options) : readLive(context, options);
}

function summary({ verdict, drifts, gaps }: AuditResult): string {
  const open = gaps.length === 0 ? "" : `; ${gaps.length} not compared`;
  return `${verdict === "inconclusive" ? "nothing could be concluded" : describeDrifts(drifts)}${open}`;
}

/** What opens a path fails whatever its severity; without drift, what could not be compared leaves it open. */
function exitCodeOf({ drifts, gaps, compared }: AuditResult, { failOn, allowProblems }: AuditOptions): ExitCode {
  if (drifts.some((drift) => fails(drift, failOn))) return exitCodes.no;
  const isAccepted = gaps.length === 0 || (allowProblems && compared.policies > 0);
  return isAccepted ? exitCodes.ok : exitCodes.incomplete;
}

function fails({ severity, opens }: Pick<AuditDrift, "severity" | "opens">, least: AuditOptions["failOn"]): boolean {
  if (least === "none") return false;
  return opens.count > 0 || severities.indexOf(severity) <= severities.indexOf(least);
}

/** @throws CliError where a file is there that no audit wrote: somebody named the wrong one. */
function refuseForeign(file: string): void {
  const last = lastLineOf(file).trim();
  if (last === "" || readRun(last) !== undefined) return;
  throw inputError(
    `--history: the last line of "${file}" is no run of an audit: name another file, or repair this one`,
  );
}

function lastLineOf(file: string): string {
  if (!existsSync(file) || !statSync(file).isFile()) return "";
  return readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
}

function append(file: string, run: RecordedRun): void {
  try {
    // a last line without an end is a whole run, and stays one
    const isOpen = existsSync(file) && statSync(file).isFile() && /[^\n]$/.test(readFileSync(file, "utf8"));
    appendFileSync(file, `${isOpen ? "\n" : ""}${JSON.stringify(run)}\n`);
  } catch (error) {
    throw inputError(
      `--history: "${file}" cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
}

/** `audit --compare A B`: what became of the drifts between two runs. */
async function compare(files: readonly string[], options: AuditOptions): Promise<ExitCode> {
  const [first, second, ...others] = files;
  if (first === undefined || second === undefined || others.length > 0) {
    throw usageError(
      "--compare takes two runs: files of --format json or --history; FILE:3 is the third run of a history",
    );
  }
  const [before, after] = [runIn(first, first === second ? 1 : 0), runIn(second, 0)];
  if (before.cluster !== after.cluster) {
    note(`note: the runs are of different clusters: ${before.cluster}, ${after.cluster}`, options);
  }
  if (options.format === "policyreport" || options.format === "oscal") {
    throw usageError(`--format ${options.format} is of one run: leave out --compare`);
  }
  const runs = compareRuns(before, after);
  const output = outputOf(options);
  output.write(printComparison(runs, options.format));
  await output.end();
  const worse = [
    ...runs.appeared,
    ...runs.changed.filter(({ before: was, after: is }) => hasWorsened(was, is)).map(({ after: is }) => is),
  ];
  const isFailing = (drift: RecordedDrift): boolean =>
    fails({ severity: drift.severity, opens: { count: drift.opens, examples: [] } }, options.failOn);
  if (worse.some(isFailing)) return exitCodes.no;
  return before.gaps + after.gaps > 0 ? exitCodes.incomplete : exitCodes.ok;
}

/**
 * A run in a file: what `--format json` printed, the last line of a history, or one of its lines by number (`FILE:3`, and
 * `FILE:-2` from the end). @param back As many lines before the last.
 */
function runIn(spec: string, back: number): RecordedRun {
  const numbered = existsSync(spec) ? null : /^(.+):(-?\d+)$/.exec(spec);
  const file = numbered?.[1] ?? spec;
  if (!existsSync(file)) throw inputError(`--compare: "${file}": there is no such file`);
  const text = readFileSync(file, "utf8");
  const whole = readRun(text);
  if (whole !== undefined && numbered === null) return whole;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const wanted = numbered?.[2] === undefined ? -1 - back : Number(numbered[2]);
  const line = wanted < 0 ? lines.at(wanted) : lines[wanted - 1];
  const run = line === undefined ? undefined : readRun(line);
  if (run === undefined) throw inputError(`--compare: "${spec}" is no run of an audit`);
  return run;
}
