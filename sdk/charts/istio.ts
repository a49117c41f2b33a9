/**
 * Istio, sidecar or ambient: values of its charts base, istiod, cni and ztunnel. Keys and defaults were read from the
 * published charts 1.29 and 1.30, whose files keep them under `_internal_defaults_do_not_set`; they are set at top level.
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

/** Kinds of clusters whose nodes keep CNI plugins or priorities elsewhere (Istio: ambient/install/platform-prerequisites). */
export enum IstioPlatform {
  GKE = "gke",
  OpenShift = "openshift",
  K3s = "k3s",
  K3d = "k3d",
  MicroK8s = "microk8s",
  Minikube = "minikube",
}

/** What the charts are asked for. */
export interface IstioOptions {
  /** Istio version, 1.24.0 or newer. Defaults to 1.30.3. */
  readonly version?: string | undefined;
  /** A proxy on every node instead of one in every pod. Defaults to false. */
  readonly ambient?: boolean | undefined;
  /**
   * Redirect traffic by a CNI plugin, so that pods need no privileged init container. Defaults to true; ambient mode
   * always has it.
   */
  readonly cni?: boolean | undefined;
  /** Namespace of the control plane. Defaults to `istio-system`. */
  readonly namespace?: string | undefined;
  /** Namespace of ztunnel and the CNI plugin. Defaults to that of the control plane. */
  readonly nodeAgentNamespace?: string | undefined;
  /** Root of every identity. Defaults to `cluster.local`. */
  readonly trustDomain?: string | undefined;
  /** Defaults to a cluster without peculiarities. */
  readonly platform?: IstioPlatform | undefined;
  /** Proxies log every connection. Defaults to true: Istio has no counter of connections that were denied at layer 4. */
  readonly accessLog?: boolean | undefined;
  /** Ambient only: log what `istio.io/dry-run` policies would deny. Defaults to false. */
  readonly dryRun?: boolean | undefined;
}

/** The charts, by the names under which they are published. */
const istioCharts = ["base", "istiod", "cni", "ztunnel"] as const;
/** One of them. */
export type IstioChart = (typeof istioCharts)[number];
/** Values for some of the charts. */
export type IstioOverrides = Readonly<Partial<Record<IstioChart, ChartValues>>>;

/** One chart to install. */
interface IstioRelease {
  readonly chart: IstioChart;
  readonly namespace: string;
  readonly values: ChartValues;
}

/** What is installed, in the order in which it is. */
export interface IstioPlan {
  readonly version: string;
  readonly releases: readonly IstioRelease[];
  readonly warnings: readonly string[];
}

/** The newest version whose charts were read. */
const defaultIstioVersion = "1.30.3";
/** Where Istio is installed when nothing else is said. */
export const defaultIstioNamespace = "istio-system";

/**
 * Istio 1.24 is the oldest that is accepted: ambient mode is generally available from there on, and so is
 * `security.istio.io/v1`. Minors get fixes until shortly after the second one that follows.
 */
export const istioSupport: VersionSupport = {
  product: "Istio",
  recommended: defaultIstioVersion,
  oldest: "1.24.0",
  oldestMaintained: "1.29.0",
  checkedFrom: "1.29",
  checkedTo: "1.30",
};

const dryRunVariable = "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY";

const dryRun: AbsentKey = {
  key: `env.${dryRunVariable}`,
  versions: "<1.29.0",
  instead: "Istio 1.29 or newer: older ztunnels enforce policies that are only to be tried",
};

const absentKeys: Readonly<Record<IstioChart, readonly AbsentKey[]>> = {
  base: [{ key: "global.enableReaderRBAC", versions: "<1.30.0", instead: "Istio 1.30 or newer" }],
  istiod: [dryRun, { key: "taint.name", versions: "<1.30.0", instead: "Istio 1.30 or newer" }],
  cni: [{ key: "useAppArmorAnnotation", versions: "<1.30.0", instead: "Istio 1.30 or newer" }],
  ztunnel: [
    { key: "dnsPolicy", versions: "<1.30.0", instead: "Istio 1.30 or newer" },
    { key: "dnsConfig", versions: "<1.30.0", instead: "Istio 1.30 or newer" },
  ],
};

/** Keys under which the charts keep their own defaults; a value there would not be read, or stop the chart. */
const innerKeys = ["_internal_defaults_do_not_set", "defaults"];

/**
 * Writes the values of Istio's charts. That connections are encrypted is not theirs to say: `MeshIdentity` does, with
 * strict mutual TLS.
 *
 * @param overrides Merged last, over everything else.
 * @throws ChartValuesError for a version that is too old or none, options that exclude each other, and keys that the
 *   version does not have.
 */
