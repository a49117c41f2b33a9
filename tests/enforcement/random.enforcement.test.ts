/**
 * Random sets of policies, enforced by a real Cilium and judged by the engine. `ENFORCEMENT_SETS` says how many (default
 * 40), `ENFORCEMENT_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import { world as outside } from "../../lab/datapath/index";
import { dnsServiceAddress } from "../../lab/datapath/layout";
import type { OracleCluster } from "../oracle/cluster";
import { clusters } from "../properties/arbitraries";
import { cidrGroup, ciliumPolicies } from "../properties/cilium-policies";
import { clusterNetworkPolicies } from "../properties/cluster-network-policies";
import { networkPolicies } from "../properties/network-policies";
import type { Agreement, CompareOptions } from "./agreement";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { saveCase } from "./cases";
import { nameHomes, namePolicies } from "./random-names";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { shrink } from "./shrink";
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

function worldOf({ namespaces, pods }: OracleCluster): LabWorld {
  return {
    namespaces,
    pods: pods.map(({ namespace, name, labels, serviceAccount, ports }) => ({
      namespace,
      name,
      labels,
      serviceAccount,
      // the API server takes a name once in a container, whatever the protocol
      ports: ports.filter(({ name }, index) => !name || ports.findIndex((each) => each.name === name) === index),
    })),
  };
}

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

/** What a run found, over all its sets. */
class Tally {
  compared = 0;
  allowed = 0;
  private open = 0;
  private slow = 0;
  private stale = 0;
  private sets = 0;
  private readonly states = { enforced: 0, refused: 0, stored: 0 };
  readonly wrong: string[] = [];

  count(agreement: Agreement): void {
    this.sets += 1;
    for (const key of ["compared", "allowed", "open", "slow", "stale"] as const) this[key] += agreement[key];
    for (const { state } of agreement.states) this.states[state] += 1;
  }

  report(): void {
    const { refused, stored } = this.states;
    console.log(
      `      ${this.sets} sets, ${this.compared} probes compared (${this.allowed} connected), ` +
        `${this.open} left open by the engine, ${this.slow} slow, ${this.stale} stale; ` +
        `${refused} policies refused by the API server, ${stored} by the agent`,
    );
  }

  /** A run in which nothing connects, nothing is dropped or nothing is decided proves nothing. */
  mustProve(most: number): void {
    assert.deepEqual(this.wrong, []);
    assert.ok(this.allowed > this.compared / 20, "probes connect");
    assert.ok(this.allowed < this.compared, "probes are dropped");
    assert.ok(this.open < this.compared * most, `the engine decides: ${this.open} of ${this.compared} are left open`);
  }
}

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

  /** Saves what disagrees, and the smallest set that still does. */
  async function save(
    id: string,
    world: LabWorld,
    policies: readonly LabObject[],
    probes: readonly LabProbe[],
    { disagreements, measured }: Agreement,
    options: CompareOptions,
  ): Promise<string> {
    const few = disagreements.slice(0, 3).map(({ probe }) => probe);
    const smallest = await shrink(policies, few, (some, tried) => compareOnDatapath(on, some, tried, options), 40);
    const again = smallest === policies ? measured : (await compareOnDatapath(on, smallest, probes, options)).measured;
    const file = saveCase(`random-${seed}-${id}`, {
      title: `random set ${id} of seed ${seed}`,
      world,
      policies: smallest,
      ...(options.ask ? { asked: options.ask.names } : {}),
      probes: probes.map((probe, position) => ({ ...probe, measured: again[position] ?? "not tried" })),
    });
    const lines = describeDisagreements(disagreements);
    return `${file}: ${disagreements.length} of ${probes.length}; ${lines.slice(0, 3).join("; ")}`;
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
        tally.wrong.push(await save(String(index), world, placed, probes, agreement, {}));
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
        tally.wrong.push(await save(`names-${index}`, world, policies, probes, agreement, options));
      }
    }
    tally.report();
    tally.mustProve(1 / 2);
  });
});

function hasPlace({ metadata }: LabObject, namespaces: LabWorld["namespaces"]): boolean {
  return metadata.namespace === undefined || namespaces.some(({ name }) => name === metadata.namespace);
}
