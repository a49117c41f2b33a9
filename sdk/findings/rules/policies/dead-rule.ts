import type { HygieneIssue } from "../../../reachability";
import { describeRef, hygiene } from "../../../reachability";
import { controls } from "../../controls";
import type { PolicyParts } from "../../policy-rules";
import { isForReserved, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Policies that do nothing hide those that do. */
export const deadRule: Rule = {
  id: "dead-rule",
  title: "A policy or a rule does nothing",
  severity: "low",
  why: "A rule that matches no pod is a mistake in a label, or a leftover that opens something again when a pod gets the label.",
  description:
    "Every policy that selects pods by labels selects a workload, every rule has a peer and a port that exist, and no " +
    "other rule does the same and more. Only namespaces whose workloads are in the snapshot are judged.",
  remediation: "Correct the labels or ports, or remove the rule.",
  controls: [controls.pciReview, controls.pciRuleSets],
  check: checkHygiene,
};

function* checkHygiene(context: RuleContext): Iterable<Finding> {
  const { reachability } = context;
  const { snapshot } = reachability;
  if (snapshot.workloads.length === 0) return;
  const objects = new Map(policyObjects(snapshot).map((object) => [keyOf(object.origin), object]));
  const found = new Map<PolicyParts, string[]>();
  for (const issue of hygiene(reachability)) {
    const object = objects.get(keyOf(issue.policy));
    if (object === undefined || !isCertain(issue, object)) continue;
    const reasons = found.get(object) ?? [];
    found.set(object, reasons);
    if (!reasons.includes(issue.message)) reasons.push(issue.message);
  }
  for (const [{ origin }, reasons] of found) {
    yield aboutPolicy(deadRule, origin, {
      message: `${describeRef(origin)} holds what does nothing`,
      because: reasons,
    });
  }
}

function keyOf(ref: { apiVersion: string; kind: string; namespace?: string; name: string }): string {
  return `${ref.apiVersion} ${describeRef(ref)}`;
}

/** Whether an issue holds whatever lies outside the snapshot; half-open flows are another rule's. */
function isCertain(issue: HygieneIssue, { parts }: PolicyParts): boolean {
  if (issue.kind === "half-open" || issue.possible === true) return false;
  if (issue.kind === "unused") {
    // a policy for all pods of a namespace waits for them; of several specs the issue does not say which one is meant
    return (
      parts.length === 1 &&
      parts.every((part) => !isForReserved(part) && testsIn(part.subject.where).some((test) => test.field === "label"))
    );
  }
  const rule = parts.flatMap(rulesOf).find((each) => each.path === issue.rule?.path);
  if (rule === undefined) return false;
  return issue.kind !== "dead" || (rule.verdict === "allow" && rule.peers.length > 0);
}
