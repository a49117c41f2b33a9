/**
 * Calico through the Tigera operator: values of its chart, and the resources of the operator that the stack owns itself.
 * Keys and defaults were read from the published charts 3.30 to 3.32; fields of the resources from `operator.tigera.io/v1`
 * and `projectcalico.org/v3`.
 */
import semver from "semver";
import type { AbsentKey } from "./absent-keys";
import { absentKeyProblems } from "./absent-keys";
import type { ChartProblem } from "./errors";
import { ChartValuesError, collectProblems } from "./errors";
import type { ChartValues } from "./values";
import { hasKey, mergeValues, valueAt } from "./values";
import type { VersionSupport } from "./versions";
import { readVersion, versionProblems, versionWarnings } from "./versions";

/** What programs the nodes. */
export enum CalicoDataplane {
  Iptables = "Iptables",
  /** Calico 3.29 and newer. */
  Nftables = "Nftables",
  Bpf = "BPF",
}

/** The kind of cluster, where the operator is not to find out by itself. */
export enum CalicoPlatform {
  EKS = "EKS",
  GKE = "GKE",
  AKS = "AKS",
  OpenShift = "OpenShift",
  RKE2 = "RKE2",
  DockerEnterprise = "DockerEnterprise",
  TKG = "TKG",
}

/** Who brings Calico's CustomResourceDefinitions. */
export enum CalicoCrds {
  /** A Release of their own (chart `crd.projectcalico.org.v1`, Calico 3.32 and newer). */
  Chart = "chart",
  /** The operator; until 3.31 the operator's chart brings those that it needs to start. */
  Operator = "operator",
  /** Something else, before this stack. */
  Existing = "existing",
}

/** What the operator is asked for. Every field has a secure default. */
export interface CalicoOptions {
  /** Calico version, 3.25.0 or newer. Defaults to 3.32.1. */
  version?: string;
  /** Encrypt traffic between pods on different nodes with WireGuard, IPv4 and IPv6. Defaults to true. */
  wireguard?: boolean;
  /** Encrypt traffic between the nodes themselves too. Defaults to false. */
  wireguardHosts?: boolean;
  /** Goldmane, which gathers flows (3.30 and newer). Defaults to true where the version has it. */
  goldmane?: boolean;
  /** Whisker, the flows' user interface (3.30 and newer); needs Goldmane. Defaults to true where the version has it. */
  whisker?: boolean;
  /** Felix's metrics on every node, port 9091. Defaults to false. */
  metrics?: boolean;
  /** Defaults to what the operator chooses (iptables). */
  dataplane?: CalicoDataplane;
  /** Defaults to what the operator finds. */
  platform?: CalicoPlatform;
  /**
   * Who brings the CustomResourceDefinitions. Defaults to a Release of their own from 3.32 on, else to the operator. A
   * cluster that was on 3.31 keeps `operator`: Helm takes over no definition that it did not make.
   */
  crds?: CalicoCrds;
}

/** The newest version whose chart and definitions were read. */
const defaultCalicoVersion = "3.32.1";

/** Calico 3.25 is the oldest that is accepted (issue 5). The project maintains two minors. */
export const calicoSupport: VersionSupport = {
  product: "Calico",
  recommended: defaultCalicoVersion,
  oldest: "3.25.0",
  oldestMaintained: "3.31.0",
  checkedFrom: "3.30",
  checkedTo: "3.32",
};

/** A resource of the operator, or of Calico's own API. */
export interface CalicoResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly spec: ChartValues;
}

/** What is installed, in parts. */
export interface CalicoPlan {
  /** Without `v`. */
  readonly version: string;
  /** As the charts are published: with `v`. */
  readonly chartVersion: string;
  /** Values of the operator's chart. */
  readonly operatorValues: ChartValues;
  /** Whether a Release brings the CustomResourceDefinitions. */
  readonly crdChart: boolean;
  /** `Installation`, which the operator turns into calico-node and its helpers. */
  readonly installation: CalicoResource;
  /** `APIServer`: it serves `projectcalico.org/v3`, so it comes before everything of that API. */
  readonly apiServer: CalicoResource;
  /** `FelixConfiguration`: what the nodes do, encryption above all. */
  readonly felix: CalicoResource;
  /** Goldmane and Whisker, in order; none below 3.30. */
  readonly observability: readonly CalicoResource[];
  readonly warnings: readonly string[];
}

/** Merged last, each over what this package writes. */
export interface CalicoOverrides {
  /** Values of the operator's chart. */
  readonly values?: ChartValues;
  /** Spec of `Installation`. */
  readonly installation?: ChartValues;
  /** Spec of the `FelixConfiguration` named `default`. */
  readonly felix?: ChartValues;
}

/** Keys of the chart that are this package's: their resources are not in the Release. */
const ownedKeys: Readonly<Record<string, string>> = {
  installation: "the argument installation",
  apiServer: "nothing: it is always installed",
  defaultFelixConfiguration: "the argument felixConfiguration",
  goldmane: "the argument goldmane",
  whisker: "the argument whisker",
  manageCRDs: "the argument crds",
};

const absentKeys: readonly AbsentKey[] = [
  {
    key: "kubeletVolumePluginPath",
    versions: ">=3.31.0",
    instead: "the argument installation, with kubeletVolumePluginPath",
  },
];

/**
 * Writes the operator's values and resources.
 *
 * The resources are not left to the chart: `Installation` carries a finalizer, and Helm would remove the operator that
 * has to answer it together with it (tigera/operator issue 2031), so that a destroy would hang.
 *
 * @throws ChartValuesError for a version that is too old or none, options that exclude each other, values that belong to
 *   this package, and keys that the version does not have.
 */
