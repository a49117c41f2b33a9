/**
 * Zero-trust networking for Kubernetes: declare who may talk to whom, and why; the components put it in place.
 */
export type {
  CalicoValuesByVersion,
  CalicoVersion,
  ChartProblem,
  CiliumValuesByVersion,
  CiliumVersion,
  HubbleOptions,
  IstioValuesByVersion,
  IstioVersion,
} from "./charts/index";
export {
  CalicoCrds,
  CalicoDataplane,
  CalicoPlatform,
  ChartValuesError,
  CiliumEncryption,
  CiliumEnforcementMode,
  IstioPlatform,
  calicoChart,
  ciliumChart,
  istioChart,
} from "./charts/index";
export * from "./components/index";
export * from "./plan/builders";
export * from "./plan/declaration";
export type {
  DeclarationProblem,
  DocumentedException,
  EgressDeclaration,
  EgressHost,
  EgressRange,
  ExceptionPorts,
  ExceptionSide,
  ExceptionState,
  Input,
  Plan,
  PlanWarning,
  PlannedBypass,
  PlannedDns,
  PlannedException,
  PlannedFlow,
  PlannedMetadataAccess,
  PlannedNamespace,
  PlannedObject,
  PlannedPeer,
  PlannedTenant,
  PolicyDocument,
  Stage,
  TenantPlanDeclaration,
  WarningCode,
} from "./plan/index";
export { DeclarationError, describePlannedPeer, documentedExceptions, exceptionAnnotation, plan } from "./plan/index";
export type * from "./plan/presets/declarations";
export type { PropertyPath } from "./property-path";
export { formatPath } from "./property-path";

export type {
  Alert,
  AlertingRule,
  AlertmanagerFragment,
  AppLabelDeclaration,
  Dashboard,
  MonitoringDeclaration,
  MonitoringDocument,
  MonitoringFile,
  MonitoringPlan,
  MonitoringValues,
  MuteDeclaration,
  NamespaceOwnerDeclaration,
  MonitorDraft,
  PrometheusRule,
  RecordingRule,
  Rule,
  RuleFile,
  RuleGroup,
  SeriesEstimate,
} from "./monitoring/index";
export {
  FlowLog,
  MonitoredEnforcer,
  MonitoringError,
  monitoringFiles,
  planMonitoring,
  prometheusRule,
} from "./monitoring/index";
