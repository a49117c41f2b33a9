/** Typed Helm values, by chart version. Pure. */
export type { CalicoOptions, CalicoPlan, CalicoResource } from "./calico";
export { CalicoCrds, CalicoDataplane, CalicoPlatform, calicoPlan, calicoSupport, defaultCalicoVersion } from "./calico";
export type { CalicoValuesByVersion, CalicoVersion } from "./calico-versions";
export { calicoChart } from "./calico-versions";
export type { ChartPlan, CiliumChartOptions, HubbleOptions } from "./cilium";
export {
  CiliumEncryption,
  CiliumEnforcementMode,
  ciliumSupport,
  ciliumValues,
  defaultCiliumVersion,
  defaultHubbleMetrics,
} from "./cilium";
export type { CiliumValuesByVersion, CiliumVersion } from "./cilium-versions";
export { ciliumChart } from "./cilium-versions";
export { ChartValuesError } from "./errors";
export type { IstioChart, IstioOptions, IstioPlan, IstioRelease } from "./istio";
export { IstioPlatform, defaultIstioNamespace, defaultIstioVersion, istioPlan, istioSupport } from "./istio";
export type { IstioValuesByVersion, IstioVersion } from "./istio-versions";
export { istioChart } from "./istio-versions";
export type { ChartSource } from "./source";
export { chartSource, isLocal } from "./source";
export type { ChartValues } from "./values";
export { hasKey, leafKeys, mergeValues } from "./values";
export type { VersionSupport } from "./versions";
export { readVersion, versionProblems, versionWarnings } from "./versions";
export { ciliumKeysAbsentIn } from "./unread-keys";
