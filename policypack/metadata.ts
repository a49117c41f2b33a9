import type { Policy } from "@pulumi/policy";
import type { RuleText } from "../sdk/findings";
import { describeControl, exemptionOverdue, rules } from "../sdk/findings";
import { notInOperation } from "./left-out";
import { liveDrift } from "./live-drift";
import { reachabilityChange } from "./reachability-change";
import { contentsNotVisible } from "./visibility";

/**
 * What the pack says about itself. `@pulumi/policy` carries it for each policy, and the pack has one policy for a level and
 * not one for a finding (each further policy is given every resource again). So a policy's text lists its findings, and
 * each violation carries what is its own: id, severity, fix and controls in its message, severity and description beside.
 */

const findings: readonly RuleText[] = [
  ...rules,
  contentsNotVisible,
  liveDrift,
  notInOperation,
  reachabilityChange,
  exemptionOverdue,
];
const byId = new Map(findings.map((finding) => [finding.id, finding]));

/** Title and reason of a finding. */
export function descriptionOf(id: string): string | undefined {
  const finding = byId.get(id);
  return finding === undefined ? undefined : `${finding.title}. ${finding.why}`;
}

type Metadata = Pick<Policy, "severity" | "tags" | "framework" | "remediationSteps" | "url">;

/** @param severity that of violations which state none; those of this pack all do. */
export function about(severity: Metadata["severity"] & string): Metadata {
  return {
    severity,
    tags: ["kubernetes", "network-policy", "zero-trust", ...frameworks()],
    framework: {
      name: "NIST SP 800-53",
      version: "r5",
      reference: "SC-7(5)",
      specification: "Deny network communications traffic by default and allow it by exception.",
    },
    remediationSteps: [
      "Each violation names the object and field that cause it and says how to repair it. In general:",
      "",
      ...findings.map((finding) => `- \`${finding.id}\` (${finding.severity}): ${finding.remediation}`),
    ].join("\n"),
    url: "https://csrc.nist.gov/projects/cprt/catalog#/cprt/framework/version/SP_800_53_5_1_0/home?element=SC-07-05",
  };
}

/** The catalogues whose controls findings refer to, as tags: `nist-sp-800-53-r5`. */
function frameworks(): string[] {
  const names = findings.flatMap(({ controls }) =>
    controls.map((control) => describeControl(control).slice(0, -control.id.length)),
  );
  return [
    ...new Set(
      names.map((name) =>
        name
          .trim()
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, "-"),
      ),
    ),
  ].sort();
}
