import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { isDate } from "../../plain";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Rules are looked at again. */
export const reviewOverdue: Rule = {
  id: "review-overdue",
  title: "The review of a policy is overdue",
  severity: "medium",
  why: "A flow that was needed once stays open for ever unless its owner reviews it.",
  description:
    "The annotation pulumi-cluster-security/review-by of a policy, where it is set, holds a date (YYYY-MM-DD) that has not " +
    "passed and lies at most a year ahead.",
  remediation:
    "Review the policy with its owner, and set the next date (at the latest in six months by PCI DSS 1.2.7).",
  controls: [controls.pciReview, controls.isoChange],
  check: checkReviews,
};

const annotation = "pulumi-cluster-security/review-by";
const longest = 366;

function* checkReviews(context: RuleContext): Iterable<Finding> {
  for (const policy of context.reachability.snapshot.policies) {
    const annotations: unknown = policy.object.metadata?.annotations;
    if (typeof annotations !== "object" || annotations === null || !(annotation in annotations)) continue;
    const fault = faultOf((annotations as Readonly<Record<string, unknown>>)[annotation], context.today);
    if (fault === undefined) continue;
    yield aboutPolicy(reviewOverdue, policy, {
      message: `${describeRef(policy)} is not reviewed as its annotation states`,
      because: [`metadata.annotations["${annotation}"] ${fault}`],
    });
  }
}

function faultOf(value: unknown, today: string | undefined): string | undefined {
  if (!isDate(value)) return "is not a date of the form YYYY-MM-DD";
  if (today === undefined) return undefined;
  if (value < today) return `was ${value}`;
  const days = (Date.parse(value) - Date.parse(today)) / 86_400_000;
  return days > longest ? "lies more than a year ahead" : undefined;
}
