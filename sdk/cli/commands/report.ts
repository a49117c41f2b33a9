import { readFileSync, statSync } from "node:fs";
import * as path from "node:path";
import { dump } from "js-yaml";
import {
  applyExemptions,
  evaluate,
  exemptionOverdue,
  isViolation,
  rules,
  sortFindings,
  tenantsOf,
  type Finding,
} from "../../findings";
import type { Plan } from "../../plan";
import { assessmentResults, policyReports } from "../../reports";
import {
  buildReport,
  csvOfReport,
  evidenceDisagrees,
  htmlReport,
  loadDraw,
  markdownOfReport,
  ObservationError,
  readReplay,
  readReport,
  readVerification,
  ReportFormatError,
  type BuiltReport,
  type Observation,
  type ReportInputFile,
  type ReportModel,
} from "../../reports/report";
import { planOf } from "../declaration-file";
import { inputError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { readExemptions } from "../exemptions-file";
import { apiVersionsIn, fileDigest, inputsOf } from "../inputs";
import type { ReportFormat } from "../print/formats";
import { countsOf } from "../print/check";
import { exitCodeOf, load, note, type Loaded } from "../snapshot";
import { isAtLeast } from "./check";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface ReportOptions extends Omit<CommonOptions<ReportFormat>, "format"> {
  /** Default: by the name of the file of `--output`, else HTML. */
  readonly format?: ReportFormat;
  readonly declaration?: string;
  readonly exemptions?: string;
  readonly verify: readonly string[];
  readonly replay: readonly string[];
  readonly compare?: string;
  readonly title: string;
  readonly failOn: Parameters<typeof isAtLeast>[1];
  readonly tier0: readonly string[];
  readonly tier1: readonly string[];
  /** The version of this package. */
  readonly version: string;
}

/** `cluster-security report`: everything on one page, or as data. */
export async function report(positional: readonly string[], options: ReportOptions): Promise<ExitCode> {
  const format = formatOf(options);
  // what is given beside the sources is read first: a wrong file is refused before a cluster is asked
  const beside = await besideOf(options);
  const specs = sourcesOf(positional, options);
  const loaded = await load(specs, options);
  const built = reportOf(loaded, beside, specs, options);
  const text = await written(built, format, options, loaded);
  const output = outputOf(options);
  output.write(text);
  await output.end();
  note(countsOf(built.findings), options);
  return exitCodeFor(built.findings, loaded, options);
}

/** What is given beside the sources. */
interface Beside {
  readonly plan?: Plan;
  readonly exemptions: ReturnType<typeof readExemptions>;
  readonly observations: readonly Observation[];
  readonly before?: ReportModel;
  readonly inputs: readonly ReportInputFile[];
}

async function besideOf(options: ReportOptions): Promise<Beside> {
  const { declaration, exemptions, compare } = options;
  const ids = [...rules, exemptionOverdue, evidenceDisagrees].map(({ id }) => id);
  const before = compare === undefined ? undefined : fromJson(compare, "--compare", (value) => readReport(value));
  const observations = [
    ...options.verify.map((file) => fromJson(file, "--verify", readVerification)),
    ...options.replay.map((file) => fromJson(file, "--replay", readReplay)),
  ];
  const named: [role: ReportInputFile["role"], files: readonly string[]][] = [
    ["declaration", declaration === undefined ? [] : [declaration]],
    ["exemptions", exemptions === undefined ? [] : [exemptions]],
    ["verify", options.verify],
    ["replay", options.replay],
    ["compare", compare === undefined ? [] : [compare]],
  ];
  return {
    ...(declaration === undefined ? {} : { plan: await planOf(declaration) }),
    exemptions: exemptions === undefined ? [] : readExemptions(exemptions, ids),
    observations,
    ...(before === undefined ? {} : { before }),
    inputs: named.flatMap(([role, files]) =>
      files.map((name) => ({ role, name: shownName(name), sha256: fileDigest(name) ?? "" })),
    ),
  };
}

/** @throws CliError where the file cannot be read, is no JSON, or is not what the option wants. */
function fromJson<T>(file: string, option: string, read: (value: unknown, fileTime: string) => T): T {
  let text: string;
  let time: string;
  try {
    text = readFileSync(file, "utf8");
    time = statSync(file).mtime.toISOString();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : (code ?? "");
    throw inputError(`${option}: "${file}" cannot be read: ${reason}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw inputError(`${option}: "${file}" is no JSON`);
  }
  try {
    return read(value, time);
  } catch (error) {
    if (error instanceof ObservationError || error instanceof ReportFormatError) {
      throw inputError(`${option}: "${file}": ${error.message}`);
    }
    throw error;
  }
}

function reportOf(loaded: Loaded, beside: Beside, specs: readonly string[], options: ReportOptions): BuiltReport {
  const { reachability, snapshot, objects, problems, holes } = loaded;
  const time = Date.now();
  const today = new Date(time).toISOString().slice(0, "YYYY-MM-DD".length);
  const exemptNamespaces = options.tier0.length > 0 ? options.tier0 : beside.plan?.exemptNamespaces;
  const found = evaluate(reachability, {
    today,
    ...(exemptNamespaces === undefined ? {} : { exemptNamespaces }),
    ...(options.tier1.length > 0 ? { platformNamespaces: options.tier1 } : {}),
  });
  const applied = applyExemptions(found, beside.exemptions, today);
  const policies = inputsOf(objects).map(({ name, sha256 }): ReportInputFile => ({
    role: "policies",
    name: shownName(name),
    sha256,
  }));
  return buildReport({
    title: options.title,
    subject: specs.map(shownName).join(", "),
    time,
    version: options.version,
    reachability,
    findings: sortFindings([...applied.findings, ...applied.overdue]),
    rules: [...rules, evidenceDisagrees, ...(beside.exemptions.length > 0 ? [exemptionOverdue] : [])],
    problems,
    holes,
    exemptions: beside.exemptions,
    ...(exemptNamespaces === undefined ? {} : { exemptNamespaces }),
    tenants: tenantsOf(snapshot, {}),
    ...(beside.plan === undefined ? {} : { plan: beside.plan }),
    observations: beside.observations,
    inputs: [...policies, ...beside.inputs],
    fileName: shownName,
    ...(beside.before === undefined ? {} : { before: beside.before }),
  });
}

/** A report is handed on: it names files from where the command was run, and no home folder of who ran it. */
function shownName(name: string): string {
  if (name === "-") return "standard input";
  if (!path.isAbsolute(name)) return name;
  const relative = path.relative(process.cwd(), name);
  return relative.startsWith("..") ? path.basename(name) : relative;
}

async function written(
  { model, findings }: BuiltReport,
  format: ReportFormat,
  options: ReportOptions,
  { snapshot, problems, objects }: Loaded,
): Promise<string> {
  switch (format) {
    case "html":
      return htmlReport(model, await loadDraw());
    case "md":
      return markdownOfReport(model);
    case "csv":
      return csvOfReport(model);
    case "json":
      return `${JSON.stringify(model, null, 1)}\n`;
    case "policyreport":
      return policyReports({
        name: "cluster-security-report",
        findings,
        rules: [...rules, evidenceDisagrees],
        problems,
        fails: ({ severity }) => isAtLeast(severity, options.failOn),
        namespaces: [...snapshot.namespaces.keys()],
        time: Date.parse(model.at),
        apiVersionOf: apiVersionsIn(objects),
      })
        .map((each) => dump(each, { noRefs: true, lineWidth: -1 }))
        .join("---\n");
    case "oscal": {
      const { title, subject, at, controls, inputs } = model;
      const results = assessmentResults({
        title: `${title}: ${subject}`,
        at,
        version: options.version,
        findings,
        controls,
        inputs,
      });
      return `${JSON.stringify(results, null, 2)}\n`;
    }
  }
}

const extensions: Readonly<Record<string, ReportFormat>> = { ".md": "md", ".csv": "csv", ".json": "json" };

function formatOf({ format, output }: ReportOptions): ReportFormat {
  return format ?? extensions[path.extname(output ?? "").toLowerCase()] ?? "html";
}

/** Without `--fail-on` a report that was written is an answer, whatever stands in it. */
function exitCodeFor(findings: readonly Finding[], loaded: Loaded, options: ReportOptions): ExitCode {
  const failing = findings.filter((finding) => isViolation(finding) && isAtLeast(finding.severity, options.failOn));
  if (failing.some(({ certainty }) => certainty === "definite")) return exitCodes.no;
  if (failing.length > 0 || loaded.holes) return exitCodes.incomplete;
  return exitCodeOf([loaded], options);
}
