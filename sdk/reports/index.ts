/** Findings and reachability in words: Markdown for files, plain text for terminals. Pure: data in, text out. */
export type { ReportInput } from "./markdown";
export { markdownReport } from "./markdown";
export type { GroupPair, NamespaceSummary, ReachabilitySummary, Status } from "./summary";
export { outside, summarise } from "./summary";
export { textComparison, textFindings, textSummary } from "./text";
