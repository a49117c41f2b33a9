/**
 * Zero-trust networking for Kubernetes: declare who may talk to whom, and why; the components put it in place.
 */
export type { HubbleOptions } from "./charts/index";
export { ChartValuesError, CiliumEncryption, CiliumEnforcementMode } from "./charts/index";
export * from "./components/index";
export * from "./plan/index";
