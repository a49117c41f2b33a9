/**
 * The values of the tigera-operator chart as types, one for each minor. What the stack owns itself (`Installation` and
 * the like) and what a version does not have does not compile.
 */
import type { ChartValues } from "./values";

/** Keys of every version from 3.30 to 3.32, but for those whose resources the stack owns. */
interface EveryVersion extends ChartValues {
  resources?: ChartValues;
  tolerations?: readonly ChartValues[];
  nodeSelector?: { [label: string]: string };
  affinity?: ChartValues;
  priorityClassName?: string;
  podAnnotations?: { [key: string]: string };
  podLabels?: { [key: string]: string };
  tigeraOperator?: { image?: string; version?: string; registry?: string } & ChartValues;
  kubernetesServiceEndpoint?: { host?: string; port?: string } & ChartValues;
  /** Use the argument `installation`. */
  installation?: never;
  /** Always installed. */
  apiServer?: never;
  /** Use the argument `felixConfiguration`. */
  defaultFelixConfiguration?: never;
  /** Use the argument `goldmane`. */
  goldmane?: never;
  /** Use the argument `whisker`. */
  whisker?: never;
  /** Use the argument `crds`. */
  manageCRDs?: never;
}

/** Values of the operator's chart in Calico 3.30. */
interface Calico330Values extends EveryVersion {
  kubeletVolumePluginPath?: string;
}

/** Values of the operator's chart from Calico 3.31 on. */
interface Calico331Values extends EveryVersion {
  /** Moved to the argument `installation`. */
  kubeletVolumePluginPath?: never;
}

/** Which values a version takes. */
export interface CalicoValuesByVersion {
  [version: `3.30.${number}`]: Calico330Values;
  [version: `3.31.${number}`]: Calico331Values;
  [version: `3.32.${number}`]: Calico331Values;
}

/** A version of Calico whose chart values are typed. */
export type CalicoVersion = keyof CalicoValuesByVersion;

/** Values of the operator's chart, checked against the version by the compiler; to spread into `CalicoCni`'s arguments. */
export function calicoChart<Version extends CalicoVersion>(
  version: Version,
  values: CalicoValuesByVersion[Version],
): { version: Version; values: CalicoValuesByVersion[Version] } {
  return { version, values };
}
