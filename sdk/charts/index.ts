/** Typed Helm values, by chart version. Pure. */
export type { ChartPlan, CiliumChartOptions, HubbleOptions } from "./cilium";
export {
  CiliumEncryption,
  CiliumEnforcementMode,
  ciliumValues,
  defaultCiliumVersion,
  defaultHubbleMetrics,
  oldestCiliumVersion,
} from "./cilium";
export { ChartValuesError } from "./errors";
export type { ChartValues } from "./values";
export { hasKey, leafKeys, mergeValues } from "./values";
