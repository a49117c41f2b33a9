/** Writes docs/findings.md from the rules and their fixtures, so that the text cannot say anything else. */
import { dump, loadAll } from "js-yaml";
import type { RuleText } from "../../sdk/findings";
import { reachabilityChange } from "../../policypack/reachability-change";
import { notInOperation } from "../../policypack/left-out";
import { liveDrift } from "../../policypack/live-drift";
import { contentsNotVisible } from "../../policypack/visibility";
import { describeControl, exemptionOverdue, rules } from "../../sdk/findings";
import { defects } from "./defects";
import { cases } from "./fixtures";

const introduction = `# Findings

What the policy pack, \`cluster-security check\` and the reports can find. Generated from the rules in \`sdk/findings\` and
their test fixtures (\`UPDATE_SNAPSHOTS=1 npx mocha tests/findings/docs.test.ts\`); a test holds it equal.

Severity \`critical\` and \`high\` are mandatory in the policy pack by default, the others advisory. A finding is *definite*
where the objects show it, and *possible* where a value is not known yet or something was not understood. Controls say which
question a finding helps to answer, not that the control is met.
`;

/** Examples that the fixtures of the two rules with test files of their own do not give. */
const examples: Readonly<Record<string, string>> = {
  "namespace-default-deny": "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }",
  "metadata-endpoints-closed": defects.find(({ id }) => id === "B06")?.before ?? "",
};

/** Everything that can be found: by the rules, and by the policy pack alone. */
export const documented: readonly RuleText[] = [
  ...rules,
  exemptionOverdue,
  contentsNotVisible,
  liveDrift,
  notInOperation,
  reachabilityChange,
];

export function findingsDocument(): string {
  const table = [
    "| finding | severity | |",
    "|---|---|---|",
    ...documented.map(({ id, severity, title }) => `| [\`${id}\`](#${id}) | ${severity} | ${title} |`),
  ].join("\n");
  return [introduction, `${table}\n`, ...documented.map(section)].join("\n");
}

function section(rule: RuleText): string {
  const example = exampleOf(rule.id);
  return [
    `## ${rule.id}`,
    "",
    `**${rule.title}** (${rule.severity})`,
    "",
    `*Why:* ${rule.why}`,
    "",
    `*Checked:* ${rule.description}`,
    "",
    `*Fix:* ${rule.remediation}`,
    "",
    `*Controls:* ${rule.controls.map((control) => `${describeControl(control)} (${control.title})`).join("; ")}`,
    ...(example === undefined ? [] : ["", "*Found in:*", "", example]),
    "",
  ].join("\n");
}

function exampleOf(id: string): string | undefined {
  const yaml = examples[id] ?? cases[id]?.bad[0]?.[0];
  return yaml === undefined ? undefined : ["```yaml", readable(yaml), "```"].join("\n");
}

/** The compact YAML of fixtures as one would write it. */
function readable(yaml: string): string {
  return loadAll(yaml)
    .filter((object) => object !== null && object !== undefined)
    .map((object) => dump(object, { lineWidth: 100, noRefs: true }).trimEnd())
    .join("\n---\n");
}
