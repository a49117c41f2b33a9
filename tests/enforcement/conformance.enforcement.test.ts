/**
 * The measured cases of the conformance data, replayed on the lab's own datapath: the same agent must do the same here. All
 * documented forms, and every ninth of the random sets; `ENFORCEMENT_CONFORMANCE=all` takes all of those.
 */
import assert from "node:assert/strict";
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import { hasConformanceFile, readConformanceText, type World } from "../conformance/support";
import type { CompareOptions } from "./agreement";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { describeProbe, putUp, takeDown } from "./world";

type Protocol = "TCP" | "UDP";

const metadataAddress = "169.254.169.254";

interface Measured {
  readonly probe: LabProbe;
  readonly allowed: boolean;
}

function worldOf({ namespaces, pods }: World): LabWorld {
  return { namespaces, pods: pods.map(({ ports: _ports, ip: _ip, ...pod }) => pod) };
}

describe("enforcement: the conformance data on the lab's own datapath", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
  });

  /** Applies the policies and returns where the lab differs from the file, and the engine from the lab. */
  async function replay(
    policies: readonly LabObject[],
    measured: readonly Measured[],
    options: CompareOptions = {},
  ): Promise<string[]> {
    const probes = measured.map(({ probe }) => probe);
    const { disagreements, measured: got } = await compareOnDatapath(on, policies, probes, options);
    const differs = measured.flatMap(({ probe, allowed }, index) =>
      got[index] === (allowed ? "allowed" : "denied") ? [] : [`${describeProbe(probe)}: ${got[index]} here, not there`],
    );
    return [...differs, ...describeDisagreements(disagreements)];
  }

  it("S0-10, S0-11: every documented form is enforced as it was measured", async function () {
    this.timeout(600_000);
    if (!hasConformanceFile("cilium.json")) {
      this.test!.title += " (skipped: ../shared/conformance/cilium.json is not there)";
      this.skip();
    }
    const data = JSON.parse(readConformanceText("cilium.json")) as {
      world: World;
      cases: readonly {
        case: string;
        policies: readonly LabObject[];
        expected: readonly { from: string; to: string; port: number; protocol: Protocol; allowed: boolean }[];
      }[];
    };
    const world = worldOf(data.world);
    await putUp(on.cluster, world);
    const wrong: string[] = [];
    let count = 0;
    try {
      for (const each of data.cases) {
        const measured = each.expected.map(({ from, to, port, protocol, allowed }) => ({
          probe: { from, to, port, protocol: protocol === "UDP" ? ("udp" as const) : ("tcp" as const) },
          allowed,
        }));
        // in these cases the metadata address was on the node itself
        const isOnNode = each.case.startsWith("B:");
        await on.cluster.placeMetadata(on.programs.ip, isOnNode ? "node" : "world");
        const differs = await replay(each.policies, measured, isOnNode ? { onNode: [metadataAddress] } : {});
        wrong.push(...differs.map((text) => `${each.case}: ${text}`));
        count += measured.length;
      }
    } finally {
      await on.cluster.placeMetadata(on.programs.ip, "world");
      await takeDown(on.cluster, world);
    }
    console.log(`      replayed ${data.cases.length} cases, ${count} verdicts`);
    assert.deepEqual(wrong, []);
    assert.ok(count >= 604, "all verdicts were replayed");
  });

  it("S0-11, S0-12: random sets that were measured elsewhere are enforced alike here", async function () {
    this.timeout(900_000);
    if (!hasConformanceFile("cilium-random.json") || !hasConformanceFile("cilium-random-measured.jsonl")) {
      this.test!.title += " (skipped: ../shared/conformance/cilium-random.json is not there)";
      this.skip();
    }
    const data = JSON.parse(readConformanceText("cilium-random.json")) as {
      world: World & { ports: readonly (readonly [Protocol, number])[] };
      cases: readonly { id: string; policies: readonly LabObject[] }[];
    };
    const results = new Map(
      readConformanceText("cilium-random-measured.jsonl")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { id: string; allowed: readonly string[]; probes: number })
        .map((result) => [result.id, result]),
    );
    const step = process.env["ENFORCEMENT_CONFORMANCE"] === "all" ? 1 : 9;
    const chosen = data.cases.filter((_each, index) => index % step === 0);
    const world = worldOf(data.world);
    const probes = probesOf(data.world);
    await putUp(on.cluster, world);
    const wrong: string[] = [];
    try {
      for (const { id, policies } of chosen) {
        const result = results.get(id) ?? assert.fail(id);
        assert.equal(result.probes, probes.length, id);
        const allowed = new Set(result.allowed);
        const differs = await replay(
          policies,
          probes.map((probe) => ({ probe, allowed: allowed.has(notation(probe)) })),
        );
        wrong.push(...differs.map((text) => `${id}: ${text}`));
      }
    } finally {
      await takeDown(on.cluster, world);
    }
    console.log(
      `      replayed ${chosen.length} of ${data.cases.length} sets, ${chosen.length * probes.length} verdicts`,
    );
    assert.deepEqual(wrong, []);
  });
});

/** `FROM TO PORT PROTO`, as the measurements write it. */
function notation({ from, to, port, protocol }: LabProbe): string {
  return `${from} ${to} ${port} ${protocol}`;
}

/** What was tried in every random case, as the data's own description says. */
function probesOf(world: World & { ports: readonly (readonly [Protocol, number])[] }): LabProbe[] {
  const pods = world.pods.map((pod) => `${pod.namespace}/${pod.name}`);
  const tcp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });
  return [
    ...pods.flatMap((from) => [
      ...pods
        .filter((to) => to !== from)
        .flatMap((to) =>
          world.ports.map(([protocol, port]): LabProbe => ({
            from,
            to,
            port,
            protocol: protocol === "UDP" ? "udp" : "tcp",
          })),
        ),
      ...["169.254.169.254", "198.51.100.10", "10.99.0.10", "node"].map((to) => tcp(from, to, 80)),
    ]),
    ...pods.flatMap((to) => [
      tcp("world:198.51.100.10", to, 80),
      tcp("world:10.99.0.10", to, 8080),
      tcp("node", to, 80),
    ]),
  ];
}
