/** The arguments of the components that install an enforcer, and how each is checked. */
import type { ArgumentCheck } from "./arguments";
import { isAnything, isFlag, isText } from "./arguments";
import type { CalicoCniArgs } from "./calico-cni";
import type { CiliumCniArgs } from "./cilium-cni";
import type { IstioMeshArgs } from "./istio-mesh";

/** What is said of every chart. A version decides which values there are: it has to be known in preview. */
const ofEveryChart = {
  existing: isFlag,
  version: isText,
  namespace: isText,
  repository: isText,
  timeoutSeconds: isAnything,
  skipAwait: isFlag,
  values: isAnything,
};

/** Arguments of `CiliumCni`. Those that chart values follow from are checked with the chart's. */
export const ciliumArguments: Readonly<Record<keyof CiliumCniArgs, ArgumentCheck>> = {
  ...ofEveryChart,
  auditMode: isFlag,
  chart: isText,
  clusterNetworkPolicy: isFlag,
  denyResponse: isFlag,
  encryption: isAnything,
  enforcementMode: isAnything,
  hostFirewall: isFlag,
  hubble: isAnything,
  istio: isFlag,
  limitedDns: isFlag,
  nodeEncryption: isFlag,
  strictEncryptionCidr: isText,
};

/** Arguments of `CalicoCni`. */
export const calicoArguments: Readonly<Record<keyof CalicoCniArgs, ArgumentCheck>> = {
  ...ofEveryChart,
  crdChart: isText,
  crds: isAnything,
  dataplane: isAnything,
  felixConfiguration: isAnything,
  goldmane: isFlag,
  installation: isAnything,
  metrics: isFlag,
  operatorChart: isText,
  platform: isAnything,
  whisker: isFlag,
  wireguard: isFlag,
  wireguardHosts: isFlag,
};

/** Arguments of `IstioMesh`. */
export const istioArguments: Readonly<Record<keyof IstioMeshArgs, ArgumentCheck>> = {
  ...ofEveryChart,
  accessLog: isFlag,
  charts: isAnything,
  cni: isFlag,
  createNamespace: isFlag,
  dryRun: isFlag,
  mode: isAnything,
  nodeAgentNamespace: isText,
  platform: isAnything,
  trustDomain: isText,
};
