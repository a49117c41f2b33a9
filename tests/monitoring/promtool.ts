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

/** What promtool says about rules: a text, empty where everything is as it has to be. */
export async function testRules(judge: RuleJudge, rules: RuleFile, scenarios: readonly Scenario[]): Promise<string> {
  const sets = new Map<string, Scenario[]>();
  for (const scenario of scenarios) {
    const key = JSON.stringify([scenario.evaluation ?? "1m", scenario.groups ?? null]);
    sets.set(key, [...(sets.get(key) ?? []), scenario]);
  }
  const parts = [...sets.values()];
  const files = parts.map(([first]) => ({
    groups: rules.groups.filter(({ name }) => first?.groups?.includes(name) ?? true),
  }));
  return await inFolder(files, async (folder, names) => {
    const tests = parts.map((part, index) => {
      const file = path.join(folder, `tests-${index}.yaml`);
      const evaluation_interval = part[0]?.evaluation ?? "1m";
      const content = { rule_files: [names[index]], evaluation_interval, tests: part.map(testOf) };
      writeFileSync(file, dump(content, { noRefs: true, lineWidth: -1 }));
      return file;
    });
    return await complaintOf(judge, ["test", "rules", ...tests]);
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

async function complaintOf(judge: RuleJudge, args: readonly string[]): Promise<string> {
  // it lives for seconds: collecting its garbage often costs more than it frees
  const env = { ...process.env, GOGC: "400" };
  const { code, stdout, stderr } = await run(judge.path, args, { timeout: 600_000, env });
  return code === 0 ? "" : `promtool ${judge.version} ended with ${code ?? "a signal"}\n${stdout}${stderr}`.trim();
}
