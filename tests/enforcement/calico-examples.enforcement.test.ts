/** The examples in the APIs that Calico reads, deployed by a real Pulumi engine onto a cluster where Felix enforces. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { installCrds } from "../../lab/crds/index";
import { LabCluster } from "../../lab/datapath/index";
import type { Lab } from "../../lab/index";
import { openLab } from "../../lab/index";
import { loadExample, problemsOf, runWholeWay } from "../../lab/whole-way/index";
import { Dialect } from "../../sdk/index";
import { skipWithoutCalico } from "./calico";
import { closeSharedDatapath } from "./shared-datapath";
import { chosenExamples, describeLive } from "./whole-way";

describe("enforcement: the examples on a real Calico", () => {
  let lab: Lab;
  let cluster: LabCluster;
  let folder: string;

  before(async function () {
    this.timeout(600_000);
    await skipWithoutCalico(this);
    // there is room for one
    await closeSharedDatapath();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-examples-"));
    // the examples bring their own DNS server
    const datapath = { clusterDns: false, cni: "calico" } as const;
    lab = await openLab({ dataDir: folder, quiet: true, fresh: true, datapath });
    await installCrds(lab.controlPlane, ["istio"]);
    cluster = new LabCluster(lab.controlPlane, lab.datapath?.nodes ?? []);
  });

  after(async function () {
    this.timeout(120_000);
    cluster?.close();
    await lab?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  for (const name of chosenExamples) {
    for (const dialect of [Dialect.Calico, Dialect.Kubernetes]) {
      it(`S0-10, S0-14, S4-14, S4-18: ${name} in ${dialect}: the whole way, probed all the while`, async function () {
        this.timeout(900_000);
        const result = await runWholeWay(await loadExample(name), {
          ...{ lab, cluster, dialect },
          signal: new AbortController().signal,
          tables: path.join(folder, "tables"),
        });
        console.log(`      during up: ${describeLive(result.up)}`);
        console.log(
          `      then ${result.verification.probes.length} probes; during destroy: ${describeLive(result.destroy)}`,
        );
        assert.deepEqual(problemsOf(result), []);
      });
    }
  }
});