export function istioPlan(options: IstioOptions, overrides: IstioOverrides = {}): IstioPlan {
  const version = readVersion(istioSupport, options.version);
  const releases = releasesOf(options).map((release): IstioRelease => ({
    ...release,
    values: mergeValues(release.values, overrides[release.chart] ?? {}),
  }));
  const problems = [
    ...versionProblems(istioSupport, version),
    ...optionProblems(options, version),
    ...overrideProblems(releases, overrides, version),
  ];
  if (problems.length > 0) throw new ChartValuesError(`Istio ${version}`, problems);
  return {
    version,
    releases,
    warnings: [...versionWarnings(istioSupport, version), ...valueWarnings(releases)],
  };
}

function releasesOf(options: IstioOptions): IstioRelease[] {
  const namespace = options.namespace ?? defaultIstioNamespace;
  const nodes = options.nodeAgentNamespace ?? namespace;
  const ambient = options.ambient ?? false;
  const profile = ambient ? { profile: "ambient" } : {};
  const platform = options.platform === undefined ? {} : { platform: options.platform };
  const release = (chart: IstioChart, home: string, values: ChartValues): IstioRelease => ({
    chart,
    namespace: home,
    values: { ...profile, ...values },
  });
  return [
    release("base", namespace, { global: { istioNamespace: namespace, ...platform } }),
    release("istiod", namespace, istiodValues(options, namespace, nodes, platform)),
    ...(ambient || (options.cni ?? true) ? [release("cni", nodes, { global: platform })] : []),
    ...(ambient ? [release("ztunnel", nodes, { istioNamespace: namespace, global: platform })] : []),
  ];
}

function istiodValues(options: IstioOptions, namespace: string, nodes: string, platform: ChartValues): ChartValues {
  const ambient = options.ambient ?? false;
  const meshConfig: ChartValues = {};
  if (options.accessLog ?? true) meshConfig["accessLogFile"] = "/dev/stdout";
  if (options.trustDomain !== undefined) meshConfig["trustDomain"] = options.trustDomain;
  const values: ChartValues = { global: { istioNamespace: namespace, ...platform }, meshConfig };
  if (ambient || (options.cni ?? true)) values["cni"] = { enabled: true };
  // istiod signs certificates for the workloads of a node only for a ztunnel that it trusts
  if (ambient && nodes !== namespace) values["trustedZtunnelNamespace"] = nodes;
  if (options.dryRun === true) values["env"] = { [dryRunVariable]: "true" };
  return values;
}

function optionProblems(options: IstioOptions, version: string): ChartProblem[] {
  const { problems, refuse } = collectProblems();
  const ambient = options.ambient ?? false;
  refuse(ambient && options.cni === false, ["cni"], "ambient mode needs it. Leave it out.");
  refuse(
    !ambient && options.cni === false && options.nodeAgentNamespace !== undefined,
    ["nodeAgentNamespace"],
    "nothing runs on the nodes. Leave it out, or turn cni on.",
  );
  refuse(options.dryRun === true && !ambient, ["dryRun"], "is for ambient mode; sidecars have dry runs without it.");
  refuse(options.dryRun === true && semver.lt(version, "1.29.0"), ["dryRun"], `needs ${dryRun.instead}.`);
  return problems;
}

function overrideProblems(
  releases: readonly IstioRelease[],
  overrides: IstioOverrides,
  version: string,
): ChartProblem[] {
  return istioCharts.flatMap((chart) => {
    const values = overrides[chart];
    if (values === undefined) return [];
    const path = ["values", chart];
    const at = (key: string, message: string): ChartProblem => ({ path: [...path, ...key.split(".")], message });
    if (!releases.some((release) => release.chart === chart)) {
      const message = "this chart is not installed. Remove it, or choose ambient mode or the CNI plugin.";
      return [{ path, message }];
    }
    const inner = innerKeys
      .filter((key) => hasKey(values, key))
      .map((key) => at(key, "holds the chart's own defaults. Write the keys at top level."));
    const fixed = ["profile", "global.istioNamespace", "istioNamespace"]
      .filter((key) => hasKey(values, key))
      .map((key) => at(key, "has to be the same for all charts. Use the arguments mode and namespace."));
    return [...inner, ...fixed, ...absentKeyProblems(absentKeys[chart], values, version, path)];
  });
}

function valueWarnings(releases: readonly IstioRelease[]): string[] {
  return releases.flatMap(({ chart, values }) => {
    if (valueAt(values, "global.networkPolicy.enabled") !== true) return [];
    return [
      `values.${chart}.global.networkPolicy: the chart's own NetworkPolicy allows all egress, besides what is declared.`,
    ];
  });
}
