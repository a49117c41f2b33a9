/** What watches a declaration: rules, routes, dashboards and runbooks. Pure: no cluster, no file system. */
export type { AlertmanagerFragment } from "./alertmanager";
export { MonitoringError } from "./errors";
export type { MonitoringPlan } from "./plan";
export { planMonitoring } from "./plan";
export type { PrometheusRule } from "./prometheus-rule";
export { prometheusRule } from "./prometheus-rule";
export type { Dashboard } from "./dashboards/panels";
export type { MonitoringDocument } from "./documents/runbooks";
export type { MonitorDraft } from "./monitors";
export type { MonitoringFile } from "./files";
export type { SeriesEstimate } from "./series";
export type { MonitoringValues } from "./values";
export type {
  AppLabelDeclaration,
  MonitoringDeclaration,
  MuteDeclaration,
  NamespaceOwnerDeclaration,
} from "./settings";
export { FlowLog, MonitoredEnforcer } from "./settings";
export type { Alert, AlertingRule, RecordingRule, Rule, RuleFile, RuleGroup } from "./types";
export { isRecording } from "./types";
export { monitoringFiles } from "./files";
export { readMonitoringDeclaration } from "./read";
export { calicoPendingPolicies, ciliumMonitoringValues } from "./values";
