/**
 * The measured cases of the conformance data, replayed on the lab's own datapath: the same agent must do the same here. All
 * documented forms, and every ninth of the random sets; `ENFORCEMENT_CONFORMANCE=all` takes all of those.
 */
import assert from "node:assert/strict";
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import { measuredForms, measuredSets } from "../conformance/measured";
import type { World } from "../conformance/support";
import type { CompareOptions } from "./agreement";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { describeProbe, putUp, takeDown } from "./world";

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
    const data = measuredForms<LabObject>();
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
    const data = measuredSets<LabObject>();
    const step = process.env["ENFORCEMENT_CONFORMANCE"] === "all" ? 1 : 9;
    const chosen = data.cases.filter((_each, index) => index % step === 0);
    const world = worldOf(data.world);
    const probes = data.probes.map(probeOf);
    await putUp(on.cluster, world);
    const wrong: string[] = [];
    try {
      for (const { id, policies, allowed } of chosen) {
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

function probeOf(text: string): LabProbe {
  const [from = "", to = "", port, protocol] = text.split(" ");
  return { from, to, port: Number(port), protocol: protocol === "udp" ? "udp" : "tcp" };
}
