import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { CiliumChartOptions } from "../charts/index";
import { ChartValuesError, ciliumValues, defaultCiliumVersion } from "../charts/index";
import { typeToken } from "./type-tokens";

/** Arguments of `CiliumCni`. */
export interface CiliumCniArgs extends CiliumChartOptions {
  /** Cilium runs already, installed by something else: nothing is installed, policies rely on it. Defaults to false. */
  existing?: boolean;
  /** Namespace of the Release. Defaults to `kube-system`. */
  namespace?: string;
  /** Chart: a name in `repository`, a local path, or an `oci://` address. Defaults to `cilium`. */
  chart?: string;
  /** Chart repository. Defaults to Cilium's own; unused with a local path or an `oci://` address. */
  repository?: string;
  /** Seconds to wait for the Release. Defaults to 600. */
  timeoutSeconds?: number;
  /** Do not wait for pods to become ready: for clusters without nodes. Defaults to false. */
  skipAwait?: boolean;
  /** Further chart values, merged last. */
  values?: pulumi.Inputs;
}

/** What `CiliumCni` stands for. */
export interface CniPosture {
  /** `cilium`. */
  cni: string;
  /** Version of the chart; for an existing installation, as it was declared. */
  version: string;
  /** Installed by something else. */
  existing: boolean;
  /** `wireguard`, `ipsec`, `none`; `unknown` for an existing installation. */
  encryption: string;
  /** Whether flows are recorded; for an existing installation `unknown`. */
  hubble: string;
}

/**
 * Cilium as the cluster's CNI: a Helm Release with WireGuard, Hubble, its relay and UI. With `existing: true` nothing is
 * installed and the component only stands for what is there.
 *
 * @throws ChartValuesError for versions, options and values that do not go together.
 */
export class CiliumCni extends pulumi.ComponentResource {
  /** What was installed or adopted. */
  public readonly posture: pulumi.Output<CniPosture>;

  constructor(name: string, args: CiliumCniArgs, opts?: pulumi.ComponentResourceOptions) {
    const existing = args.existing ?? false;
    const chart = existing ? undefined : ciliumValues(args, args.values ?? {});
    if (existing) refuseIgnoredOptions(args);
    const posture: CniPosture = {
      cni: "cilium",
      version: chart?.version ?? args.version ?? "unknown",
      existing,
      encryption: chart === undefined ? "unknown" : (args.encryption ?? "wireguard"),
      hubble: chart === undefined ? "unknown" : String(args.hubble?.enabled ?? true),
    };
    super(typeToken("CiliumCni"), name, posture, opts);

    if (chart !== undefined) {
      for (const warning of chart.warnings) void pulumi.log.warn(warning, this);
      const source = args.chart ?? "cilium";
      const fromRepository = !source.includes("/") && !source.endsWith(".tgz");
      new k8s.helm.v3.Release(
        `${name}-release`,
        {
          name: "cilium",
          namespace: args.namespace ?? "kube-system",
          chart: source,
          ...(isLocalPath(source) ? {} : { version: chart.version }),
          ...(fromRepository ? { repositoryOpts: { repo: args.repository ?? "https://helm.cilium.io/" } } : {}),
          timeout: args.timeoutSeconds ?? 600,
          // a half-installed CNI is worse than none
          atomic: !(args.skipAwait ?? false),
          skipAwait: args.skipAwait ?? false,
          values: chart.values,
        },
        { parent: this },
      );
    }
    this.posture = pulumi.output(posture);
    this.registerOutputs({ posture: this.posture });
  }
}

function isLocalPath(chart: string): boolean {
  return chart.endsWith(".tgz") || (chart.includes("/") && !chart.startsWith("oci://"));
}

/** With `existing: true` nothing is installed; an option that would silently do nothing is refused. */
function refuseIgnoredOptions(args: CiliumCniArgs): void {
  const meaningful = new Set(["existing", "version", "namespace"]);
  const ignored = Object.entries(args).filter(([key, value]) => value !== undefined && !meaningful.has(key));
  if (ignored.length === 0) return;
  throw new ChartValuesError(
    `Cilium ${args.version ?? defaultCiliumVersion}`,
    ignored.map(([key]) => `${key}: has no effect with existing: true. Remove it, or let the stack install Cilium.`),
  );
}
