import type { Finding, RuleText } from "../sdk/findings";
import { controls } from "../sdk/findings";
import type { ObservedResource } from "./snapshot-from-resources";

/** What an operation that is limited to a part of the stack does not create. */
export const notInOperation: RuleText = {
  id: "not-in-operation",
  title: "Resources are not part of this operation",
  severity: "info",
  why: "What is left out is neither created nor judged, and what remains may rely on it.",
  description:
    "With `--target` or `--exclude` the engine shows a policy no inputs of resources that are left out and not there yet. " +
    "They are named once. The rest is judged as it will be without them.",
  remediation: "Run the operation without `--target` and `--exclude`, or include the policies that the rest relies on.",
  controls: [controls.pciChanges, controls.nistChangeControl],
};

/** Names shown before the rest is only counted. */
const shown = 10;

/** One finding about everything that is left out; nothing where nothing is. */
export function describeLeftOut(leftOut: readonly ObservedResource[], rootUrn: string): Finding[] {
  if (leftOut.length === 0) return [];
  const names = leftOut.map(({ type, name }) => `${type.split(":").at(-1) ?? type} "${name}"`).sort();
  const rest = names.length - shown;
  const many = names.length === 1 ? "1 resource is" : `${names.length} resources are`;
  return [
    {
      id: notInOperation.id,
      severity: "info",
      certainty: "definite",
      subject: { kind: "Stack", name: "stack", source: { urn: rootUrn } },
      message: `${many} not part of this operation (--target, --exclude) and ${names.length === 1 ? "was" : "were"} not judged`,
      because: [names.slice(0, shown).join(", ") + (rest > 0 ? ` and ${rest} more` : "")],
      fix: notInOperation.remediation,
      controls: notInOperation.controls,
    },
  ];
}

/** What is missing may be what is left out: a finding without a cause in the stack says so. */
export function mindingLeftOut(findings: readonly Finding[], leftOut: readonly ObservedResource[]): Finding[] {
  if (leftOut.length === 0) return [...findings];
  return findings.map((finding) =>
    (finding.causes ?? []).length > 0 || finding.severity === "info"
      ? finding
      : {
          ...finding,
          fix: `Include what is not part of this operation, where that closes it. Otherwise: ${finding.fix}`,
        },
  );
}
