/** Findings and reachability in words and in the formats of other tools. Pure: data in, text out. */
export { describeCounts, describeDifference } from "./diff";
export { junitReport } from "./junit";
export { markdownFindings, markdownReport } from "./markdown";
export type { RuleDescription } from "./sarif";
export { sarifLog } from "./sarif";
export { describeSource, describeSubject, placeOfFinding } from "./source";
export type { ReachabilitySummary } from "./summary";
export { outside, summarise } from "./summary";
export { textComparison, textFindings, textSummary } from "./text";
