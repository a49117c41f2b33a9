import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import path from "node:path";
import { folderWith, run, type Ran } from "./command";
import { defaultDeny, deployment, join, namespace } from "./fixtures";

/** Runs a command in a folder where `kustomize` and `helm` are programs with these shell texts, or are not there. */
async function rendered(
  files: Readonly<Record<string, string>>,
  programs: { readonly kustomize?: string; readonly helm?: string },
  ...args: string[]
): Promise<Ran> {
  const bin = folderWith({ "bin/.keep": "" });
  const { folder, remove } = folderWith(files);
  const place = path.join(bin.folder, "bin");
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(path.join(place, name), `#!/bin/sh\n${text}\n`);
    chmodSync(path.join(place, name), 0o755);
  }
  try {
    return await run([...args, "--render"], {
      cwd: folder,
      env: { PATH: Object.keys(programs).length === 0 ? place : `${place}:/usr/bin:/bin` },
    });
  } finally {
    bin.remove();
    remove();
  }
}

const shop = join(namespace("shop"), deployment("shop", "web", 80));
const overlays = {
  "base/kustomization.yaml": "resources: [web.yaml]\n",
  "base/web.yaml": shop,
  "dev/kustomization.yaml": "resources: [../base]\n",
  "prod/kustomization.yaml": "resources: [../base, deny.yaml]\n",
  "prod/deny.yaml": defaultDeny,
};
const hasKustomize = [
  ["kustomize", "version"],
  ["kubectl", "version", "--client"],
].some(([program = "", ...args]) => spawnSync(program, args).status === 0);

describe("cluster-security --render", () => {
  it("reads what the programs write instead of the files that went in", async () => {
    const ran = await rendered(
      overlays,
      { kustomize: 'cat base/web.yaml; [ "$2" = dev ] || { echo "---"; cat prod/deny.yaml; }' },
      ...["query", "203.0.113.7", "shop/web:80", "."],
    );
    assert.match(ran.stdout, /^denied/, ran.stderr);
    assert.doesNotMatch(ran.stderr, /not rendered|problem/);
  });

  it("overlays that render the same object differently are variants", async () => {
    const ran = await rendered(
      overlays,
      { kustomize: 'if [ "$2" = dev ]; then cat base/web.yaml; else sed "s/app: web/app: other/" base/web.yaml; fi' },
      ...["check", ".", "--fail-on", "none", "--rule", "not-understood"],
    );
    assert.match(ran.stdout, /MEDIUM not-understood[^]*Deployment shop\/web differs between overlays/, ran.stderr);
  });

  it("what fails is said with the program's own error, once for many, and the files are read as they lie there", async () => {
    const charts = Object.fromEntries(
      ["a", "b", "c", "d"].map((name) => [`${name}/Chart.yaml`, `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`]),
    );
    const ran = await rendered(
      { ...overlays, ...charts },
      {
        kustomize:
          'echo "# Warning: bases is deprecated" >&2; echo "Error: accumulating resources: no such host" >&2; exit 1',
        helm: 'echo "WARNING: group-readable" >&2; echo "Error: found in Chart.yaml, but missing in charts/ directory: x" >&2; exit 1',
      },
      ...["query", "203.0.113.7", "shop/web:80", "."],
    );
    assert.match(ran.stdout, /^denied/, ran.stderr);
    assert.match(ran.stderr, /kustomize build dev failed: accumulating resources: no such host/);
    assert.match(ran.stderr, /helm template rendered a failed: found in Chart\.yaml.*3 more like it/);
    assert.doesNotMatch(ran.stderr, /WARNING|deprecated/);
  });

  it("a patch that a rendered kustomization does not list is no workload", async () => {
    const off = `apiVersion: apps/v1
kind: Deployment
metadata: { name: manager, namespace: system }
spec: { template: { metadata: { labels: { a: b } }, spec: { imagePullSecrets: [{ name: key }] } } }
`;
    const ran = await rendered(
      { ...overlays, "prod/pull_secret.yaml": off },
      { kustomize: 'cat base/web.yaml; echo "---"; cat prod/deny.yaml' },
      ...["check", ".", "--fail-on", "none"],
    );
    assert.doesNotMatch(ran.stdout + ran.stderr, / system|manager|problem/);
  });

  it("a chart in the same repository is rendered as its HelmRelease or Application says", async () => {
    const chart = { "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n" };
    const release =
      "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: web, namespace: shop }\n" +
      "spec: { chart: { spec: { chart: ./charts/web, sourceRef: { kind: GitRepository, name: x } } }, values: { closed: true } }\n";
    const application =
      "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: web, namespace: argocd }\n" +
      "spec: { source: { path: charts/web, helm: { valuesObject: { closed: true } } }, destination: { namespace: shop } }\n";
    const helm =
      'cat web.yaml; case "$* $(cat)" in *"web charts/web --namespace shop --values - {\\"closed\\":true}") echo ---; cat deny;; esac';
    for (const installed of [release, application]) {
      const ran = await rendered(
        { ...chart, "web.yaml": shop, deny: defaultDeny, "clusters/web.yaml": installed },
        { helm },
        ...["query", "203.0.113.7", "shop/web:80", "."],
      );
      assert.match(ran.stdout, /^denied/, ran.stderr);
    }
  });

  it("a library chart renders to nothing, and is not tried", async () => {
    const library = "apiVersion: v2\nname: common\ntype: library\nversion: 1.0.0\n";
    const ran = await rendered(
      { "common/Chart.yaml": library, "web.yaml": join(shop, defaultDeny) },
      { helm: "exit 1" },
      ...["query", "203.0.113.7", "shop/web:80", "."],
    );
    assert.equal(ran.code, 1, ran.stderr);
    assert.doesNotMatch(ran.stderr, /problem|is not rendered, its/);
  });

  it("programs that are not there are named once", async () => {
    const ran = await rendered(
      { ...overlays, "x/kustomization.yaml": "" },
      {},
      "query",
      "203.0.113.7",
      "shop/web:80",
      ".",
    );
    assert.match(ran.stderr, /there is no kustomize on the PATH/);
    assert.equal(ran.stderr.match(/there is no kustomize/g)?.length, 1, ran.stderr);
  });

  it("kustomize itself agrees with what is read of the files: namespaces of bases and overlays", async function () {
    if (!hasKustomize) this.skip();
    const files = { ...overlays, "prod/kustomization.yaml": "namespace: live\nresources: [../base, deny.yaml]\n" };
    const { folder, remove } = folderWith(files);
    try {
      const args = ["query", "203.0.113.7", "live/web:80", "prod", "base"];
      const env = { PATH: process.env["PATH"] ?? "" };
      const [read, built] = [
        await run(args, { cwd: folder, env }),
        await run([...args, "--render"], { cwd: folder, env }),
      ];
      assert.match(built.stdout, /^denied/, built.stderr);
      assert.equal(read.stdout, built.stdout);
    } finally {
      remove();
    }
  });
});
