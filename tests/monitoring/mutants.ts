/** Rules that are broken in one way, for tests that have to notice. */
import type { AlertingRule, Rule, RuleFile } from "../../sdk/monitoring/index";
import { isRecording } from "../../sdk/monitoring/index";
import { allRules, nameOf, reads } from "./slices";

/** A rule file with one rule broken. */
export interface Mutant {
  readonly title: string;
  /** Name of the rule. */
  readonly rule: string;
  /** Name of its group. */
  readonly group: string;
  /** Alerts whose scenarios have to notice. */
  readonly about: readonly string[];
  readonly rules: RuleFile;
}

const never = "vector(0) > 1";
const always = 'label_replace(vector(1), "owner", "nobody", "", "")';

/** Names of the alerts that a rule decides about: its own, or those that read what it records, directly or not. */
function decides(rules: RuleFile, name: string): readonly string[] {
  const all = allRules(rules);
  const names = new Set([name]);
  for (let before = 0; before !== names.size;) {
    before = names.size;
    for (const rule of all) if ([...names].some((each) => reads(rule.expr, each))) names.add(nameOf(rule));
  }
  return all.flatMap((rule) => (isRecording(rule) || !names.has(rule.alert) ? [] : [rule.alert]));
}

/** Ways in which an expression loses a part, each with what is lost. */
function without(expr: string): readonly (readonly [string, string])[] {
  const parts: (readonly [string, string])[] = [];
  // a matcher of a selector
  for (const [selector, inner = ""] of expr.matchAll(/\{([^{}]*)\}/g)) {
    const matchers = inner.match(/[a-zA-Z_]+(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*"/g) ?? [];
    for (const matcher of matchers) {
      const rest = matchers.filter((each) => each !== matcher).join(",");
      parts.push([`matcher ${matcher}`, expr.replaceAll(selector, rest === "" ? "" : `{${rest}}`)]);
    }
  }
  // a line that is a condition
  const lines = expr.split("\n");
  lines.forEach((line, index) => {
    if (/^\s*(?:and|unless)\b/.test(line))
      parts.push([`line ${line.trim()}`, lines.filter((_, at) => at !== index).join("\n")]);
  });
  // a condition within a line
  for (const { 0: clause, index } of expr.matchAll(
    / (?:and|unless) (?:on \([^)]*\) )?[\w:]+(?:\{[^}]*\})?(?:\[\w+\])?(?: offset \w+)?(?: [><=]+ [\d.]+)?/g,
  ))
    parts.push([`condition${clause}`, expr.slice(0, index) + expr.slice(index + clause.length)]);
  // a threshold
  for (const { 0: limit, index } of expr.matchAll(/ > (?!0\b(?!\.))[\d.]+/g)) {
    const rest = expr.slice(index + limit.length);
    parts.push([`threshold${limit}`, `${expr.slice(0, index)} >= 0${rest}`]);
  }
  const times = new Map<string, number>();
  return [...new Map(parts.map(([what, text]) => [text, what])).entries()]
    .filter(([text]) => text !== expr)
    .map(([text, what]) => {
      const time = (times.get(what) ?? 0) + 1;
      times.set(what, time);
      return [time === 1 ? what : `${what} (${time})`, text] as const;
    });
}

/** Each rule broken in every way that is known: nothing, everything, each part of its expression and each time gone. */
export function mutantsOf(name: string, rules: RuleFile): readonly Mutant[] {
  const seen = new Set<string>();
  return rules.groups.flatMap((group, at) =>
    group.rules.flatMap((rule, index): Mutant[] => {
      const own = nameOf(rule);
      // a row of a table is like its neighbours, and an alert for each metric like the others
      if (seen.has(own)) return [];
      seen.add(own);
      if (!isRecording(rule) && rule.labels["severity"] === "info") return [];
      const about = decides(rules, own);
      const mutant = (how: string, broken: Rule): Mutant => ({
        title: `${name}: ${own}: ${how}`,
        rule: own,
        group: group.name,
        about,
        rules: {
          groups: rules.groups.map((one, place) =>
            place === at ? { ...one, rules: one.rules.map((other, n) => (n === index ? broken : other)) } : one,
          ),
        },
      });
      const lost = without(rule.expr).map(([what, expr]) => mutant(`without ${what}`, { ...rule, expr }));
      if (isRecording(rule)) return [mutant("records nothing", { ...rule, expr: never }), ...lost];
      return [
        mutant("never fires", { ...rule, expr: never }),
        mutant("always fires", { ...rule, expr: always }),
        ...timesOf(rule).map((key) => mutant(`without ${key}`, omitted(rule, key))),
        ...lost,
      ];
    }),
  );
}

const times = ["for", "keep_firing_for"] as const;

const timesOf = (rule: AlertingRule): readonly (typeof times)[number][] =>
  times.filter((key) => rule[key] !== undefined);

function omitted(rule: AlertingRule, key: (typeof times)[number]): AlertingRule {
  const { [key]: _, ...rest } = rule;
  return rest;
}
