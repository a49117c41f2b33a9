export type { ApplicationPreset, PlatformPreset } from "./catalogue";
export { applicationPresets, platformPresets } from "./catalogue";
export type {
  AgentSandboxDeclaration,
  ApplicationPresets,
  ArgoCdService,
  BackendDeclaration,
  CeleryService,
  CiliumGatewayService,
  CoreDnsService,
  EnvoyGatewayService,
  FluxService,
  IngressNginxService,
  PostgresqlService,
  PrometheusService,
  RabbitmqService,
  RedisService,
  TraefikService,
  VictoriaMetricsService,
} from "./declarations";
export { letsEncryptServers } from "./cert-manager";
export type { Expansion } from "./expansion";
export { presetOwner } from "./expansion";
export type { Preset, PresetContext, PresetParts } from "./preset";
