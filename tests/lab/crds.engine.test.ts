import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import checksums from "../../lab/crds/checksums.json";
import { ciliumChart, pinnedVersion } from "../../lab/crds/index";
import { downloadGoModule } from "../../lab/toolchain/go-modules";
import { findOnPath } from "../../lab/toolchain/lookup";

const lab = path.resolve(__dirname, "..", "..", "lab");
const file = path.join(lab, "crds", "checksums.json");

describe("lab definitions: releases", function () {
  before(function () {
    if (!findOnPath("go", process.env.PATH)) this.skip();
  });

  it("checksums.json is that of the pinned Go modules (write it anew with UPDATE_SNAPSHOTS=1)", async () => {
    const actual: Record<string, Record<string, string>> = {};
    for (const [release, files] of Object.entries(checksums as Record<string, Record<string, string>>)) {
      const module = release.slice(0, release.lastIndexOf("@"));
      const version = pinnedVersion(module);
      const source = await downloadGoModule(module, version, path.join(lab, "modules", "manifests"));
      const sums = Object.keys(files).map((name): [string, string] => [
        name,
        createHash("sha256")
          .update(readFileSync(path.join(source, name)))
          .digest("hex"),
      ]);
      actual[`${module}@v${version}`] = Object.fromEntries(sums);
    }
    if (process.env.UPDATE_SNAPSHOTS) writeFileSync(file, `${JSON.stringify(actual, null, 2)}\n`);
    else assert.deepEqual(actual, checksums);
  });

  it("Cilium's chart of the pinned and of an older version", async () => {
    for (const version of [pinnedVersion("github.com/cilium/cilium"), "1.18.6"]) {
      const folder = await ciliumChart(version);
      assert.match(readFileSync(path.join(folder, "Chart.yaml"), "utf8"), new RegExp(`^version: ${version}$`, "m"));
      assert.ok(existsSync(path.join(folder, "templates", "cilium-agent", "daemonset.yaml")));
    }
  });

  it("a version that is none is refused", async () => {
    await assert.rejects(ciliumChart("../../etc"), /no version/);
  });
});
