import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import type { RuleJudge } from "../../lab/monitoring/programs";
import { run } from "../../lab/toolchain/run";
import type { RuleFile } from "../../sdk/monitoring/index";

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

/** A test of promtool. */
function testOf({ interval = "15s", series, moments, records = {} }: Scenario): object {
  const last = moments.at(-1)?.at ?? "0m";
  return {
    interval,
    input_series: series,
    promql_expr_test: [
      ...moments.map(({ at, firing }) => ({
        expr: 'group by (alertname, owner, severity) (ALERTS{alertstate="firing",severity!="info"})',
        eval_time: at,
        exp_samples: firing.map((text) => {
          const [alertname = "", owner = "", severity = ""] = text.split(" ");
          return { labels: `{alertname="${alertname}", owner="${owner}", severity="${severity}"}`, value: 1 };
        }),
      })),
      ...Object.entries(records).map(([expr, samples]) => ({ expr, eval_time: last, exp_samples: samples })),
    ],
  };
}

/** Rules, and what has to happen under them. */
export interface Suite {
  readonly name: string;
  readonly rules: RuleFile;
  readonly scenarios: readonly Scenario[];
}

/** Tests that share rules and an interval, and the suites they are of. */
interface TestFile {
  readonly rules: RuleFile;
  readonly evaluation: string;
  readonly tests: object[];
  readonly suites: Set<string>;
}

/**
 * The tests of suites as files. Rules that a scenario is not about are left out of its file; what is the same in two suites,
 * rules and scenario, is judged once. @param apart Keeps suites in files of their own.
 */
function testFiles(suites: readonly Suite[], apart: boolean): readonly TestFile[] {
  const files = new Map<string, TestFile>();
  const seen = new Set<string>();
  for (const { name, rules, scenarios } of suites) {
    for (const scenario of scenarios) {
      const { evaluation = "1m", groups } = scenario;
      const own = { groups: rules.groups.filter((group) => groups?.includes(group.name) ?? true) };
      const key = JSON.stringify([own, evaluation, apart ? name : ""]);
      const test = testOf(scenario);
      const file = files.get(key) ?? { rules: own, evaluation, tests: [], suites: new Set() };
      files.set(key, file);
      file.suites.add(name);
      const told = key + JSON.stringify(test);
      if (!seen.has(told)) file.tests.push(test);
      seen.add(told);
    }
  }
  return [...files.values()];
}

/** What promtool says about suites: a text, empty where everything is as it has to be. */
export async function testRules(judge: RuleJudge, suites: readonly Suite[]): Promise<string> {
  return await withTestFiles(testFiles(suites, false), async (names, files) => {
    const said = await complaintOf(judge, ["test", "rules", ...names]);
    return names.reduce((text, name, at) => text.replaceAll(name, [...(files[at]?.suites ?? [])].join(", ")), said);
  });
}

/** Names of the suites of which promtool refuses something, all in one run. */
export async function failingSuites(judge: RuleJudge, suites: readonly Suite[]): Promise<ReadonlySet<string>> {
  if (suites.length === 0) return new Set();
  return await withTestFiles(testFiles(suites, true), async (names, files) => {
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

async function withTestFiles<T>(
  files: readonly TestFile[],
  use: (names: readonly string[], files: readonly TestFile[]) => Promise<T>,
): Promise<T> {
  const rules = files.map((file) => file.rules);
  return await inFolder(rules, async (folder, names) => {
    const tests = files.map(({ evaluation, tests }, index) => {
      const file = path.join(folder, `tests-${index}.yaml`);
      const content = { rule_files: [names[index]], evaluation_interval: evaluation, tests };
      writeFileSync(file, dump(content, { noRefs: true, lineWidth: -1 }));
      return file;
    });
    return await use(tests, files);
  });
}

/** Which of several files hold rules that promtool can read. */
export async function readableRules(judge: RuleJudge, files: readonly RuleFile[]): Promise<readonly boolean[]> {
  return await inFolder(files, async (_, names) => {
    const { stdout } = await run(judge.path, ["check", "rules", "--lint=none", ...names], options);
    return names.map((name) => stdout.includes(`Checking ${name}\n  SUCCESS`));
  });
}

/** The same for the syntax and the style of several files. */
export async function lintRules(judge: RuleJudge, files: readonly RuleFile[]): Promise<string> {
  return await inFolder(files, async (_, names) => {
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
