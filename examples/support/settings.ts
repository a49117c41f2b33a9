import * as pulumi from "@pulumi/pulumi";

/** What the examples can be told, under `clusterSecurity:` in the stack's configuration. */
export interface ExampleSettings {
  /** `clusterSecurity:nodeless` – the cluster has no nodes (a lab): nothing waits for pods. Defaults to false. */
  readonly nodeless: boolean;
  /**
   * `clusterSecurity:platform` – `stand-ins` deploys placeholders for kube-dns, cert-manager and the like, so that a bare
   * API server has them; `existing` leaves them to the cluster. Defaults to `stand-ins` on a nodeless cluster.
   */
  readonly standIns: boolean;
  /** `clusterSecurity:cni` – `existing` (default) relies on the Cilium that is there, `install` installs it. */
  readonly installCni: boolean;
  /** `clusterSecurity:ciliumVersion` – version of Cilium, installed or existing. */
  readonly ciliumVersion: string | undefined;
  /**
   * `clusterSecurity:mayUncoverOthers` – consent that destroying the stack takes the default deny away from workloads of
   * others. Defaults to true on a nodeless cluster, which has no others, and to false elsewhere.
   */
  readonly mayUncoverOthers: boolean;
  /** `clusterSecurity:ciliumChart` – chart to install from: a local path or an OCI address. */
  readonly ciliumChart: string | undefined;
}

/** Reads the settings of the current stack. */
export function exampleSettings(): ExampleSettings {
  const config = new pulumi.Config("clusterSecurity");
  const nodeless = config.getBoolean("nodeless") ?? false;
  const platform = config.get("platform", { allowedValues: ["stand-ins", "existing"] });
  return {
    nodeless,
    standIns: (platform ?? (nodeless ? "stand-ins" : "existing")) === "stand-ins",
    installCni: config.get("cni", { allowedValues: ["existing", "install"] }) === "install",
    mayUncoverOthers: config.getBoolean("mayUncoverOthers") ?? nodeless,
    ciliumVersion: config.get("ciliumVersion"),
    ciliumChart: config.get("ciliumChart"),
  };
}
