/**
 * Random sets of policies, enforced by a real Cilium and judged by the engine. `ENFORCEMENT_SETS` says how many (default
 * 40), `ENFORCEMENT_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { LabObject } from "../../lab/datapath/index";
import type { OracleCluster } from "../oracle/cluster";
import { clusters } from "../properties/arbitraries";
import { cidrGroup, ciliumPolicies } from "../properties/cilium-policies";
import { clusterNetworkPolicies } from "../properties/cluster-network-policies";
import { networkPolicies } from "../properties/network-policies";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { saveCase } from "./cases";
import { sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { allProbes, needsEnvoy, putUp } from "./world";

const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const sets = Number(process.env["ENFORCEMENT_SETS"] ?? 40);

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

describe("enforcement: random policy sets, engine against a real Cilium", () => {
  it(`S0-11, S0-12: ${sets} sets agree on every probe`, async function () {
    this.timeout(120_000 + sets * 20_000);
    console.log(`      ENFORCEMENT_SEED=${seed} ENFORCEMENT_SETS=${sets}`);
    const shared = await sharedDatapath();
    const large = clusters({ podAddresses: false, hostNetwork: false }).filter(({ pods }) => pods.length === 5);
    const worlds = fc.sample(large, {
      seed,
      numRuns: Math.ceil(sets / setsInOneCluster),
    });
    const drawn = fc.sample(anyPolicies, { seed, numRuns: sets });
    const total = { compared: 0, allowed: 0, open: 0, slow: 0, refused: 0, stored: 0 };
    const wrong: string[] = [];
    let world: LabWorld | undefined;
    for (const [index, policies] of drawn.entries()) {
      if (index % setsInOneCluster === 0) {
        const next = worldOf(worlds[index / setsInOneCluster] ?? { namespaces: [], pods: [] });
        await putUp(shared.cluster, next, world);
        world = next;
      }
      assert.ok(world, "a cluster is up");
      const probes = allProbes(world);
      const objects = [
        ...(policies as unknown as LabObject[]).filter((each) => !needsEnvoy(each)),
        cidrGroup as LabObject,
      ];
      const known = new Set(world.namespaces.map(({ name }) => name));
      const placed = objects.filter(
        ({ metadata }) => metadata.namespace === undefined || known.has(metadata.namespace),
      );
      const agreement = await compareOnDatapath(shared, placed, probes);
      for (const key of ["compared", "allowed", "open", "slow"] as const) total[key] += agreement[key];
      for (const { state } of agreement.states) if (state !== "enforced") total[state] += 1;
      if (agreement.disagreements.length === 0) continue;
      const file = saveCase(`random-${seed}-${index}`, {
        title: `random set ${index} of seed ${seed}`,
        world,
        policies: placed,
        probes: probes.map((probe, position) => ({ ...probe, measured: agreement.measured[position] ?? "not tried" })),
      });
      const lines = describeDisagreements(agreement.disagreements);
      wrong.push(`${file}: ${agreement.disagreements.length} of ${probes.length}; ${lines.slice(0, 3).join("; ")}`);
    }
    console.log(
      `      ${sets} sets, ${total.compared} probes compared (${total.allowed} connected), ` +
        `${total.open} left open by the engine, ${total.slow} slow; ` +
        `${total.refused} policies refused by the API server, ${total.stored} by the agent`,
    );
    assert.deepEqual(wrong, []);
    assert.ok(total.allowed > total.compared / 20, "probes connect");
    assert.ok(total.allowed < total.compared, "probes are dropped");
    assert.ok(total.open < total.compared / 4, `the engine decides: ${total.open} of ${total.compared} are left open`);
  });
});
