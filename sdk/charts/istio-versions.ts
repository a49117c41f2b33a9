/** The values of Istio's charts as types, one for each minor: a key that the version does not have does not compile. */
import type { ChartValues } from "./values";

/** Keys that belong to this package, and the one under which the charts' files keep their defaults. */
interface OwnedKeys extends ChartValues {
  /** Write the keys at top level. */
  _internal_defaults_do_not_set?: never;
  /** Use the argument `mode`. */
  profile?: never;
}

interface GlobalValues extends ChartValues {
  /** Use the argument `namespace`. */
  istioNamespace?: never;
  imagePullSecrets?: readonly string[];
}

interface IstiodEveryVersion extends OwnedKeys {
  replicaCount?: number;
  autoscaleMin?: number;
  autoscaleMax?: number;
  revision?: string;
  env?: { [name: string]: string };
  global?: GlobalValues & { hub?: string; tag?: string; networkPolicy?: { enabled?: boolean }; logAsJson?: boolean };
  meshConfig?: ChartValues;
  sidecarInjectorWebhook?: { rewriteAppHTTPProbe?: boolean; enableNamespacesByDefault?: boolean } & ChartValues;
}

interface CniEveryVersion extends OwnedKeys {
  cniBinDir?: string;
  cniConfDir?: string;
  cniNetnsDir?: string;
  excludeNamespaces?: readonly string[];
  ambient?: { dnsCapture?: boolean; ipv6?: boolean; reconcileIptablesOnStartup?: boolean } & ChartValues;
  repair?: { enabled?: boolean; repairPods?: boolean; deletePods?: boolean } & ChartValues;
}

interface ZtunnelEveryVersion extends OwnedKeys {
  logLevel?: string;
  logAsJson?: boolean;
  resources?: ChartValues;
  /** Use the argument `namespace`. */
  istioNamespace?: never;
}

/** Values of the Istio 1.29 charts. */
interface Istio129Values {
  base?: OwnedKeys & { global?: GlobalValues & { enableReaderRBAC?: never } };
  istiod?: IstiodEveryVersion & { taint?: { enabled?: boolean; namespace?: string; name?: never } };
  cni?: CniEveryVersion & { useAppArmorAnnotation?: never };
  ztunnel?: ZtunnelEveryVersion & { dnsPolicy?: never; dnsConfig?: never };
}

/** Values of the Istio 1.30 charts. */
interface Istio130Values {
  base?: OwnedKeys & { global?: GlobalValues & { enableReaderRBAC?: boolean } };
  istiod?: IstiodEveryVersion & { taint?: { enabled?: boolean; namespace?: string; name?: string } };
  cni?: CniEveryVersion & { useAppArmorAnnotation?: boolean };
  ztunnel?: ZtunnelEveryVersion & { dnsPolicy?: string; dnsConfig?: ChartValues };
}

/** Which values a version takes. */
export interface IstioValuesByVersion {
  [version: `1.29.${number}`]: Istio129Values;
  [version: `1.30.${number}`]: Istio130Values;
}

/** A version of Istio whose chart values are typed. */
export type IstioVersion = keyof IstioValuesByVersion;

/** Values of Istio's charts, checked against the version by the compiler; to spread into the arguments of `IstioMesh`. */
export function istioChart<Version extends IstioVersion>(
  version: Version,
  values: IstioValuesByVersion[Version],
): { version: Version; values: IstioValuesByVersion[Version] } {
  return { version, values };
}
