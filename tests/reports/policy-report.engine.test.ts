/** What `check`, `report` and `audit` write as reports of the Policy Working Group, under a real API server that serves them. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadAll } from "js-yaml";
import type { ApiClient, ControlPlane } from "../../lab/control-plane/index";
import { apiClient, startControlPlane } from "../../lab/control-plane/index";
import { readCrds } from "../../lab/crds/index";
import { provideTools } from "../../lab/toolchain/index";
import { run } from "../cli/command";
import { deployment, join, namespace, shop } from "../cli/fixtures";
import { fixture } from "../support/fixtures";

interface PolicyReport {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly results: readonly { readonly result: string; readonly policy: string }[];
}

describe("reports of the Policy Working Group, under a real API server", function () {
  this.timeout(300_000);
  let folder: string;
  let plane: ControlPlane;
  let api: ApiClient;

  before(async function () {
    const definitions = fixture("crds/policyreport");
    if (definitions === undefined) return this.skip();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-reports-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "plane"), tools, fresh: true });
    api = apiClient(plane);
    for (const definition of readCrds(definitions)) {
      const at = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      assert.ok((await api.call("POST", at, definition)).status < 300, definition.metadata.name);
    }
    for (const plural of ["policyreports", "clusterpolicyreports"]) {
      for (let attempt = 0; attempt < 200; attempt++) {
        if ((await api.call("GET", `/apis/wgpolicyk8s.io/v1alpha2/${plural}`)).status === 200) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    for (const name of ["shop", "open"]) {
      assert.ok((await api.call("POST", "/api/v1/namespaces", { metadata: { name } })).status < 300);
    }
    const more = join(namespace("open"), deployment("open", "tool", 9000));
    writeFileSync(path.join(folder, "live.yaml"), join(shop, more));
    writeFileSync(path.join(folder, "baseline.yaml"), shop.replace("port: 8080", "port: 8081"));
  });

  after(async () => {
    api?.close();
    await plane?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const written = async (...args: string[]): Promise<PolicyReport[]> => {
    const { stdout, stderr } = await run([...args, "--format", "policyreport"], { cwd: folder });
    const reports = loadAll(stdout) as PolicyReport[];
    assert.ok(reports.length > 1, stderr);
    return reports;
  };

  /** What the API server says to each; unknown fields are refused, not dropped. */
  const applied = async (reports: readonly PolicyReport[]): Promise<number[]> => {
    const answers: number[] = [];
    for (const report of reports) {
      const { name, namespace: home } = report.metadata;
      const place = home === undefined ? "clusterpolicyreports" : `namespaces/${home}/policyreports`;
      const at = `/apis/wgpolicyk8s.io/v1alpha2/${place}/${name}?fieldManager=test&fieldValidation=Strict&force=true`;
      answers.push((await api.call("PATCH", at, report, "application/apply-patch+yaml")).status);
    }
    return answers;
  };

  for (const [command, args] of Object.entries({
    check: ["check", "live.yaml"],
    report: ["report", "live.yaml"],
    audit: ["audit", "--live", "live.yaml", "--baseline", "baseline.yaml", "--effect"],
  })) {
    it(`S1-22: it takes what ${command} writes, and refuses an outcome that there is not`, async () => {
      const reports = await written(...args);
      const answers = await applied(reports);
      assert.ok(
        answers.every((status) => status === 200 || status === 201),
        answers.join(),
      );
      assert.ok(reports.some(({ results }) => results.some(({ result }) => result === "fail" || result === "warn")));
      const text = JSON.stringify(reports).replaceAll('"result":"pass"', '"result":"fine"');
      assert.ok((await applied(JSON.parse(text) as PolicyReport[])).some((status) => status >= 400));
      const wrong = JSON.stringify(reports).replaceAll('"policy":', '"policies":');
      assert.ok((await applied(JSON.parse(wrong) as PolicyReport[])).some((status) => status >= 400));
    });
  }

  it("S1-22: the three stand beside each other, and none takes another's place", async () => {
    const { body } = await api.call("GET", "/apis/wgpolicyk8s.io/v1alpha2/namespaces/open/policyreports");
    const names = (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
    assert.deepEqual(names.sort(), ["cluster-security", "cluster-security-audit", "cluster-security-report"]);
  });

  it("S3-22: drift and what has no effect stand in the audit's, under names of their own", async () => {
    const reports = await written("audit", "--live", "live.yaml", "--baseline", "baseline.yaml", "--effect");
    const results = reports.flatMap((report) => report.results);
    assert.ok(results.some(({ policy, result }) => policy === "audit-changed" && result === "fail"));
    assert.ok(results.some(({ policy, result }) => policy === "audit-overdue" && result === "pass"));
    assert.ok(results.every(({ policy }) => policy.startsWith("audit-")));
  });
});
