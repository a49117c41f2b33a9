/** The part of a rule file that alerts stand on: the rest is evaluated for nothing. */
import type { Rule, RuleFile } from "../../sdk/monitoring/index";
import { isRecording } from "../../sdk/monitoring/index";
import { declaredFlow, namespaceOwner } from "../../sdk/monitoring/table";

/** Names of a rule: those of rows of a table are the same. */
export const nameOf = (rule: Rule): string => (isRecording(rule) ? rule.record : rule.alert);

export const allRules = (rules: RuleFile): readonly Rule[] => rules.groups.flatMap((group) => group.rules);

/** Whether an expression reads a metric. */
export function reads(expr: string, metric: string): boolean {
  const parts = expr.split(metric);
  return parts.slice(1).some((rest, at) => !/^[\w:]/.test(rest) && !/[\w:]$/.test(parts[at] ?? ""));
}

/** Names of alerts whose state an expression reads. */
export const alertsIn = (expr: string): readonly string[] =>
  [...expr.matchAll(/alertname="([^"]+)"/g)].map(([, name = ""]) => name);

/** Names of recordings that expressions read, directly or not. */
function recordingsFor(rules: RuleFile, exprs: readonly string[]): ReadonlySet<string> {
  const recordings = new Map<string, readonly string[]>();
  for (const rule of allRules(rules))
    if (isRecording(rule)) recordings.set(rule.record, [...(recordings.get(rule.record) ?? []), rule.expr]);
  const found = new Set<string>();
  const look = (expr: string): void => {
    for (const [name, own] of recordings) {
      if (found.has(name) || !reads(expr, name)) continue;
      found.add(name);
      for (const each of new Set(own)) look(each);
    }
  };
  for (const expr of exprs) look(expr);
  return found;
}

/** What was sliced before: scenarios of a declaration share their rules. */
const slices = new Map<string, RuleFile>();

/** Some alerts, the recordings that they read, and those that other expressions read. Everything else is left out. */
export function sliceOf(rules: RuleFile, alerts: ReadonlySet<string>, exprs: readonly string[] = []): RuleFile {
  const key = JSON.stringify([rules, [...alerts], exprs]);
  const found = slices.get(key) ?? sliced(rules, alerts, exprs);
  slices.set(key, found);
  return found;
}

function sliced(rules: RuleFile, alerts: ReadonlySet<string>, exprs: readonly string[]): RuleFile {
  const own = allRules(rules).filter((rule) => !isRecording(rule) && alerts.has(rule.alert));
  const needed = recordingsFor(rules, [...own.map(({ expr }) => expr), ...exprs]);
  const groups = rules.groups.map((group) => ({
    ...group,
    rules: group.rules.filter((rule) => (isRecording(rule) ? needed.has(rule.record) : alerts.has(rule.alert))),
  }));
  return { groups: groups.filter((group) => group.rules.length > 0) };
}

/**
 * Names of alerts in two parts that share no recording: those that stand on the table of what is declared, directly or by
 * what they share, and the others. The others are the same in every declaration.
 */
export function partsOf(rules: RuleFile): readonly ReadonlySet<string>[] {
  const key = JSON.stringify(rules);
  const found = parts.get(key) ?? partedOf(rules);
  parts.set(key, found);
  return found;
}

const parts = new Map<string, readonly ReadonlySet<string>[]>();

function partedOf(rules: RuleFile): readonly ReadonlySet<string>[] {
  const left = new Map<string, ReadonlySet<string>>();
  for (const rule of allRules(rules)) {
    if (isRecording(rule)) continue;
    const before = left.get(rule.alert) ?? [];
    left.set(rule.alert, new Set([...before, ...recordingsFor(rules, [rule.expr])]));
  }
  const shared = new Set([declaredFlow, namespaceOwner]);
  const own = new Set<string>();
  for (let before = -1; before !== own.size;) {
    before = own.size;
    for (const [alert, recordings] of left) {
      if (![...recordings].some((each) => shared.has(each))) continue;
      own.add(alert);
      for (const each of recordings) shared.add(each);
    }
  }
  return [own, new Set([...left.keys()].filter((alert) => !own.has(alert)))].filter((part) => part.size > 0);
}
