/**
 * Random sets of policies, enforced by a real Cilium and judged by the engine. `ENFORCEMENT_SETS` says how many (default
 * 40), `ENFORCEMENT_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LabObject } from "../../lab/datapath/index";
import { world as outside } from "../../lab/datapath/index";
import { dnsServiceAddress } from "../../lab/datapath/layout";
import { clusters } from "../properties/arbitraries";
import { cidrGroup, ciliumPolicies } from "../properties/cilium-policies";
import { clusterNetworkPolicies } from "../properties/cluster-network-policies";
import { networkPolicies } from "../properties/network-policies";
import type { CompareOptions } from "./agreement";
import { compareOnDatapath } from "./agreement";
import { nameHomes, namePolicies } from "./random-names";
import { hasPlace, saveDisagreement, Tally, worldOf } from "./random-sets";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { allProbes, needsEnvoy, putUp, takeDown } from "./world";

const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const sets = Number(process.env["ENFORCEMENT_SETS"] ?? 40);

/** Sets in which names are opened, besides. */
const nameSets = Math.ceil(sets / 8);

/** Sets that are tried in one cluster before the next one is put up. */
const setsInOneCluster = 20;

const anyPolicies = fc.oneof(
  { weight: 4, arbitrary: ciliumPolicies() },
  { weight: 2, arbitrary: networkPolicies() },
  { weight: 2, arbitrary: clusterNetworkPolicies({ baselinePassWithPorts: false }, 2) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(ciliumPolicies(2), networkPolicies(2), clusterNetworkPolicies({ baselinePassWithPorts: false }, 1))
      .map((groups) => groups.flat()),
  },
);

/** The Services that `toServices` names: pods of `a`, and hosts of the lab outside the cluster. */
const services: readonly LabObject[] = [
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "a", labels: { part: "shop" } },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "outside", namespace: "b", labels: { part: "shop" } },
    spec: { ports: [{ port: 80 }] },
  },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "outside-1", namespace: "b", labels: { "kubernetes.io/service-name": "outside" } },
    addressType: "IPv4",
    ports: [{ port: 80, protocol: "TCP" }],
    endpoints: [{ addresses: ["198.51.100.129"] }, { addresses: ["203.0.113.66"] }],
  } as LabObject,
];

describe("enforcement: random policy sets, engine against a real Cilium", () => {
  let on: SharedDatapath;
  let up: LabWorld | undefined;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
    await on.cluster.untilReadyIn("kube-system");
  });

  after(async () => {
    if (up) await takeDown(on.cluster, up);
  });

  /** @param homes Namespaces that have pods: policies elsewhere show nothing. */
  function worlds(count: number, homes: readonly string[] = []): LabWorld[] {
    const large = clusters({ podAddresses: false, hostNetwork: false }).filter(
      ({ pods }) => pods.length === 5 && homes.every((home) => pods.some(({ namespace }) => namespace === home)),
    );
    return fc.sample(large, { seed, numRuns: Math.ceil(count / setsInOneCluster) }).map(worldOf);
  }

  /** Puts up the cluster for a set, which is another one every now and then. */
  async function worldFor(index: number, all: readonly LabWorld[]): Promise<LabWorld> {
    const wanted = all[Math.floor(index / setsInOneCluster)] ?? assert.fail("a cluster for each set");
    if (wanted !== up) await putUp(on.cluster, wanted, up);
    up = wanted;
    return wanted;
  }

  it(`S0-11, S0-12: ${sets} sets agree on every probe`, async function () {
    this.timeout(120_000 + sets * 20_000);
    console.log(`      ENFORCEMENT_SEED=${seed} ENFORCEMENT_SETS=${sets}`);
    const all = worlds(sets).map((world): LabWorld => ({ ...world, objects: [...services, cidrGroup as LabObject] }));
    const tally = new Tally();
    for (const [index, policies] of fc.sample(anyPolicies, { seed, numRuns: sets }).entries()) {
      const world = await worldFor(index, all);
      const probes = allProbes(world);
      const placed = (policies as unknown as LabObject[]).filter(
        (each) => !needsEnvoy(each) && hasPlace(each, world.namespaces),
      );
      const agreement = await compareOnDatapath(on, placed, probes);
      tally.count(agreement);
      if (agreement.disagreements.length > 0) {
        tally.wrong.push(
          await saveDisagreement(on, `random-${seed}-${index}`, { world, policies: placed, probes }, agreement),
        );
      }
    }
    tally.report();
    tally.mustProve(1 / 4);
  });

  it(`S3-24, S3-27: ${nameSets} sets with names agree on every probe, after the pods have asked for them`, async function () {
    this.timeout(120_000 + nameSets * 20_000);
    const options: CompareOptions = { ask: { server: dnsServiceAddress, names: outside.names } };
    const all = worlds(nameSets, nameHomes);
    const tally = new Tally();
    for (const [index, policies] of fc.sample(namePolicies, { seed, numRuns: nameSets }).entries()) {
      const world = await worldFor(index, all);
      const probes = allProbes(world).filter(({ from, to }) => from.includes("/") && !to.includes("/"));
      const agreement = await compareOnDatapath(on, policies, probes, options);
      tally.count(agreement);
      if (agreement.disagreements.length > 0) {
        tally.wrong.push(
          await saveDisagreement(on, `random-${seed}-names-${index}`, { world, policies, probes }, agreement, options),
        );
      }
    }
    tally.report();
    tally.mustProve(1 / 2);
  });
});
