import { describeRef } from "../../reachability";
import type { HygieneIssue, RuleRef, Source } from "../../reachability";
import { describeSource } from "../../reports/source";
import { locate } from "../locate";
import type { ListFormat } from "./formats";
import { printList } from "./list";

/** Issues of hygiene in the format asked for. */
export function printHygiene(issues: readonly HygieneIssue[], format: ListFormat, sources: PolicySources): string {
  const titles = ["ISSUE", "POLICY", "RULE", "SOURCE", "WHY"];
  const cells = ({ kind, policy, rule, message }: HygieneIssue): string[] => {
    const source = rule === undefined ? sources.get(describeRef(policy)) : locate(rule.source, rule.path);
    const place = describeSource(source) ?? "";
    return [kind, describeRef(policy), rule?.path ?? "", place, reasonOf(policy, rule, message)];
  };
  return printList({ titles, items: issues, cells, json: (issue) => asJson(issue, sources) }, format);
}

/** Where each policy is written, by `Kind namespace/name`. */
type PolicySources = ReadonlyMap<string, Source | undefined>;

/** The message begins with what the columns before it say already. */
function reasonOf(policy: HygieneIssue["policy"], rule: RuleRef | undefined, message: string): string {
  const name = describeRef(policy);
  const prefixes = rule === undefined ? [`${name} `] : [`${name} ${rule.path}: `];
  const prefix = prefixes.find((each) => message.startsWith(each));
  return prefix === undefined ? message : message.slice(prefix.length);
}

function asJson(
  { kind, policy, rule, by, coveredBy, closedBy, message }: HygieneIssue,
  sources: PolicySources,
): unknown {
  const reference = (each: RuleRef): unknown => ({ ...each, source: locate(each.source, each.path) });
  return {
    kind,
    policy: { ...policy, source: sources.get(describeRef(policy)) },
    ...(rule === undefined ? {} : { rule: reference(rule) }),
    ...(by === undefined ? {} : { by: reference(by) }),
    ...(coveredBy === undefined ? {} : { coveredBy: coveredBy.map(reference) }),
    ...(closedBy === undefined ? {} : { closedBy }),
    message,
  };
}
