/** The lab's way of verifying: real pods of the datapath, probed by its helper. */
import { randomBytes } from "node:crypto";
import type { CanaryResult, Probe, ProbeEnd, ProbeExecutor, ProbeOutcome } from "../../sdk/cluster/index";
import type { Reachability } from "../../sdk/reachability/index";
import type { LabCluster } from "./cluster";
import type { RawOutcome } from "./helper";
import { world } from "./layout";
import type { LabObject } from "./objects";
import type { LabPod, LabProbe } from "./probes";

export class LabExecutor implements ProbeExecutor {
  readonly name = "lab";
  readonly outside: readonly string[] = world.addresses;

  constructor(
    private readonly cluster: LabCluster,
    private readonly reachability: Reachability,
  ) {}

  async present(): Promise<ReadonlySet<string>> {
    return new Set((await this.podsByWorkload()).keys());
  }

  /** Two pods in a namespace of their own, before and under a deny-all; the namespace is removed whatever happens. */
  async canary(): Promise<CanaryResult> {
    const namespace = `verify-canary-${randomBytes(4).toString("hex")}`;
    const probe: LabProbe = { from: `${namespace}/from`, to: `${namespace}/to`, port: 80, protocol: "tcp" };
    const denyAll: LabObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny-all", namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    };
    const allowAll: LabObject = {
      ...denyAll,
      metadata: { name: "allow-all", namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{}], egress: [{}] },
    };
    const once = async (): Promise<RawOutcome | undefined> => (await this.cluster.probe([probe], { timeout: 3000 }))[0];
    try {
      await this.cluster.addPods(["from", "to"].map((name) => ({ namespace, name })));
      // a clusterwide default deny may select the canary too
      await this.cluster.apply([allowAll]);
      const before = await once();
      await this.cluster.remove([allowAll]);
      await this.cluster.apply([denyAll]);
      const after = await once();
      return {
        connectsBefore: before?.verdict === "allowed",
        blockedAfter: after?.verdict === "denied",
        ...(before?.reason === undefined || before.verdict === "allowed" ? {} : { detail: before.reason }),
      };
    } finally {
      await this.cluster.removeNamespaces([namespace]);
    }
  }

  async run(probes: readonly Probe[]): Promise<readonly ProbeOutcome[]> {
    const pods = await this.podsByWorkload();
    const labProbes = probes.map(({ source, destination, port, protocol, isDns }): LabProbe => {
      const ends = {
        from: this.nameOf(source, pods, "source"),
        to: this.nameOf(destination, pods, "destination"),
        port,
      };
      // a proxy between the two understands nothing but DNS
      if (isDns === true) {
        return {
          ...ends,
          protocol: protocol === "UDP" ? "dns" : "dns-tcp",
          name: "kubernetes.default.svc.cluster.local",
        };
      }
      return { ...ends, protocol: protocol === "UDP" ? "udp" : "tcp" };
    });
    const outcomes = [...(await this.cluster.probe(labProbes))];
    // silence where an answer must come is doubted once, with more time: the machine may have been busy
    const doubted = probes.flatMap(({ expected }, index) =>
      expected === "allowed" && outcomes[index]?.verdict === "denied" ? [index] : [],
    );
    const again = await this.cluster.probe(
      doubted.flatMap((index) => labProbes[index] ?? []),
      { timeout: 5000 },
    );
    doubted.forEach((index, position) => {
      const outcome = again[position];
      if (outcome) outcomes[index] = outcome;
    });
    return outcomes.map(outcomeOf);
  }

  /** A ready pod of each workload. */
  private async podsByWorkload(): Promise<ReadonlyMap<string, LabPod>> {
    const ready = (await this.cluster.pods()).filter((pod) => pod.ready && !pod.hostNetwork);
    const found = new Map<string, LabPod>();
    for (const { id, namespace, addresses } of this.reachability.snapshot.workloads) {
      const pod = ready.find((each) => each.namespace === namespace && addresses.includes(each.address));
      if (pod) found.set(id, pod);
    }
    return found;
  }

  private nameOf(end: ProbeEnd, pods: ReadonlyMap<string, LabPod>, side: "source" | "destination"): string {
    if (end.kind === "address") return side === "source" ? `world:${end.address}` : end.address;
    const pod = pods.get(end.id);
    // a pod that went meanwhile: a name that the prober refuses
    return pod ? `${pod.namespace}/${pod.name}` : end.id;
  }
}

function outcomeOf({ verdict, reason }: RawOutcome): ProbeOutcome {
  // a DNS question that the agent's proxy refuses has not reached the server
  const stopped = verdict === "denied" || verdict === "refused";
  const outcome = verdict === "allowed" ? "connected" : stopped ? "blocked" : "failed";
  return reason === undefined ? { outcome } : { outcome, detail: reason };
}
