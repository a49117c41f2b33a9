import type { SourcedObject } from "../../reachability";
import { controls } from "../controls";
import { withSource } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Policies that nobody enforces protect nothing, however good they are (requirement S3-21, seed defect B32). */
export const enforcementOff: Rule = {
  id: "enforcement-off",
  title: "The enforcer enforces",
  severity: "critical",
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
      because: ["in audit mode traffic that a policy denies passes"],
      fix: "Set policyAuditMode to false once the reported flows are declared.",
    };
  }
}

function configuresCilium({ object }: SourcedObject): boolean {
  return object.kind === "ConfigMap" && object.metadata?.name === "cilium-config";
}
