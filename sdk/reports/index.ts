/** Findings and reachability in words and in the formats of other tools. Pure: data in, text out. */
export { connections, describeTraffic } from "./connections";
export { describeCauses, describeCounts, describeDifference } from "./diff";
export type { JunitInput } from "./junit";
export { junitReport } from "./junit";
export type { ReportInput } from "./markdown";
export { markdownFindings, markdownReport } from "./markdown";
export type { RuleDescription, SarifInput } from "./sarif";
export { sarifLog } from "./sarif";
export { describeSource, describeSubject, placeOfFinding } from "./source";
export type { GroupPair, NamespaceSummary, ReachabilitySummary, Status } from "./summary";
export { outside, summarise } from "./summary";
export { textComparison, textFindings, textSummary } from "./text";
export { flowDiagram } from "./flow-diagram";
