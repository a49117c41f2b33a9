/**
 * Zero-trust networking for Kubernetes: declare who may talk to whom, and why; the components put it in place.
 */
export type {
  CalicoValuesByVersion,
  CalicoVersion,
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
export * from "./plan/index";
