import type { SourcedObject } from "../../../reachability";
import { isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { installations, settingAt } from "../../installations";
import { findingOf } from "../../report";
import { withSource } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Policies that are not enforced protect nothing. */
export const enforcementOff: Rule = {
  id: "enforcement-off",
  title: "The enforcer does not enforce policies",
  severity: "critical",
  why: "Policies that are not enforced protect nothing.",
  description:
    "Cilium's policyEnforcementMode is not `never` and policyAuditMode is not on: both let everything pass, on every " +
    "endpoint, whatever policies say.",
  remediation: "Set policyEnforcementMode to default or always and policyAuditMode to false.",
  controls: [controls.cisNetworkPluginSupportsPolicies, controls.nistInformationFlow, controls.pciRuleSets],
  check: checkEnforcement,
};

function* checkEnforcement(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const { enforcementMode, auditMode } = snapshot.profile;
  const common = {
    id: enforcementOff.id,
    severity: enforcementOff.severity,
    certainty: "definite" as const,
    subject: withSource({ kind: "Cluster", name: "cluster" }, snapshot.others.find(configuresCilium)?.source),
    controls: enforcementOff.controls,
  };
  if (enforcementMode === "never") {
    yield {
      ...common,
      message: "Cilium enforces no policy: policyEnforcementMode is never",
      because: ["the mode `never` switches policies off on all endpoints, not only on selected ones"],
      fix: "Set policyEnforcementMode to default (or always).",
    };
  }
  if (auditMode) {
    yield {
      ...common,
      message: "Cilium only reports what it would drop: policyAuditMode is on",
      because: ["in audit mode, traffic that a policy denies is still forwarded"],
      fix: "Set policyAuditMode to false once the reported flows are declared.",
    };
  }
  yield* unclearSettings(context);
}

const settings = {
  values: ["policyEnforcementMode", "policyAuditMode"],
  "agent-config": ["enable-policy", "policy-audit-mode"],
} as const;

/** What cannot be read is not taken for the default. */
function* unclearSettings(context: RuleContext): Iterable<Finding> {
  for (const { product, form, subject, source, certain, settings: given } of installations(
    context.reachability.snapshot,
  )) {
    if (product !== "cilium" || form === "felix") continue;
    const unclear = settings[form].filter((path) => {
      const value = settingAt(given, path);
      return isUnclear(path, value) || (!certain && value !== undefined);
    });
    if (unclear.length === 0) continue;
    const where = form === "values" ? "values" : "data";
    yield findingOf(enforcementOff, {
      subject,
      certainty: "possible",
      message: `Whether Cilium enforces policies is not known: ${subject.kind} ${subject.name}`,
      because: unclear.map((path) => `${where}.${path} is not known yet, or is no value that Cilium knows`),
      fix: "Write the literal values: policyEnforcementMode default or always, policyAuditMode false.",
      causes: [source],
    });
  }
}

function isUnclear(path: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (isUnknown(value)) return true;
  switch (path) {
    case "policyAuditMode":
      return typeof value !== "boolean";
    case "policy-audit-mode":
      return value !== "true" && value !== "false";
    default:
      return value !== "default" && value !== "always" && value !== "never";
  }
}

function configuresCilium({ object }: SourcedObject): boolean {
  return object.kind === "ConfigMap" && object.metadata?.name === "cilium-config";
}
