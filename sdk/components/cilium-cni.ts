import * as pulumi from "@pulumi/pulumi";
import type { ArgumentCheck } from "./arguments";
import { chartArguments, checkArguments, isAnything, isFlag, isText } from "./arguments";
import type { CiliumOptions } from "../charts/index";
import { chartSource, ciliumSupport } from "../charts/index";
import { readCiliumChart } from "./cilium-chart";
import { chartRelease } from "./chart-release";
import { readArguments } from "./errors";
import { adopt } from "./existing";
import { typeToken } from "./type-tokens";

/** Arguments of `CiliumCni`. */
export interface CiliumCniArgs extends CiliumOptions {
  /**
   * Drop unencrypted traffic between pods of this IPv4 range (strict mode, WireGuard only); a range that is not known yet is
   * checked before the Release is created. Defaults to off.
   */
  strictEncryptionCidr?: pulumi.Input<string>;
  /** Cilium runs already, installed by something else: nothing is installed, policies rely on it. Defaults to false. */
  existing?: boolean;
  /** Namespace of the Release. Defaults to `kube-system`. */
  namespace?: string;
  /** Chart: a name in `repository`, a local path, or an `oci://` address. Defaults to `cilium`. */
  chart?: string;
  /**
   * Where the chart is: a repository (`https://…`), a mirror (`oci://…`), or a local folder. Defaults to Cilium's own;
   * unused where `chart` is a path or an address.
   */
  repository?: string;
  /** Seconds to wait for the Release. Defaults to 600. */
  timeoutSeconds?: number;
  /** Do not wait for pods to become ready: for clusters without nodes. Defaults to false. */
  skipAwait?: boolean;
  /** Further chart values, merged last. */
  values?: pulumi.Inputs;
}

/** How the arguments of `CiliumCni` are checked. */
export const ciliumArguments: Readonly<Record<keyof CiliumCniArgs, ArgumentCheck>> = {
  ...chartArguments,
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
  strictEncryptionCidr: isAnything,
};

/** Summary of a CNI component. */
export interface CniPosture {
  /** `cilium` or `calico`. */
  cni: string;
  /** Version of the chart; for an existing installation, as it was declared. */
  version: string;
  /** Installed by something else. */
  existing: boolean;
  /** `wireguard`, `ipsec`, `none`; `unknown` for an existing installation. */
  encryption: string;
  /** What records flows: `hubble`, `goldmane`, `none`; `unknown` for an existing installation. */
  flows: string;
}

/**
 * Cilium as the cluster's CNI: a Helm Release with WireGuard, Hubble, its relay and UI. With `existing: true` nothing is
 * installed; the component represents the existing installation.
 *
 * @throws ChartValuesError for versions, options and values that do not go together.
 */
export class CiliumCni extends pulumi.ComponentResource {
  /** Version of the chart; for an existing installation, as it was declared, or `unknown`. */
  public readonly version: pulumi.Output<string>;
  /** `wireguard`, `ipsec`, `none`; `unknown` for an existing installation. */
  public readonly encryption: pulumi.Output<string>;
  /** What records flows: `hubble`, `none`; `unknown` for an existing installation. */
  public readonly flows: pulumi.Output<string>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<CniPosture>;

  constructor(name: string, args: CiliumCniArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, ciliumArguments, true);
    const existing = args.existing ?? false;
    const found = existing ? readArguments(() => adopt(ciliumSupport, args, ["namespace"])) : undefined;
    const chart = existing ? undefined : readCiliumChart(args);
    const posture: CniPosture = {
      cni: "cilium",
      version: chart?.version ?? found?.version ?? "unknown",
      existing,
      encryption: chart === undefined ? "unknown" : (args.encryption ?? "wireguard"),
      flows: chart === undefined ? "unknown" : (args.hubble?.enabled ?? true) ? "hubble" : "none",
    };
    super(typeToken("CiliumCni"), name, args, opts);

    for (const warning of chart?.warnings ?? found?.warnings ?? []) void pulumi.log.warn(warning, this);
    if (chart !== undefined) {
      const { version, values } = chart;
      chart.refuseWrongRange(name, this);
      const repository = args.repository ?? "https://helm.cilium.io/";
      chartRelease(
        `${name}-release`,
        {
          release: "cilium",
          namespace: args.namespace ?? "kube-system",
          source: chartSource({ name: "cilium", version, repository, chart: args.chart }),
          version,
          values,
          timeoutSeconds: args.timeoutSeconds,
          skipAwait: args.skipAwait,
        },
        { parent: this },
      );
    }
    this.version = pulumi.output(posture.version);
    this.encryption = pulumi.output(posture.encryption);
    this.flows = pulumi.output(posture.flows);
    this.posture = pulumi.output(posture);
    this.registerOutputs({
      version: this.version,
      encryption: this.encryption,
      flows: this.flows,
      posture: this.posture,
    });
  }
}
