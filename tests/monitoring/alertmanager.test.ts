import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import type { MonitoringPrograms } from "../../lab/monitoring/programs";
import { monitoringPrograms } from "../../lab/monitoring/programs";
import { run } from "../../lab/toolchain/run";
import { Dialect } from "../../sdk/plan/index";
import type { Watched } from "./declarations";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched, watchedExamples } from "./declarations";

const mutes = [{ owner: "shop", from: "2027-12-30", until: "2028-03-01", reason: "moves house" }];

describe("monitoring: Alertmanager's configuration, judged by amtool", function () {
  this.timeout(120_000);
  let programs: MonitoringPrograms | undefined;
  let folder = "";
  before(async function () {
    programs = await monitoringPrograms();
    if (programs === undefined) this.skip();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-alertmanager-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function amtool(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(programs?.amtool ?? "", args);
    assert.equal(code, 0, stdout + stderr);
    return stdout.trim();
  }

  const written = (declaration: typeof everything): string => writtenFor(watched("x", declaration, { mutes }));

  function writtenFor({ monitoring }: Watched): string {
    const file = path.join(folder, "alertmanager.yml");
    writeFileSync(file, dump(monitoring.alertmanager, { noRefs: true }));
    return file;
  }

  it("S2-15 is accepted, with mutes that have an end", async () => {
    for (const declaration of [everything, everythingOnCalico, everythingInAmbientMesh]) {
      assert.match(await amtool("check-config", written(declaration)), /SUCCESS/);
    }
  });

  it("S2-15 is accepted for every example, and sends whatever a flow or a namespace of it is about to its owner", async () => {
    for (const example of await watchedExamples(Dialect.Cilium)) {
      const file = writtenFor(example);
      assert.match(await amtool("check-config", file), /SUCCESS/, example.name);
      const { pairs, owners } = example.monitoring;
      for (const owner of new Set([...pairs.map((pair) => pair.owner), ...owners.values()])) {
        const labels = ["alertname=DeclaredFlowCut", `owner=${owner}`, "severity=critical"];
        const found = await amtool("config", "routes", "test", `--config.file=${file}`, ...labels);
        assert.equal(found, `owner-${owner}`, example.name);
      }
    }
  });

  it("S2-15 sends each alert to its owner, and what belongs to nobody to the platform", async () => {
    const file = written(everything);
    const receiver = async (...labels: string[]): Promise<string> =>
      await amtool("config", "routes", "test", `--config.file=${file}`, ...labels);
    assert.equal(await receiver("alertname=DeclaredFlowCut", "owner=data", "severity=critical"), "owner-data");
    assert.equal(
      await receiver("alertname=UndeclaredFlowDenied", "owner=research", "severity=warning"),
      "owner-research",
    );
    assert.equal(
      await receiver("alertname=MetadataEndpointTried", "owner=security", "severity=critical"),
      "owner-security",
    );
    assert.equal(
      await receiver("alertname=UndeclaredFlowDenied", "owner=nobody", "severity=warning"),
      "owner-platform",
    );
    // muted outside its days only in time, never in direction
    assert.equal(await receiver("alertname=DeclaredFlowCut", "owner=shop", "severity=critical"), "owner-shop");
  });
});
