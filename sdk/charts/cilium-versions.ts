/**
 * The values of the Cilium chart as types, one for each minor: a key that the chosen version does not have does not
 * compile. Keys that matter to security are spelled out; every other key may be written too.
 */
import type { ChartValues } from "./values";

/** Switches one thing on or off. */
interface Toggle extends ChartValues {
  enabled?: boolean;
}

/** Keys of every version from 1.17 to 1.20. */
interface EveryVersion extends ChartValues {
  policyEnforcementMode?: "default" | "always" | "never";
  policyAuditMode?: boolean;
  enableNonDefaultDenyPolicies?: boolean;
  l7Proxy?: boolean;
  hostFirewall?: Toggle;
  authentication?: Toggle;
  operator?: { replicas?: number } & ChartValues;
  prometheus?: Toggle;
  cni?: { exclusive?: boolean; chainingMode?: string } & ChartValues;
  socketLB?: { hostNamespaceOnly?: boolean } & Toggle;
  endpointLockdownOnMapOverflow?: boolean;
  upgradeCompatibility?: string;
  dnsProxy?: {
    dnsRejectResponseCode?: "refused" | "nameError";
    endpointMaxIpPerHostname?: number;
    idleConnectionGracePeriod?: string;
    minTtl?: number;
    proxyResponseMaxDelay?: string;
  } & ChartValues;
}

interface BpfValues extends ChartValues {
  masquerade?: boolean;
  policyMapMax?: number;
}

interface EncryptionValues extends Toggle {
  nodeEncryption?: boolean;
  wireguard?: { persistentKeepalive?: string; userspaceFallback?: never } & ChartValues;
}

/** Strict mode until 1.18. */
interface StrictMode extends Toggle {
  cidr?: string;
  allowRemoteNodeIdentities?: boolean;
  egress?: never;
  ingress?: never;
}

/** Strict mode for traffic that leaves a node. */
interface EgressStrictMode extends Toggle {
  cidr?: string;
  allowRemoteNodeIdentities?: boolean;
}

/** Strict mode in 1.19, which still takes the old keys. */
interface StrictModeBothForms extends Toggle {
  cidr?: string;
  allowRemoteNodeIdentities?: boolean;
  egress?: EgressStrictMode;
  ingress?: Toggle;
}

/** Strict mode from 1.20 on. */
interface StrictModeByDirection extends ChartValues {
  /** Moved to `egress.enabled`. */
  enabled?: never;
  /** Moved to `egress.cidr`. */
  cidr?: never;
  /** Moved to `egress.allowRemoteNodeIdentities`. */
  allowRemoteNodeIdentities?: never;
  egress?: EgressStrictMode;
  ingress?: Toggle;
}

interface HubbleValues extends Toggle {
  relay?: { replicas?: number } & Toggle;
  ui?: Toggle;
  metrics?: { enabled?: readonly string[]; enableOpenMetrics?: boolean; serviceMonitor?: Toggle } & ChartValues;
  redact?: Toggle;
  tls?: { auto?: { method?: "helm" | "cronJob" | "certmanager" } & Toggle } & ChartValues;
}

interface FlowExportFile extends Toggle {
  filePath?: string;
  allowList?: readonly string[];
  denyList?: readonly string[];
  fieldMask?: readonly string[];
}

/** Values of the Cilium 1.17 chart. */
interface Cilium117Values extends EveryVersion {
  bpf?: BpfValues & { policyStatsMapMax?: never };
  encryption?: EncryptionValues & { type?: "ipsec" | "wireguard"; strictMode?: StrictMode; ztunnel?: never };
  hubble?: HubbleValues & {
    networkPolicyCorrelation?: never;
    export?: {
      fileMaxSizeMb?: number;
      fileMaxBackups?: number;
      static?: FlowExportFile & { fileMaxSizeMb?: never; fileMaxBackups?: never; fieldAggregate?: never };
    } & ChartValues;
  };
  policyDenyResponse?: never;
  standaloneDnsProxy?: never;
  k8sClusterNetworkPolicy?: never;
}

/** Where flows are written since 1.18. */
interface SizedExport extends FlowExportFile {
  fileMaxSizeMb?: number;
  fileMaxBackups?: number;
}

/** Keys that every version since 1.18 has, and those that went with 1.17. */
interface Since118 extends EveryVersion {
  bpf?: BpfValues & { policyStatsMapMax?: number };
  kubeProxyReplacement?: boolean | "true" | "false";
  /** `ciliumEndpointSlice.enabled` took its place. */
  enableCiliumEndpointSlice?: never;
  externalWorkloads?: never;
  highScaleIPcache?: never;
  /** `kubeProxyReplacement` took its place. */
  hostPort?: never;
}

interface Hubble118 extends HubbleValues {
  networkPolicyCorrelation?: Toggle;
}

/** Values of the Cilium 1.18 chart. */
interface Cilium118Values extends Since118 {
  encryption?: EncryptionValues & { type?: "ipsec" | "wireguard"; strictMode?: StrictMode; ztunnel?: never };
  hubble?: Hubble118 & {
    export?: {
      /** Moved to `static.fileMaxSizeMb`. */
      fileMaxSizeMb?: never;
      /** Moved to `static.fileMaxBackups`. */
      fileMaxBackups?: never;
      static?: SizedExport & { fieldAggregate?: never };
    } & ChartValues;
  };
  policyDenyResponse?: never;
  standaloneDnsProxy?: never;
  k8sClusterNetworkPolicy?: never;
}

interface Since119 extends Since118 {
  hubble?: Hubble118 & {
    export?: {
      fileMaxSizeMb?: never;
      fileMaxBackups?: never;
      static?: SizedExport & { fieldAggregate?: readonly string[]; aggregationInterval?: string };
    } & ChartValues;
  };
  policyDenyResponse?: "none" | "icmp";
  standaloneDnsProxy?: Toggle;
  customCalls?: never;
  svcSourceRangeCheck?: never;
}

/** Values of the Cilium 1.19 chart. */
interface Cilium119Values extends Since119 {
  encryption?: EncryptionValues & { type?: "ipsec" | "wireguard" | "ztunnel"; strictMode?: StrictModeBothForms };
  k8sClusterNetworkPolicy?: never;
}

/** Values of the Cilium 1.20 chart. */
interface Cilium120Values extends Since119 {
  encryption?: EncryptionValues & { type?: "ipsec" | "wireguard" | "ztunnel"; strictMode?: StrictModeByDirection };
  k8sClusterNetworkPolicy?: Toggle;
}

/** Which values a version takes. */
export interface CiliumValuesByVersion {
  [version: `1.17.${number}`]: Cilium117Values;
  [version: `1.18.${number}`]: Cilium118Values;
  [version: `1.19.${number}`]: Cilium119Values;
  [version: `1.20.${number}`]: Cilium120Values;
}

/** A version of Cilium whose chart values are typed. */
export type CiliumVersion = keyof CiliumValuesByVersion;

/**
 * Values of the Cilium chart, checked against the version by the compiler; to spread into the arguments of `CiliumCni`:
 * `new CiliumCni("cni", { ...ciliumChart("1.20.2", { hubble: { relay: { replicas: 2 } } }) })`.
 */
export function ciliumChart<Version extends CiliumVersion>(
  version: Version,
  values: CiliumValuesByVersion[Version],
): { version: Version; values: CiliumValuesByVersion[Version] } {
  return { version, values };
}
