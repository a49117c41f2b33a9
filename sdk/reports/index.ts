/** Findings and reachability in words and in the formats of other tools. Pure: data in, text out. */
export { computedControls, incompleteness } from "./evidence/computed";
export type { ControlEvidence } from "./evidence/types";
export { describeCounts, describeDifference } from "./diff";
export { junitReport } from "./junit";
export type { JunitCase, JunitOutcome } from "./junit-document";
export { junitDocument } from "./junit-document";
export { markdownFindings, markdownReport } from "./markdown";
export { assessmentResults } from "./oscal/assessment-results";
export type { PolicyReportInput } from "./policy-report";
export { policyReports } from "./policy-report";
export type { RuleDescription } from "./sarif";
export { sarifLog } from "./sarif";
export { describeSource, describeSubject, placeOfFinding } from "./source";
export type { ReachabilitySummary } from "./summary";
export { outside, summarise } from "./summary";
export { tapHead, tapLine } from "./tap";
export { textComparison, textFindings, textSummary } from "./text";
