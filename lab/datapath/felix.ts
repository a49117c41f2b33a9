/** The real calico-felix: how it is started, and what it says about itself. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "../control-plane/protocol";
import { DatapathError } from "./errors";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { agentName, nodeLayout } from "./layout";
import { sumOf } from "./metrics";
import type { CalicoPrograms } from "./programs";
import { logOf } from "./record";

/** With what Felix programs the kernel. */
export type CalicoMode = "nftables" | "iptables";

export interface FelixOptions {
  readonly programs: CalicoPrograms;
  readonly mode: CalicoMode;
  readonly kubeconfig: string;
  readonly logs: string;
}

/** Ports that no HostEndpoint closes: Felix leaves its failsafe ports open (FelixConfiguration, FailsafeInboundHostPorts). */
const metricsPort = 6666;
const healthPort = 6667;

/** Felix in its node's network namespace, with a /run, a /var/lib/calico and a /sys of its own. */
export function felixCommand(node: LabNode, { programs, mode, kubeconfig, logs }: FelixOptions): Command {
  const settings: Readonly<Record<string, string>> = {
    DATASTORETYPE: "kubernetes",
    FELIXHOSTNAME: node.name,
    NFTABLESMODE: mode === "nftables" ? "Enabled" : "Disabled",
    IPTABLESBACKEND: "auto",
    BPFENABLED: "false",
    XDPENABLED: "false",
    IPV6SUPPORT: "false",
    // as every installation of Calico sets it; Felix's own default is Drop
    DEFAULTENDPOINTTOHOSTACTION: "ACCEPT",
    // the sentinel's
    REMOVEEXTERNALROUTES: "false",
    ENDPOINTSTATUSPATHPREFIX: nodeLayout(node).endpointStatus,
    USAGEREPORTINGENABLED: "false",
    HEALTHENABLED: "true",
    HEALTHPORT: String(healthPort),
    PROMETHEUSMETRICSENABLED: "true",
    PROMETHEUSMETRICSHOST: "127.0.0.1",
    PROMETHEUSMETRICSPORT: String(metricsPort),
    LOGFILEPATH: "none",
    LOGSEVERITYSYS: "none",
    LOGSEVERITYSCREEN: "Info",
    // built without cgo it cannot clean up after an eBPF mode that never ran here
    DebugSkipCTLBCleanup: "true",
  };
  return {
    name: agentName(node),
    path: programs.helper.path,
    args: [
      ...["enter", "-namespace", node.namespace, "-sys"],
      ...["-empty", "/run/calico", "-empty", "/var/lib/calico", "--", programs.agent.path],
    ],
    env: {
      PATH: process.env.PATH ?? "",
      ...programs.agentEnv,
      KUBECONFIG: kubeconfig,
      XTABLES_LOCKFILE: nodeLayout(node).xtablesLock,
      ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [`FELIX_${name}`, value])),
    },
    log: path.join(logs, `${agentName(node)}.log`),
    grace: 5000,
  };
}

/** Felix's counters, as far as they move while it has something to do. */
export interface FelixCounters {
  /** Changes of objects that it has taken note of. */
  readonly noted: number;
  /** Messages to the part that programs the kernel. */
  readonly messages: number;
  /** Times that it has finished programming. */
  readonly applied: number;
  /** Times that programming failed. */
  readonly failures: number;
  /** All of them, and what else moves: equal texts mean that nothing has happened. */
  readonly text: string;
}

/** Names of counters that stand still while Felix has nothing to do. */
const moving =
  /^felix_(int_dataplane_apply_time_seconds_count|int_dataplane_msg_batch_size_count|calc_graph_updates_processed|int_dataplane_messages|calc_graph_output_events|int_dataplane_failures|resyncs_started|nft_calls|nft_set_calls|nft_rules|nft_chains|iptables_restore_calls|iptables_rules|ipset_calls)\b/;

/** Reads the text of Felix's metrics (Prometheus exposition format). */
export function readCounters(metrics: string): FelixCounters {
  const lines = metrics.split("\n").filter((line) => moving.test(line));
  return {
    noted: sumOf(lines, "felix_calc_graph_updates_processed"),
    messages: sumOf(lines, "felix_int_dataplane_messages"),
    applied: sumOf(lines, "felix_int_dataplane_apply_time_seconds_count"),
    failures: sumOf(lines, "felix_int_dataplane_failures"),
    text: lines.sort().join("\n"),
  };
}

/** One node's Felix. */
export class FelixApi {
  constructor(readonly node: LabNode) {}

  /** Whether Felix says that it works. False while it starts, and where it has ended. */
  async isReady(): Promise<boolean> {
    return await helper.isWell(this.node.namespace, `127.0.0.1:${healthPort}`, "/readiness");
  }

  /** @throws DatapathError "failed" where Felix has ended, with its last words */
  async counters(): Promise<FelixCounters> {
    let answer: { readonly status: number; readonly text: string };
    try {
      answer = await helper.get(this.node.namespace, `127.0.0.1:${metricsPort}`, "/metrics");
    } catch (error) {
      throw ended(this.node, error);
    }
    if (answer.status !== 200) throw ended(this.node);
    return readCounters(answer.text);
  }

  /** @throws DatapathError "failed" where Felix has ended, with its last words */
  async check(): Promise<void> {
    await this.counters();
  }
}

/**
 * Whether Felix has programmed the policies of the pod behind a link. This is what Calico's CNI plugin waits for
 * (`policy_setup_timeout_seconds`): Felix writes a file for each such pod.
 */
export function isProgrammed(node: LabNode, link: string): boolean {
  const folder = path.join(nodeLayout(node).endpointStatus, "endpoint-status");
  try {
    return readdirSync(folder).some((file) => {
      const status = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as { readonly ifaceName?: string };
      return status.ifaceName === link;
    });
  } catch {
    // not made yet, or half written
    return false;
  }
}

function ended(node: LabNode, cause?: unknown): DatapathError {
  const log = logOf(node);
  const words = log === undefined ? undefined : lastWords(log);
  const why = words === undefined ? "" : `: ${words}`;
  const where = log === undefined ? "" : `; its log is ${log}`;
  return new DatapathError("failed", `Felix on ${node.name} has ended${why}; what it enforced proves nothing${where}`, {
    cause,
  });
}

/** The line in which Felix says why it ends. */
export function lastWords(log: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(log, "utf8");
  } catch {
    return undefined;
  }
  const lines = text.split("\n");
  // Felix's own sentence says more than what Go makes of it
  const line =
    lines.findLast((each) => /\[(PANIC|FATAL)\]/.test(each)) ??
    lines.findLast((each) => /^(panic|fatal error): /.test(each));
  return line?.slice(0, 400);
}