export function calicoPlan(options: CalicoOptions, overrides: CalicoOverrides = {}): CalicoPlan {
  const version = readVersion(calicoSupport, options.version);
  const { values = {}, installation = {}, felix = {} } = overrides;
  const problems = [
    ...versionProblems(calicoSupport, version),
    ...optionProblems(options, version),
    ...ownedKeyProblems(values),
    ...absentKeyProblems(absentKeys, values, version),
  ];
  if (problems.length > 0) throw new ChartValuesError(`Calico ${version}`, problems);
  const crds = crdsFor(options, version);
  const felixSpec = mergeValues(felixOf(options), felix);
  return {
    version,
    chartVersion: `v${version}`,
    operatorValues: mergeValues(operatorValues(crds, version), values),
    crdChart: crds === CalicoCrds.Chart,
    installation: operatorResource("Installation", mergeValues(installationOf(options), installation)),
    apiServer: operatorResource("APIServer", {}),
    felix: { apiVersion: "projectcalico.org/v3", kind: "FelixConfiguration", name: "default", spec: felixSpec },
    observability: observabilityOf(options, version),
    warnings: warningsFor(options, version, felixSpec),
  };
}

function operatorResource(kind: string, spec: ChartValues): CalicoResource {
  return { apiVersion: "operator.tigera.io/v1", kind, name: "default", spec };
}

function operatorValues(crds: CalicoCrds, version: string): ChartValues {
  const off = { enabled: false };
  const values: ChartValues = { installation: off, apiServer: off, defaultFelixConfiguration: off };
  if (!hasFlows(version)) return values;
  return { ...values, goldmane: off, whisker: off, manageCRDs: crds === CalicoCrds.Operator };
}

function installationOf(options: CalicoOptions): ChartValues {
  const spec: ChartValues = {
    variant: "Calico",
    // no CSI driver on the nodes, as the chart has it since 3.30
    kubeletVolumePluginPath: "None",
  };
  if (options.platform !== undefined) spec["kubernetesProvider"] = options.platform;
  if (options.dataplane !== undefined) spec["calicoNetwork"] = { linuxDataplane: options.dataplane };
  return spec;
}

function felixOf(options: CalicoOptions): ChartValues {
  const wireguard = options.wireguard ?? true;
  const spec: ChartValues = { wireguardEnabled: wireguard, wireguardEnabledV6: wireguard };
  if (options.wireguardHosts === true) spec["wireguardHostEncryptionEnabled"] = true;
  if (options.metrics === true) {
    spec["prometheusMetricsEnabled"] = true;
    spec["prometheusWireGuardMetricsEnabled"] = wireguard;
  }
  return spec;
}

function observabilityOf(options: CalicoOptions, version: string): CalicoResource[] {
  const goldmane = options.goldmane ?? hasFlows(version);
  const whisker = options.whisker ?? goldmane;
  return [
    ...(goldmane ? [operatorResource("Goldmane", {})] : []),
    // notifications would send usage data outside the cluster
    ...(whisker ? [operatorResource("Whisker", { notifications: "Disabled" })] : []),
  ];
}

/** Goldmane and Whisker came with 3.30. */
function hasFlows(version: string): boolean {
  return semver.gte(version, "3.30.0");
}

function crdsFor(options: CalicoOptions, version: string): CalicoCrds {
  return options.crds ?? (semver.gte(version, "3.32.0") ? CalicoCrds.Chart : CalicoCrds.Operator);
}

function optionProblems(options: CalicoOptions, version: string): ChartProblem[] {
  const { problems, refuse } = collectProblems();
  refuse(options.goldmane === true && !hasFlows(version), ["goldmane"], "needs Calico 3.30 or newer.");
  refuse(options.whisker === true && !hasFlows(version), ["whisker"], "needs Calico 3.30 or newer.");
  refuse(options.whisker === true && options.goldmane === false, ["whisker"], "needs Goldmane. Turn goldmane on.");
  refuse(
    options.wireguardHosts === true && options.wireguard === false,
    ["wireguardHosts"],
    "needs WireGuard. Turn wireguard on, or leave wireguardHosts out.",
  );
  refuse(
    options.dataplane === CalicoDataplane.Nftables && semver.lt(version, "3.29.0"),
    ["dataplane"],
    "Nftables needs Calico 3.29 or newer.",
  );
  refuse(
    options.crds === CalicoCrds.Chart && semver.lt(version, "3.32.0"),
    ["crds"],
    "there is a chart of them from Calico 3.32 on. Leave it out.",
  );
  return problems;
}

function ownedKeyProblems(values: ChartValues): ChartProblem[] {
  return Object.entries(ownedKeys)
    .filter(([key]) => hasKey(values, key))
    .map(([key, instead]) => ({
      path: ["values", ...key.split(".")],
      message: `its resource belongs to the stack, not to the chart. Use ${instead}.`,
    }));
}

function warningsFor(options: CalicoOptions, version: string, felix: ChartValues): string[] {
  const warnings = versionWarnings(calicoSupport, version);
  if (felix["wireguardEnabled"] !== true || felix["wireguardEnabledV6"] !== true) {
    warnings.push("WireGuard is not on for both address families: traffic between nodes can be read on the way.");
  }
  if (options.goldmane === false || !hasFlows(version)) {
    warnings.push("Goldmane is not installed: denied flows are not recorded.");
  }
  if (valueAt(felix, "istioAmbientMode") === "Enabled") {
    warnings.push("istioAmbientMode is on: policies see the ports of the workloads, not the tunnel's port 15008.");
  }
  return warnings;
}
