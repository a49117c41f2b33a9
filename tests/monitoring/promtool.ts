import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import type { RuleJudge } from "../../lab/monitoring/programs";
import { run } from "../../lab/toolchain/run";
import type { RuleFile } from "../../sdk/monitoring/index";
import { alertsIn, partsOf, sliceOf } from "./slices";

/** A series of promtool's tests: its name with labels, and its values in promtool's notation. */
export interface InputSeries {
  readonly series: string;
  readonly values: string;
}

/** What fires at a moment. */
export interface Moment {
  /** `12m`. */
  readonly at: string;
  /** `DeclaredFlowCut shop critical`: name, owner and severity. Alerts of severity `info` are left out. */
  readonly firing: readonly string[];
}

/** What happens, and what has to fire when. */
export interface Scenario {
  readonly title: string;
  /** Names of the rules that it is about. */
  readonly about: readonly string[];
  /** Time between two values. Default 15s. */
  readonly interval?: string;
  /** Time between two evaluations of the rules. Default 1m: what takes many minutes needs no more. */
  readonly evaluation?: string;
  /** Groups of rules that it takes; all where absent. Evaluating those that a scenario is not about is most of its time. */
  readonly groups?: readonly string[];
  readonly series: readonly InputSeries[];
  readonly moments: readonly Moment[];
  /** A recording rule, and its value at the last moment, as promtool prints a sample: `{}` or labels. */
  readonly records?: Readonly<Record<string, readonly { readonly labels: string; readonly value: number }[]>>;
}

/** What a scenario records, as far as its expressions read no alert but these. */
const recordsOf = ({ records = {} }: Scenario, alerts: ReadonlySet<string>) =>
  Object.entries(records).filter(([expr]) => alertsIn(expr).every((name) => alerts.has(name)));

/** A test of promtool, about some alerts. */
function testOf(scenario: Scenario, alerts: ReadonlySet<string>): object {
  const { interval = "15s", series, moments } = scenario;
  const last = moments.at(-1)?.at ?? "0m";
  return {
    interval,
    input_series: series,
    promql_expr_test: [
      ...moments.map(({ at, firing }) => ({
        expr: 'group by (alertname, owner, severity) (ALERTS{alertstate="firing",severity!="info"})',
        eval_time: at,
        exp_samples: firing
          .map((text) => text.split(" "))
          .filter(([alertname = ""]) => alerts.has(alertname))
          .map(([alertname = "", owner = "", severity = ""]) => {
            return { labels: `{alertname="${alertname}", owner="${owner}", severity="${severity}"}`, value: 1 };
          }),
      })),
      ...recordsOf(scenario, alerts).map(([expr, samples]) => ({ expr, eval_time: last, exp_samples: samples })),
    ],
  };
}

/** Rules, and what has to happen under them. */
export interface Suite {
  readonly name: string;
  readonly rules: RuleFile;
  readonly scenarios: readonly Scenario[];
  /** Alerts that are judged. Default all, in parts that have nothing to do with each other. */
  readonly alerts?: readonly string[];
}

/** Tests that share rules and an interval, and the suites they are of. */
interface TestFile {
  readonly rules: RuleFile;
  readonly evaluation: string;
  readonly tests: object[];
  readonly suites: Set<string>;
  /** What stands for each test, its rules included. */
  readonly keys: string[];
}

/** The alerts of which promtool is asked at once. One that a scenario expects and no rule has is asked too: it is missing. */
function alertParts(rules: RuleFile, { moments }: Scenario, { alerts }: Suite): readonly ReadonlySet<string>[] {
  if (alerts !== undefined) return [new Set(alerts)];
  const parts = partsOf(rules);
  const known = new Set(parts.flatMap((part) => [...part]));
  const expected = moments.flatMap(({ firing }) => firing.map((text) => text.split(" ")[0] ?? ""));
  const missing = expected.filter((name) => !known.has(name));
  if (parts.length === 0) return [new Set(missing)];
  return parts.map((part, at) => (at === 0 ? new Set([...part, ...missing]) : part));
}

/**
 * The tests of suites as files. Rules that a scenario is not about are left out of its file; what is the same in two suites,
 * rules and scenario, is judged once. @param apart Keeps suites in files of their own.
 * @param isJudged Whether a test need not be asked any more.
 */
