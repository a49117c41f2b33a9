import { describeRef } from "../../reachability";
import { controls } from "../controls";
import { isForReserved, policyObjects, policySubject, rulesOf } from "../policy-rules";
import { list } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Least privilege names ports (requirement S1-30, seed defect B01): without, every port of the peer is open. */
export const allPortsRule: Rule = {
  id: "all-ports-rule",
  title: "Rules name their ports",
  severity: "medium",
  description: "No allow rule opens every protocol and port.",
  remediation: "Add the ports that the flow needs (`ports`, `toPorts`).",
  controls: [controls.nistLeastFunctionality, controls.pciServicesApproved],
  check: checkPorts,
};

function* checkPorts(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of policyObjects(context.reachability.snapshot)) {
    const paths = parts
      .filter((part) => !isForReserved(part))
      .flatMap(rulesOf)
      .filter((rule) => rule.verdict === "allow" && rule.peers.length > 0 && rule.l4.must.isAll())
      .map((rule) => rule.path);
    if (paths.length === 0) continue;
    yield {
      id: allPortsRule.id,
      severity: allPortsRule.severity,
      certainty: "definite",
      subject: policySubject(origin),
      message: `${describeRef(origin)} opens every port: ${list(paths)}`,
      because: ["a rule without ports allows every protocol and port"],
      fix: allPortsRule.remediation,
      controls: allPortsRule.controls,
      ...(origin.source === undefined ? {} : { causes: [origin.source] }),
    };
  }
}
