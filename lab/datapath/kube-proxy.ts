/**
 * The real kube-proxy: it leads the address of a Service to the pods behind it, where the enforcer does not. Cilium's agent
 * does it itself.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "../control-plane/protocol";
import type { CalicoMode } from "./felix";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { clusterCidr, nodeLayout } from "./layout";
import { sumOf } from "./metrics";
import type { Tool } from "../toolchain/index";
import type { CalicoPrograms } from "./programs";

export interface KubeProxyOptions {
  readonly programs: {
    readonly helper: Pick<Tool, "path">;
    readonly proxy: Pick<Tool, "path">;
    readonly agentEnv: CalicoPrograms["agentEnv"];
  };
  /** With what it programs the kernel: with the same as Felix. */
  readonly mode: CalicoMode;
  readonly kubeconfig: string;
  readonly logs: string;
  /** Folder of its own on this node, for its configuration. */
  readonly folder: string;
}

const metricsPort = 10249;
const healthPort = 10256;

/** Name of a node's kube-proxy among the processes of the datapath. */
export function kubeProxyName({ name }: LabNode): string {
  return `kube-proxy-${name}`;
}

/** kube-proxy in its node's network namespace. Writes its configuration (KubeProxyConfiguration, v1alpha1). */
export function kubeProxyCommand(node: LabNode, options: KubeProxyOptions): Command {
  const { programs, mode, kubeconfig, logs, folder } = options;
  const at = (port: number): string => `127.0.0.1:${port}`;
  const soon = { minSyncPeriod: "0s", syncPeriod: "30s" };
  const config = path.join(folder, "kube-proxy.json");
  const settings = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig },
    hostnameOverride: node.name,
    mode,
    clusterCIDR: clusterCidr,
    healthzBindAddress: at(healthPort),
    metricsBindAddress: at(metricsPort),
    iptables: soon,
    nftables: soon,
    // these are settings of the machine's kernel, which stays as it is
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
  return {
    name: kubeProxyName(node),
    path: programs.helper.path,
    args: ["enter", "-namespace", node.namespace, "--", programs.proxy.path, `--config=${config}`],
    env: {
      PATH: process.env.PATH ?? "",
      ...programs.agentEnv,
      // Felix's too: both write to the same tables
      XTABLES_LOCKFILE: nodeLayout(node).xtablesLock,
    },
    log: path.join(logs, `${kubeProxyName(node)}.log`),
    grace: 1000,
  };
}

/** One node's kube-proxy. */
export class KubeProxyApi {
  constructor(private readonly node: LabNode) {}

  /** Whether it has programmed the kernel at least once, and says that it works. False while it starts. */
  async isReady(): Promise<boolean> {
    return await helper.isWell(this.node.namespace, `127.0.0.1:${healthPort}`, "/healthz");
  }

  /** Whether the kernel has all that it knows of Services and of the pods behind them. */
  async isDone(): Promise<boolean> {
    return isDone((await helper.get(this.node.namespace, `127.0.0.1:${metricsPort}`, "/metrics")).text);
  }
}

/** Reads the text of kube-proxy's metrics: nothing waits, and the last programming is younger than the last request for one. */
export function isDone(metrics: string): boolean {
  const value = (name: string): number => sumOf(metrics, `kubeproxy_sync_proxy_rules_${name}`);
  // the lab's addresses are of this family
  const moment = (what: string): number => value(`${what}_timestamp_seconds{ip_family="IPv4"}`);
  const pending = value("service_changes_pending") + value("endpoint_changes_pending");
  return pending === 0 && moment("last_queued") <= moment("last");
}
