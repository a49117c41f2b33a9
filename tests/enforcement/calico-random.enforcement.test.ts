/**
 * Random sets of policies, enforced by a real Felix and judged by the engine. `ENFORCEMENT_SETS_CALICO` says how many (default
 * 12, and a sixth of that with iptables and on two nodes each), `ENFORCEMENT_SEED` repeats a run.
 */
import fc from "fast-check";
import type { LabProbe } from "../../lab/datapath/index";
import { compareOnDatapath } from "./agreement";
import { calicoSets, calicoWorlds, forIptables, skipWithoutCalico } from "./calico";
import { hasPlace, saveDisagreement, Tally } from "./random-sets";
import type { SharedOptions } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { allProbes, putUp, takeDown } from "./world";

const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const sets = Number(process.env["ENFORCEMENT_SETS_CALICO"] ?? 12);
const few = (name: string): number => Number(process.env[name] ?? Math.ceil(sets / 6));

/** Sets that are tried in one cluster before the next one is put up. */
const setsInOneCluster = 10;

const ways: readonly {
  readonly title: string;
  readonly id: string;
  readonly count: number;
  readonly options: SharedOptions;
}[] = [
  { title: "with nftables", id: "nftables", count: sets, options: { cni: "calico" } },
  {
    title: "with iptables",
    id: "iptables",
    count: few("ENFORCEMENT_SETS_CALICO_IPTABLES"),
    options: { cni: "calico", calicoMode: "iptables" },
  },
  {
    title: "on two nodes",
    id: "two-nodes",
    count: few("ENFORCEMENT_SETS_CALICO_TWO_NODES"),
    options: { cni: "calico", nodes: 2 },
  },
];

describe("enforcement: random policy sets, engine against a real Calico", () => {
  before(async function () {
    await skipWithoutCalico(this);
  });

  for (const [index, { title, id, count, options }] of ways.entries()) {
    if (count === 0) continue;
    it(`S0-11, S0-12: ${count} sets ${title} agree on every probe`, async function () {
      this.timeout(300_000 + count * 30_000);
      // other sets in each way
      const own = seed + index;
      console.log(`      ENFORCEMENT_SEED=${seed}: ${count} sets ${title}`);
      const on = await sharedDatapath(options);
      await on.cluster.untilReadyIn("kube-system");
      const worlds = calicoWorlds(Math.ceil(count / setsInOneCluster), own, on.cluster.nodes);
      const tally = new Tally();
      let up: LabWorld | undefined;
      for (const [position, policies] of fc.sample(calicoSets, { seed: own, numRuns: count }).entries()) {
        const world = worlds[Math.floor(position / setsInOneCluster)];
        if (!world) throw new Error("a cluster for each set");
        if (world !== up) await putUp(on.cluster, world, up);
        up = world;
        const inPlace = policies.filter((each) => hasPlace(each, world.namespaces));
        const placed = options.calicoMode === "iptables" ? inPlace.map(forIptables) : inPlace;
        const probes = [...allProbes(world), ...withSecondNode(world, on.cluster.nodes[1]?.name)];
        const agreement = await compareOnDatapath(on, placed, probes);
        tally.count(agreement);
        if (agreement.disagreements.length === 0) continue;
        const tried = { world, policies: placed, probes };
        tally.wrong.push(await saveDisagreement(on, `calico-${id}-${own}-${position}`, tried, agreement));
      }
      if (up) await takeDown(on.cluster, up);
      tally.report();
      tally.mustProve(1 / 4);
    });
  }
});

/** Every pod and the second node, both ways. */
function withSecondNode({ pods }: LabWorld, node: string | undefined): LabProbe[] {
  if (node === undefined) return [];
  return pods.flatMap(({ namespace, name }): LabProbe[] => [
    { from: `node:${node}`, to: `${namespace}/${name}`, port: 80, protocol: "tcp" },
    { from: `${namespace}/${name}`, to: `node:${node}`, port: 80, protocol: "tcp" },
  ]);
}
