import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ReportModel } from "../../sdk/reports/report";
import { folderWith, repoRoot, run } from "./command";
import { defaultDeny, deployment, join, namespace, shop } from "./fixtures";

const declaration = readFileSync(path.join(repoRoot, "examples", "manifests", "declaration.yaml"), "utf8");

describe("cluster-security report", () => {
  let folder: string;
  let remove: () => void;
  before(
    () =>
      ({ folder, remove } = folderWith({
        "shop.yaml": shop,
        "open.yaml": join(namespace("open"), deployment("open", "tool", 9000)),
        "strange.yaml": join(defaultDeny.replace("networking.k8s.io/v1", "networking.k8s.io/v9")),
        "declaration.yaml": declaration,
        "list.json": "[]",
        "half.json": '{"probes": [',
      })),
  );
  after(() => remove());

  const report = (...args: string[]) => run(["report", ...args], { cwd: folder });
  const model = async (...args: string[]): Promise<ReportModel> =>
    JSON.parse((await report(...args, "--format", "json")).stdout) as ReportModel;

  it("S1-22: writes one HTML file with its own policy, and exits with 0 whatever stands in it", async () => {
    const { code, stdout, stderr } = await report("open.yaml", "-d", "declaration.yaml", "-o", "report.html");
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    const page = readFileSync(path.join(folder, "report.html"), "utf8");
    assert.match(
      page,
      /<meta\s+http-equiv="Content-Security-Policy"\s+content="default-src 'none'; style-src 'sha256-/,
    );
    assert.ok(!/(src|href)="https?:/.test(page));
  });

  it("names every input with its checksum, and no folder of who ran it", async () => {
    const { inputs, findings } = await model(path.join(folder, "shop.yaml"), "-d", "declaration.yaml");
    const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
    assert.deepEqual(inputs, [
      { role: "policies", name: "shop.yaml", sha256: sum(shop) },
      { role: "declaration", name: "declaration.yaml", sha256: sum(declaration) },
    ]);
    assert.ok(!JSON.stringify(findings).includes(folder));
  });

  it("the name of the file says the form; --format says it before that", async () => {
    for (const [file, begins] of [
      ["r.md", "# Network security report"],
      ["r.csv", "section,subject,"],
      ["r.json", '{\n "format": "cluster-security-report/1"'],
      ["r.txt", "<!doctype html>"],
    ] as const) {
      await report("shop.yaml", "-o", file);
      assert.ok(readFileSync(path.join(folder, file), "utf8").startsWith(begins), file);
    }
    const oscal = await report("shop.yaml", "--format", "oscal");
    assert.ok("assessment-results" in (JSON.parse(oscal.stdout) as object));
  });

  it("--fail-on makes it a gate", async () => {
    assert.equal((await report("open.yaml", "--format", "md", "--fail-on", "critical")).code, 1);
    assert.equal((await report("shop.yaml", "--format", "md", "--fail-on", "critical", "--tier0", "shop")).code, 0);
  });

  it("what could not be read leaves it open: nothing is closed, and the exit code is 3", async () => {
    const { code, stdout } = await report("shop.yaml", "strange.yaml", "--format", "json");
    assert.equal(code, 3);
    const { complete, controls, problems } = JSON.parse(stdout) as ReportModel;
    assert.equal(complete, false);
    assert.ok(problems.some((problem) => problem.startsWith("strange.yaml:")));
    assert.ok(controls.every(({ computed }) => computed.state !== "holds"));
  });

  it("S1-22: every form names the controls with their ids, and what was computed for each", async () => {
    for (const format of ["html", "md", "csv", "json", "oscal", "policyreport"]) {
      const { code, stdout, stderr } = await report("open.yaml", "--format", format);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /SC-7\(5\)|sc-7\.5/, format);
      assert.match(stdout, /5\.3\.2/, format);
    }
  });

  it("S1-21: --compare tells what opened since", async () => {
    await report("shop.yaml", "-o", "before.json");
    const { comparison } = await model("shop.yaml", "open.yaml", "--compare", "before.json");
    assert.ok(comparison?.openedPaths.some(({ from }) => from === "open/tool[Deployment]"));
    assert.ok(comparison?.newFindings.some(({ rule }) => rule === "namespace-default-deny"));
  });

  for (const [option, file, complaint] of [
    ["--verify", "absent.json", /--verify: "absent\.json" cannot be read: there is no such file/],
    ["--verify", ".", /--verify: "\." cannot be read: it is a folder/],
    ["--verify", "half.json", /--verify: "half\.json" is no JSON/],
    ["--verify", "list.json", /it is no verification: write one with verify --format json/],
    ["--replay", "half.json", /is no JSON/],
    ["--compare", "list.json", /it is no report: write one with report --format json/],
  ] as const) {
    it(`refuses ${option} ${file}, and writes nothing`, async () => {
      const { code, stdout, stderr } = await report("shop.yaml", option, file, "-o", "refused.html");
      assert.equal(code, 4, stderr);
      assert.match(stderr, complaint);
      assert.equal(stdout, "");
      assert.ok(!existsSync(path.join(folder, "refused.html")));
    });
  }
});
