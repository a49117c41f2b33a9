import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { CniKind, Dialect } from "../../sdk/index";

/** What the examples can be told, under `clusterSecurity:` in the stack's configuration. */
export interface ExampleSettings {
  /**
   * `clusterSecurity:platform` – `stand-ins` deploys placeholders for kube-dns, cert-manager and the like, so that a bare
   * API server has them; `existing` (default) leaves them to the cluster.
   */
  readonly standIns: boolean;
  /** `clusterSecurity:dialect` – API of the policies; the declaration's own by default. */
  readonly dialect: Dialect | undefined;
  /** `clusterSecurity:cni` – `existing` (default) relies on the Cilium that is there, `install` installs it. */
  readonly installCni: boolean;
  /** `clusterSecurity:ciliumVersion` – version of Cilium, installed or existing. */
  readonly ciliumVersion: string | undefined;
  /**
   * `clusterSecurity:mayUncoverOthers` – consent that destroying the stack takes the default deny away from workloads of
   * others. Defaults to false.
   */
  readonly mayUncoverOthers: boolean;
  /** `clusterSecurity:ciliumChart` – chart to install from: a local path or an OCI address. */
  readonly ciliumChart: string | undefined;
}

/** Reads the settings of the current stack. */
export function exampleSettings(): ExampleSettings {
  const config = new pulumi.Config("clusterSecurity");
  const platform = config.get("platform", { allowedValues: ["stand-ins", "existing"] });
  return {
    dialect: config.get<Dialect>("dialect", { allowedValues: Object.values(Dialect) }),
    standIns: platform === "stand-ins",
    installCni: config.get("cni", { allowedValues: ["existing", "install"] }) === "install",
    mayUncoverOthers: config.getBoolean("mayUncoverOthers") ?? false,
    ciliumVersion: config.get("ciliumVersion"),
    ciliumChart: config.get("ciliumChart"),
  };
}

/** A declaration in the API that the settings ask for. */
export function inDialect<T extends { dialect?: Dialect }>(declaration: T, { dialect }: ExampleSettings): T {
  return dialect === undefined ? declaration : { ...declaration, dialect };
}

/** The enforcer that is there, where the policies are of its own API; others are read by several. */
export function existingCni({ dialect = Dialect.Cilium }: ExampleSettings): Pick<ClusterSecurityArgs, "cni"> {
  if (dialect === Dialect.Cilium) return { cni: { existing: true } };
  return dialect === Dialect.Calico ? { cni: { kind: CniKind.Calico, existing: true } } : {};
}
