import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ArgumentCheck } from "./arguments";
import { chartArguments, checkArguments, isAnything, isFlag, isText } from "./arguments";
import type { IstioChart, IstioPlan, IstioPlatform } from "../charts/index";
import { chartSource, defaultIstioNamespace, istioPlan, istioSupport } from "../charts/index";
import { MeshMode } from "../plan/index";
import { chartRelease } from "./chart-release";
import { readArguments } from "./errors";
import { adopt } from "./existing";
import { privilegedNamespace } from "./platform-namespaces";
import { typeToken } from "./type-tokens";

/** Further values of Istio's charts, each merged last. */
export interface IstioValues {
  /** Chart `base`: CustomResourceDefinitions and roles. */
  base?: pulumi.Inputs;
  /** Chart `istiod`: the control plane. */
  istiod?: pulumi.Inputs;
  /** Chart `cni`: the plugin on every node. */
  cni?: pulumi.Inputs;
  /** Chart `ztunnel`: the proxy on every node, in ambient mode. */
  ztunnel?: pulumi.Inputs;
}

/** Charts that do not come from the repository under their published names: local paths or `oci://` addresses. */
export interface IstioChartSources {
  /** Defaults to `base`. */
  base?: string;
  /** Defaults to `istiod`. */
  istiod?: string;
  /** Defaults to `cni`. */
  cni?: string;
  /** Defaults to `ztunnel`. */
  ztunnel?: string;
}

/** Arguments of `IstioMesh`. */
export interface IstioMeshArgs {
  /** Istio runs already, installed by something else: nothing is installed, policies rely on it. Defaults to false. */
  existing?: boolean;
  /** Istio version, 1.24.0 or newer. Defaults to 1.30.3. */
  version?: string;
  /** Defaults to `sidecar`. */
  mode?: MeshMode;
  /**
   * Redirect traffic by a CNI plugin, so that pods need no privileged init container. Defaults to true; ambient mode
   * always has it.
   */
  cni?: boolean;
  /** Namespace of the control plane. Defaults to `istio-system`. */
  namespace?: string;
  /** Create the namespace. Defaults to true. */
  createNamespace?: boolean;
  /** Namespace of ztunnel and the CNI plugin, such as `kube-system` on GKE. Defaults to that of the control plane. */
  nodeAgentNamespace?: string;
  /** Root of every identity. Defaults to `cluster.local`. */
  trustDomain?: string;
  /** Defaults to a cluster without peculiarities. */
  platform?: IstioPlatform;
  /** Proxies log every connection. Defaults to true: Istio does not count connections that were denied at layer 4. */
  accessLog?: boolean;
  /** Ambient only, Istio 1.29 and newer: log what `istio.io/dry-run` policies would deny. Defaults to false. */
  dryRun?: boolean;
  /** Where the charts are: a repository (`https://…`), a mirror (`oci://…`), or a local folder. Defaults to Istio's own. */
  repository?: string;
  /** Charts that lie elsewhere. */
  charts?: IstioChartSources;
  /** Seconds to wait for each Release. Defaults to 600. */
  timeoutSeconds?: number;
  /** Do not wait for pods to become ready: for clusters without nodes. Defaults to false. */
  skipAwait?: boolean;
  /** Further chart values, merged last. */
  values?: IstioValues;
}

