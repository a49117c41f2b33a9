/** A verification as a table, TAP, JUnit and JSON. */
import Table from "cli-table3";
import type { JunitCase, JunitOutcome } from "../reports";
import { junitDocument, tapHead, tapLine } from "../reports";
import { describeProbe, describeProbeEnd } from "./verify-probes";
import type { Verification, VerifiedProbe } from "./verify";

export const verificationFormats = ["table", "tap", "junit", "json"] as const;

export type VerificationFormat = (typeof verificationFormats)[number];

/** The verification as text; ends with a newline. */
export function formatVerification(verification: Verification, format: VerificationFormat): string {
  switch (format) {
    case "table":
      return table(verification);
    case "tap":
      return tap(verification);
    case "junit":
      return junit(verification);
    case "json":
      return `${JSON.stringify(verification, null, 2)}\n`;
  }
}

/** One sentence: what was tried and what came of it. */
export function summary({ verdict, canary, policies, probes, unprobed }: Verification): string {
  if (verdict === "no-evidence") return `no evidence: ${canaryText(canary)}; nothing else was tried`;
  const count = (holds: boolean | undefined): number => probes.filter((each) => each.holds === holds).length;
  const wanted = unprobed.filter((each) => each.wanted === true);
  const parts = [
    `${probes.length} probes: ${count(true)} as they must be, ${count(false)} not`,
    ...(count(undefined) > 0 ? [`${count(undefined)} prove nothing`] : []),
    ...(wanted.length > 0 ? [`${wanted.length} could not be tried`] : []),
    ...(policies.missing.length > 0 ? [`${policies.missing.length} declared policies missing`] : []),
    ...(unprobed.length > wanted.length ? [`${unprobed.length - wanted.length} not to be probed here`] : []),
  ];
  return `${verdict}: ${parts.join(", ")}`;
}

function canaryText({ connectsBefore, blockedAfter, detail }: Verification["canary"]): string {
  const text = !connectsBefore
    ? "two pods that an allow-all opens to each other do not connect"
    : blockedAfter
      ? "a deny-all blocks"
      : "a deny-all does not block";
  return detail === undefined ? text : `${text} (${detail})`;
}

/** Undefined without a declaration. */
function policiesText({ declared, missing }: Verification["policies"]): string | undefined {
  if (declared.length === 0) return undefined;
  if (missing.length === 0) return `all ${declared.length} declared policies exist`;
  return `${missing.length} of ${declared.length} declared policies are missing: ${missing.join(", ")}`;
}

function resultOf({ holds }: VerifiedProbe): string {
  return holds === undefined ? "no proof" : holds ? "ok" : "NOT OK";
}

function table(verification: Verification): string {
  const { probes, unprobed, findings, canary, policies } = verification;
  const said = policiesText(policies);
  const rows = new Table({
    head: ["", "group", "from", "to", "port", "must be", "is", "because"],
    style: { head: [], border: [], compact: true },
  });
  for (const each of probes) {
    const { group, source, destination, protocol, port, expected, reason } = each.probe;
    rows.push([
      resultOf(each),
      group,
      describeProbeEnd(source),
      describeProbeEnd(destination),
      `${protocol} ${port}`,
      expected,
      each.outcome.detail === undefined ? each.outcome.outcome : `${each.outcome.outcome} (${each.outcome.detail})`,
      reason,
    ]);
  }
  return [
    `canary: ${canaryText(canary)}`,
    ...(said === undefined ? [] : [`policies: ${said}`]),
    ...(probes.length > 0 ? [rows.toString()] : []),
    ...unprobed.map(({ what, why, wanted }) => `${wanted === true ? "no proof" : "not probed"}: ${what} – ${why}`),
    ...findings.map(({ severity, message }) => `${severity}: ${message}`),
    summary(verification),
    "",
  ].join("\n");
}

/** As TAP. The canary is the first test, the policies the second; what proves nothing is not ok. */
function tap(verification: Verification): string {
  const { canary, policies, probes, unprobed } = verification;
  const said = verification.verdict === "no-evidence" ? undefined : policiesText(policies);
  const before = said === undefined ? 1 : 2;
  const wanted = unprobed.filter((each) => each.wanted === true);
  const lines = [...tapHead(probes.length + wanted.length + before)];
  const line = (number: number, ok: boolean, text: string): void => {
    lines.push(tapLine(number, ok, text));
  };
  line(1, canary.connectsBefore && canary.blockedAfter, `canary: ${canaryText(canary)}`);
  if (said !== undefined) line(2, policies.missing.length === 0, `policies: ${said}`);
  probes.forEach((each, index) => {
    const { probe, outcome, holds } = each;
    line(index + before + 1, holds === true, `${probe.group}: ${describeProbe(probe)} is ${probe.expected}`);
    if (holds === true) return;
    lines.push("  ---", `  outcome: ${JSON.stringify(outcome.outcome)}`);
    if (outcome.detail !== undefined) lines.push(`  detail: ${JSON.stringify(outcome.detail)}`);
    lines.push(`  reason: ${JSON.stringify(probe.reason)}`, "  ...");
  });
  wanted.forEach(({ what, why }, index) => {
    line(before + probes.length + index + 1, false, `scenario: ${what}`);
    lines.push("  ---", '  outcome: "not tried"', `  detail: ${JSON.stringify(why)}`, "  ...");
  });
  const rest = unprobed.filter((each) => each.wanted !== true);
  lines.push(...rest.map(({ what, why }) => `# not probed: ${what} – ${why}`), `# ${summary(verification)}`);
  if (verification.verdict === "no-evidence") lines.push("Bail out! no evidence");
  return `${lines.join("\n")}\n`;
}

function junit(verification: Verification): string {
  const { canary, policies, probes, unprobed } = verification;
  const canaryHolds = canary.connectsBefore && canary.blockedAfter;
  const cases: JunitCase[] = [
    testCase("canary", "a deny-all blocks", canaryHolds ? undefined : { kind: "error", message: canaryText(canary) }),
    ...policies.declared.map((policy) => {
      const message = "it is declared, and the cluster does not have it";
      return testCase("policy", policy, policies.missing.includes(policy) ? { kind: "failure", message } : undefined);
    }),
    ...probes.map(({ probe, outcome, holds }) => {
      const message = `must be ${probe.expected}, is ${outcome.outcome}: ${outcome.detail ?? probe.reason}`;
      const kind = holds === undefined ? "error" : "failure";
      return testCase(probe.group, describeProbe(probe), holds === true ? undefined : { kind, message });
    }),
    ...unprobed.map(({ what, why, wanted }) =>
      wanted === true
        ? testCase("scenario", what, { kind: "error", message: `it could not be tried: ${why}` })
        : testCase("unprobed", what, { kind: "skipped", message: why }),
    ),
  ];
  return junitDocument([{ name: `cluster-security verify (${verification.executor})`, cases }]);
}

function testCase(group: string, name: string, outcome: JunitOutcome | undefined): JunitCase {
  return { group, name, ...(outcome === undefined ? {} : { outcome }) };
}
