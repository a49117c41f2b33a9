/**
 * Whether Hubble tells the drops that probes saw: the right source and destination, the right port, and policy as the
 * reason.
 */
import type { VerifiedProbe } from "../../sdk/cluster/index";
import { describeProbe } from "../../sdk/cluster/index";
import type { Reachability } from "../../sdk/reachability/index";
import type { DroppedFlow, LabCluster } from "../datapath/index";
import { LabExecutor } from "../datapath/index";

type Probe = VerifiedProbe["probe"];

/** Which of some denied probes Hubble told. */
export interface ToldDrops {
  readonly asked: number;
  readonly missing: readonly string[];
}

/** Probes that are tried before Hubble is asked, and drops that it is asked for: each probe makes one or two. */
const atOnce = 5;
const latest = 30;

/** Milliseconds that Hubble has to tell a drop. */
const toldWithin = 3000;

/** Tries some blocked probes once more and looks each of them up among the drops that Hubble tells. */
export async function dropsToldByHubble(
  cluster: LabCluster,
  hubble: string,
  reachability: Reachability,
  blocked: readonly Probe[],
  sample = 20,
): Promise<ToldDrops> {
  const chosen = spread(blocked, sample);
  const executor = new LabExecutor(cluster, reachability);
  const addresses = new Map(reachability.snapshot.workloads.map(({ id, addresses: all }) => [id, all]));
  const pods = new Map((await cluster.pods()).map((pod) => [pod.address, `${pod.namespace}/${pod.name}`]));
  const names = (end: Probe["source"]): readonly string[] =>
    end.kind === "address" ? [end.address] : (addresses.get(end.id) ?? []).map((one) => pods.get(one) ?? one);
  const missing: string[] = [];
  for (let index = 0; index < chosen.length; index += atOnce) {
    let silent: readonly Probe[] = chosen.slice(index, index + atOnce);
    await executor.run(silent);
    for (const deadline = Date.now() + toldWithin; ;) {
      const drops = await cluster.drops(hubble, latest);
      silent = silent.filter((probe) => !drops.some((drop) => tells(drop, probe, names)));
      if (silent.length === 0 || Date.now() >= deadline) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    missing.push(...silent.map(describeProbe));
  }
  return { asked: chosen.length, missing };
}

function tells(drop: DroppedFlow, probe: Probe, names: (end: Probe["source"]) => readonly string[]): boolean {
  return (
    // "Policy denied" and "Policy denied by denylist" in Hubble's own words
    (drop.reason === "POLICY_DENIED" || drop.reason === "POLICY_DENY") &&
    drop.port === probe.port &&
    names(probe.source).includes(drop.source) &&
    names(probe.destination).includes(drop.destination)
  );
}

function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)] as T);
}
