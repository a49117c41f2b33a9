/** The examples, deployed by a real Pulumi engine onto a cluster where Cilium enforces, then verified by packets. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describeProbe, verify } from "../../sdk/cluster/index";
import { plan } from "../../sdk/plan/index";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import { computedReachability, LabCluster, LabExecutor } from "../../lab/datapath/index";
import { installCrds } from "../../lab/crds/index";
import type { Lab } from "../../lab/index";
import { openLab } from "../../lab/index";
import { openStack, operate } from "../engine/automation";
import { wipe } from "../engine/wipe";
import type { Example } from "../support/examples";
import { examples } from "../support/examples";
import { closeSharedDatapath } from "./shared-datapath";

describe("enforcement: the examples on a real Cilium", () => {
  let lab: Lab;
  let cluster: LabCluster;
  let client: ApiClient;
  let folder: string;
  let all: readonly Example[];

  before(async function () {
    this.timeout(600_000);
    // there is room for one
    await closeSharedDatapath();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-examples-"));
    // the examples bring their own DNS server
    lab = await openLab({
      dataDir: folder,
      quiet: true,
      fresh: true,
      ownProvider: true,
      datapath: { clusterDns: false },
    });
    await installCrds(lab.controlPlane, ["istio"]);
    cluster = new LabCluster(lab.controlPlane, lab.datapath?.nodes ?? []);
    client = apiClient(lab.controlPlane);
    all = await examples();
  });

  after(async function () {
    this.timeout(120_000);
    cluster?.close();
    client?.close();
    await lab?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  for (const name of ["web-app", "service-identity", "kubernetesx", "shop", "tenants"]) {
    it(`S0-10, S0-14, S4-14: ${name}: declared flows pass and the rest is dropped`, async function () {
      this.timeout(900_000);
      const example = all.find((one) => one.name === name) ?? assert.fail(`no example ${name}`);
      const program = example.program ?? assert.fail(`${name} has no program`);
      const stack = await openStack({
        project: `enforced-${name}`,
        stack: "test",
        lab,
        program: async () => ({ ...(await program()) }),
        config: { "clusterSecurity:platform": "stand-ins" },
      });
      const up = await operate(stack, "up");
      try {
        assert.equal(up.error, undefined, up.output);
        const reachability = await computedReachability(lab.controlPlane);
        const planned = plan(example.declaration);
        const executor = new LabExecutor(cluster, reachability);
        const verification = await verify(reachability, executor, { plan: planned });
        const wrong = verification.probes
          .filter(({ holds }) => holds !== true)
          .map(({ probe, outcome }) => `${describeProbe(probe)} must be ${probe.expected}, is ${outcome.outcome}`);
        console.log(
          `      ${verification.probes.length} probes, ${verification.unprobed.length} parts not to be probed here: ` +
            [...new Set(verification.unprobed.map(({ what, why }) => `${what} (${why})`))].slice(0, 4).join("; "),
        );
        assert.deepEqual(wrong, []);
        assert.deepEqual(verification.findings, []);
        assert.equal(verification.verdict, "holds");
      } finally {
        await wipe(client, up);
        await cluster.untilEmpty();
      }
    });
  }
});
