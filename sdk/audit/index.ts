/** What has become of a baseline: differences by effect, who made them, and how that changed from run to run. Pure. */
export { auditFindings, auditRules } from "./as-findings";
export { audit } from "./audit";
export type {
  Ineffective,
  AuditDrift,
  AuditInput,
  AuditPaths,
  AuditResult,
  AuditedRequest,
  BaselineObject,
  FieldManager,
} from "./types";
export { AuditLogReader } from "./audit-log";
export { baselineOf } from "./baseline";
export type { RecordedDrift, RecordedRun, RunsCompared } from "./history";
export { compareRuns, hasWorsened, readRun, recordOf } from "./history";
export type { ChecklistItem, CheckState } from "./checklist";
export { checklist } from "./checklist";