function testFiles(
  suites: readonly Suite[],
  apart: boolean,
  isJudged: (key: string) => boolean = () => false,
): readonly TestFile[] {
  const files = new Map<string, TestFile>();
  const seen = new Set<string>();
  for (const suite of suites) {
    for (const scenario of suite.scenarios) {
      const { evaluation = "1m", groups } = scenario;
      const rules = { groups: suite.rules.groups.filter((group) => groups?.includes(group.name) ?? true) };
      for (const alerts of alertParts(rules, scenario, suite)) {
        const exprs = recordsOf(scenario, alerts).map(([expr]) => expr);
        const own = sliceOf(rules, alerts, exprs);
        const key = JSON.stringify([own, evaluation, apart ? suite.name : ""]);
        const test = testOf(scenario, alerts);
        const told = key + JSON.stringify(test);
        const file = files.get(key) ?? { rules: own, evaluation, tests: [], suites: new Set(), keys: [] };
        file.suites.add(suite.name);
        if (seen.has(told) || isJudged(told)) continue;
        files.set(key, file);
        seen.add(told);
        file.tests.push(test);
        file.keys.push(told);
      }
    }
  }
  return [...files.values()];
}

/** Tests, with their rules, that a promtool of a version has found nothing to say about. */
const judged = new Set<string>();

/**
 * What promtool says about suites: a text, empty where everything is as it has to be. A test that was judged before, with
 * the same rules, is not judged again.
 */
export async function testRules(judge: RuleJudge, suites: readonly Suite[]): Promise<string> {
  const files = testFiles(suites, false, (key) => judged.has(judge.version + key));
  if (files.length === 0) return "";
  return await withTestFiles(files, async (names) => {
    const said = await complaintOf(judge, ["test", "rules", ...names]);
    if (said === "") for (const key of files.flatMap(({ keys }) => keys)) judged.add(judge.version + key);
    return names.reduce((text, name, at) => text.replaceAll(name, [...(files[at]?.suites ?? [])].join(", ")), said);
  });
}

/** Names of the suites of which promtool refuses something, all in one run. */
export async function failingSuites(judge: RuleJudge, suites: readonly Suite[]): Promise<ReadonlySet<string>> {
  if (suites.length === 0) return new Set();
  const files = testFiles(suites, true);
  return await withTestFiles(files, async (names) => {
    const { stdout, stderr } = await run(judge.path, ["test", "rules", ...names], options);
    // both versions name the file, and after it the success; failures go to another stream
    const passed = new Set(
      [...stdout.matchAll(/(?:Unit Testing|Processing test file): +(\S+)\n +SUCCESS/g)].map(([, name]) => name),
    );
    const tested = new Set(
      [...stdout.matchAll(/(?:Unit Testing|Processing test file): +(\S+)/g)].map(([, name]) => name),
    );
    const silent = names.filter((name) => !tested.has(name));
    if (silent.length > 0)
      throw new Error(`promtool did not test ${silent.length} of ${names.length} files: ${stderr}`);
    return new Set(names.flatMap((name, at) => (passed.has(name) ? [] : [...(files[at]?.suites ?? [])])));
  });
}

async function withTestFiles<T>(files: readonly TestFile[], use: (names: readonly string[]) => Promise<T>): Promise<T> {
  const rules = files.map((file) => file.rules);
  return await inFolder(rules, async (folder, names) => {
    const tests = files.map(({ rules: { groups }, evaluation, tests }, index) => {
      const file = path.join(folder, `tests-${index}.yaml`);
      const content = {
        rule_files: [names[index]],
        evaluation_interval: evaluation,
        // any order otherwise, another one in each run
        group_eval_order: groups.map(({ name }) => name),
        tests,
      };
      writeFileSync(file, dump(content, { noRefs: true, lineWidth: -1 }));
      return file;
    });
    return await use(tests);
  });
}

/** Which of several files hold rules that promtool can read. */
export async function readableRules(judge: RuleJudge, files: readonly RuleFile[]): Promise<readonly boolean[]> {
  return await inFolder(files, async (_, names) => {
    const { stdout } = await run(judge.path, ["check", "rules", "--lint=none", ...names], options);
    return names.map((name) => stdout.includes(`Checking ${name}\n  SUCCESS`));
  });
}

/** The same for the syntax and the style of several files; what is the same in two of them is read once. */
export async function lintRules(judge: RuleJudge, files: readonly RuleFile[]): Promise<string> {
  const different = [...new Map(files.map((file) => [JSON.stringify(file), file])).values()];
  return await inFolder(different, async (_, names) => {
    return await complaintOf(judge, ["check", "rules", "--lint=all", "--lint-fatal", ...names]);
  });
}

async function inFolder<T>(
  files: readonly RuleFile[],
  use: (folder: string, names: readonly string[]) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-rules-"));
  try {
    const names = files.map((rules, index) => {
      const name = path.join(folder, `rules-${index}.yaml`);
      writeFileSync(name, dump(rules, { noRefs: true, lineWidth: -1 }));
      return name;
    });
    return await use(folder, names);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The heap is small, and collecting it is a tenth of the time. */
const options = { timeout: 600_000, outputLimit: 50_000_000, env: { ...process.env, GOGC: "400" } };

async function complaintOf(judge: RuleJudge, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(judge.path, args, options);
  return code === 0 ? "" : `promtool ${judge.version} ended with ${code ?? "a signal"}\n${stdout}${stderr}`.trim();
}
