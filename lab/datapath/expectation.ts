/**
 * What the engine says about a probe: the same cluster, read as `audit` reads it, and the verdict for the same source and
 * destination.
 */
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../../sdk/cluster/index";
import type { Flow, KubeObject, Peer, Reachability, Verdict } from "../../sdk/reachability/index";
import { buildSnapshot, compile, inferProfile } from "../../sdk/reachability/index";
import type { ControlPlane } from "../control-plane/index";
import { labContext } from "../control-plane/index";
import type { LabNode } from "./layout";
import { world } from "./layout";
import type { LabObject } from "./objects";
import type { LabPod, LabProbe } from "./probes";

/** The engine's view of a cluster as it is now. @param further objects that it might have besides. Default none. */
export async function computedReachability(
  controlPlane: ControlPlane,
  further: readonly LabObject[] = [],
): Promise<Reachability> {
  const connection = await connect({ context: labContext, kubeconfig: controlPlane.kubeconfigPath });
  const { objects, problems } = await readLiveObjects(new ApiClient(connection), { cluster: "lab" });
  const unreadable = problems.find((problem) => problem.affectsVerdicts);
  if (unreadable) throw new Error(`the cluster cannot be judged: ${unreadable.message}`);
  const planned = further.map((object) => ({ object: object as unknown as KubeObject }));
  return compile(buildSnapshot([...withoutOwned(objects), ...planned], { profile: inferProfile(objects) }));
}

/** Turns probes into flows of a snapshot. */
export class Expectation {
  private readonly workloads = new Map<string, string>();

  constructor(
    private readonly reachability: Reachability,
    private readonly pods: readonly LabPod[],
    private readonly nodes: readonly LabNode[],
  ) {
    for (const { id, namespace, addresses, hostNetwork } of reachability.snapshot.workloads) {
      if (hostNetwork) continue;
      for (const address of addresses) this.workloads.set(`${namespace} ${address}`, id);
    }
  }

  /**
   * The verdict for a probe; undefined where it is no connection between a source and a destination (a question to a DNS
   * server).
   */
  verdict(probe: LabProbe): Verdict | undefined {
    const flow = this.flow(probe);
    return flow && this.reachability.verdict(flow);
  }

  /** The flow that a probe tries; undefined for "dns" probes and Services. */
  flow({ from, to, protocol, port }: LabProbe): Flow | undefined {
    if (protocol === "dns" || protocol === "dns-tcp") return undefined;
    const sourceNode = this.nodeOf(from);
    const destinationNode = this.nodeOf(to);
    const source = this.peer(from, destinationNode);
    const destination = this.peer(to, sourceNode);
    return source && destination && { source, destination, protocol: protocol === "udp" ? "UDP" : "TCP", port };
  }

  private peer(end: string, otherNode: string | undefined): Peer | undefined {
    const node = this.nodeNamed(end);
    if (node) {
      return { kind: "node", where: otherNode === node.name ? "local" : "remote", address: node.address };
    }
    const pod = this.podNamed(end);
    if (pod) {
      const id = this.workloads.get(`${pod.namespace} ${pod.address}`);
      return id === undefined ? undefined : { kind: "workload", id };
    }
    const address = end === "world" ? world.router : end.replace(/^world:/, "");
    return /^\d+(\.\d+){3}$/.test(address) ? { kind: "address", address } : undefined;
  }

  private nodeOf(end: string): string | undefined {
    return this.nodeNamed(end)?.name ?? this.podNamed(end)?.node;
  }

  private nodeNamed(end: string): LabNode | undefined {
    if (end === "node") return this.nodes[0];
    return this.nodes.find(({ name, address }) => end === `node:${name}` || end === address);
  }

  private podNamed(end: string): LabPod | undefined {
    return this.pods.find((pod) => !pod.hostNetwork && `${pod.namespace}/${pod.name}` === end);
  }
}