/** How the arguments of `IstioMesh` are checked. */
export const istioArguments: Readonly<Record<keyof IstioMeshArgs, ArgumentCheck>> = {
  ...chartArguments,
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

/** Summary of an `IstioMesh`. */
export interface MeshPosture {
  /** `sidecar` or `ambient`. */
  mode: string;
  /** Version of the charts; for an existing installation, as it was declared. */
  version: string;
  /** Installed by something else. */
  existing: boolean;
  /** Namespace of the control plane. */
  namespace: string;
  /** Root of every identity. */
  trustDomain: string;
}

/** Arguments that describe an Istio that is there already. */
const saysWhatIsThere = ["mode", "namespace", "trustDomain", "createNamespace", "cni", "nodeAgentNamespace"];

/**
 * Istio, sidecar or ambient: one Helm Release for each of its charts. It brings the mesh; that connections in it are
 * encrypted and who may open them is said by `MeshIdentity`, or by `ClusterSecurity` where the declaration has a mesh.
 * Beside Cilium, Cilium has to leave Istio's CNI plugin alone: `ClusterSecurity` sees to it, `CiliumCni` does with
 * `istio: true`. With `existing: true` nothing is installed.
 *
 * @throws ChartValuesError for versions, options and values that do not go together.
 */
export class IstioMesh extends pulumi.ComponentResource {
  /** Version of the charts; for an existing installation, as it was declared, or `unknown`. */
  public readonly version: pulumi.Output<string>;
  /** `sidecar` or `ambient`. */
  public readonly mode: pulumi.Output<string>;
  /** Namespace of the control plane. */
  public readonly namespace: pulumi.Output<string>;
  /** Root of every identity. */
  public readonly trustDomain: pulumi.Output<string>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<MeshPosture>;

  constructor(name: string, args: IstioMeshArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, istioArguments, true);
    const existing = args.existing ?? false;
    const found = existing ? readArguments(() => adopt(istioSupport, args, saysWhatIsThere)) : undefined;
    const plan = existing ? undefined : readArguments(() => planFor(args));
    const posture: MeshPosture = {
      mode: args.mode ?? MeshMode.Sidecar,
      version: plan?.version ?? found?.version ?? "unknown",
      existing,
      namespace: args.namespace ?? defaultIstioNamespace,
      trustDomain: args.trustDomain ?? "cluster.local",
    };
    super(typeToken("IstioMesh"), name, args, opts);

    for (const warning of plan?.warnings ?? found?.warnings ?? []) void pulumi.log.warn(warning, this);
    if (plan !== undefined) install(name, args, plan, this);
    this.version = pulumi.output(posture.version);
    this.mode = pulumi.output(posture.mode);
    this.namespace = pulumi.output(posture.namespace);
    this.trustDomain = pulumi.output(posture.trustDomain);
    this.posture = pulumi.output(posture);
    this.registerOutputs({
      version: this.version,
      mode: this.mode,
      namespace: this.namespace,
      trustDomain: this.trustDomain,
      posture: this.posture,
    });
  }
}

function planFor(args: IstioMeshArgs): IstioPlan {
  return istioPlan({ ...args, ambient: args.mode === MeshMode.Ambient }, { ...args.values });
}

/** Names of the Releases, as Istio's own instructions have them. */
const releaseNames: Readonly<Record<IstioChart, string>> = {
  base: "istio-base",
  istiod: "istiod",
  cni: "istio-cni",
  ztunnel: "ztunnel",
};

/** One after the other: each chart needs the definitions, the control plane or the plugin before it. */
function install(name: string, args: IstioMeshArgs, plan: IstioPlan, parent: pulumi.Resource): void {
  const repository = args.repository ?? "https://istio-release.storage.googleapis.com/charts";
  let before: pulumi.Resource[] = [];
  if (args.createNamespace ?? true) {
    const metadata = { name: args.namespace ?? defaultIstioNamespace, labels: { ...privilegedNamespace } };
    before = [new k8s.core.v1.Namespace(`${name}-namespace`, { metadata }, { parent })];
  }
  for (const { chart, namespace, values } of plan.releases) {
    const source = chartSource({ name: chart, version: plan.version, repository, chart: args.charts?.[chart] });
    const { timeoutSeconds, skipAwait } = args;
    const settings = { release: releaseNames[chart], namespace, source, version: plan.version, values };
    const release = chartRelease(
      `${name}-${chart}`,
      { ...settings, timeoutSeconds, skipAwait },
      { parent, dependsOn: before },
    );
    before = [...before, release];
  }
}
