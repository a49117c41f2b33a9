import type { Finding, Rule } from "../../sdk/findings";
import { isViolation, rules } from "../../sdk/findings";
import type { SourcedObject } from "../../sdk/reachability";

/** Choosing rules and findings. */

/** @throws RangeError for a rule that does not exist. */
export function rulesNamed(...ids: string[]): Rule[] {
  return ids.map((id) => {
    const rule = rules.find((each) => each.id === id);
    if (rule === undefined) throw new RangeError(`there is no rule ${id}`);
    return rule;
  });
}

/** The URNs of what causes a finding. */
export function causesOf(finding: Finding): string[] {
  return (finding.causes ?? []).flatMap((cause) => cause.urn ?? []);
}

/** The violations that these objects cause. */
export function causedBy(items: readonly SourcedObject[], findings: readonly Finding[]): Finding[] {
  const urns = new Set(items.map(({ source }) => source?.urn));
  return findings.filter((finding) => isViolation(finding) && causesOf(finding).some((urn) => urns.has(urn)));
}
