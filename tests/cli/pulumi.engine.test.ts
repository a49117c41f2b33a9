import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { apiClient, labContext } from "../../lab/control-plane/index";
import { openLab, type Lab } from "../../lab/index";
import { repoRoot, run } from "./command";

const hidden = "hunter2-very-secret";

/** `owner` is not known before `cm` exists. */
const program = `
const pulumi = require("@pulumi/pulumi");
const k8s = require("@pulumi/kubernetes");
const namespace = new k8s.core.v1.Namespace("shop", { metadata: { name: "shop" } });
const options = { dependsOn: namespace };
const cm = new k8s.core.v1.ConfigMap("cm", { metadata: { name: "cm", namespace: "shop" }, data: { a: "b" } }, options);
const owner = cm.id.apply(() => "me");
const deployment = (name, labels, env) => new k8s.apps.v1.Deployment(name, {
  metadata: { name, namespace: "shop" },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name, ...labels } },
      spec: { containers: [{ name: "main", image: "example.com/x:1", ports: [{ containerPort: 8080 }], env }] },
    },
  },
}, options);
deployment("web", {}, [{ name: "PASSWORD", value: pulumi.secret("${hidden}") }]);
deployment("api", { owner });
const policy = (name, spec) =>
  new k8s.networking.v1.NetworkPolicy(name, { metadata: { name, namespace: "shop" }, spec }, options);
policy("default-deny-all", { podSelector: {}, policyTypes: ["Ingress"] });
policy("allow-web-to-api", {
  podSelector: { matchLabels: { owner } },
  policyTypes: ["Ingress"],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 8080 }] }],
});
`;

describe("cluster-security on what the real Pulumi engine writes", () => {
  let folder: string;
  let project: string;
  let lab: Lab;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-pulumi-"));
    project = mkdtempSync(path.join(folder, "project-"));
    lab = await openLab({ dataDir: path.join(folder, "lab"), fresh: true, quiet: true });
    symlinkSync(path.join(repoRoot, "node_modules"), path.join(project, "node_modules"));
    writeFileSync(path.join(project, "Pulumi.yaml"), "name: shop\nruntime: nodejs\nmain: index.js\n");
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "shop", main: "index.js" }));
    writeFileSync(path.join(project, "index.js"), program);
    pulumi("stack", "init", "dev");
  });

  after(async () => {
    await lab?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function pulumi(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync(lab.engine.path, args, {
      cwd: project,
      env: { ...lab.env },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    assert.equal(status, 0, `pulumi ${args.join(" ")}: ${stdout}\n${stderr}`);
    return stdout;
  }

  async function ask(text: string, ...options: string[]) {
    const ran = await run(["query", "shop/web", "shop/api:8080", "-", ...options], { stdin: text });
    assert.ok(!`${ran.stdout}${ran.stderr}`.includes(hidden));
    return ran;
  }

  it("a preview before anything exists: the unknown label makes the verdict unknown", async () => {
    const { code, stdout, stderr } = await ask(pulumi("preview", "--json"));
    assert.equal(code, 3, stderr);
    assert.match(stdout, /^unknown/);
    assert.match(stderr, /Deployment::api: Deployment shop\/api: spec\.template\.metadata\.labels.* not known yet/);
  });

  // Pulumi's provider hides the whole list of containers for one secret among their variables, in inputs and outputs
  const hiddenList = /Deployment shop\/web: spec\.template\.spec\.containers is not known yet/;

  it("the state after the update: a list that is hidden for a secret is not known; with secrets in plain text they are not printed", async () => {
    pulumi("up", "--yes", "--skip-preview");
    for (const args of [
      ["stack", "export"],
      ["stack", "export", "--show-secrets"],
    ]) {
      const { code, stderr } = await ask(pulumi(...args));
      assert.equal(code, 3, stderr);
      assert.match(stderr, hiddenList);
    }
    assert.ok(pulumi("stack", "export", "--show-secrets").includes(hidden), "the test must show the command a secret");
  });

  it("a preview of no change has a hole, unless it shows what stays the same", async () => {
    const hole = await ask(pulumi("preview", "--json"));
    assert.equal(hole.code, 4);
    assert.match(hole.stderr, /--show-sames/);
    const { code, stderr } = await ask(pulumi("preview", "--json", "--show-sames"));
    assert.equal(code, 3, stderr);
    assert.match(stderr, hiddenList);
    assert.doesNotMatch(stderr, /--show-sames/);
  });

  it("S2-06, S2-21: rollback to the state that was exported, and to a version in the history of Pulumi's own backend, puts a changed policy back; a backend without versions is told, with the way out", async () => {
    const { controlPlane } = lab;
    const api = apiClient(controlPlane);
    const at = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/default-deny-all";
    const back = (to: string): ReturnType<typeof run> =>
      run(
        [
          ...["rollback", "--to", to, "--policy", "shop/default-deny-all", "--yes", "--cni", "kubernetes"],
          ...["--context", labContext, "--kubeconfig", controlPlane.kubeconfigPath, "--allow-problems"],
        ],
        {
          cwd: project,
          env: {
            ...(lab.env as Record<string, string>),
            PATH: `${path.dirname(lab.engine.path)}:${process.env["PATH"] ?? ""}`,
          },
        },
      );
    try {
      writeFileSync(path.join(project, "state.json"), pulumi("stack", "export"));
      const changed = await api.call("PATCH", at, { spec: { ingress: [{}] } }, "application/merge-patch+json");
      assert.equal(changed.status, 200);
      const done = await back("state.json");
      assert.equal(done.code, 0, done.stdout + done.stderr);
      assert.match(done.stdout, /applied NetworkPolicy.networking.k8s.io shop\/default-deny-all/);
      assert.match(done.stderr, /rollback took \d+\.\d s/);
      const { body } = await api.call("GET", at);
      assert.equal((body as { spec: { ingress?: unknown } }).spec.ingress, undefined);
      const none = await back("history:1");
      assert.equal(none.code, 4);
      assert.match(none.stderr, /--version 1 failed: .*; with a backend of files, name the checkpoint/);
      assert.equal((await back("history:last")).code, 2);
      // an update of the program that lets everybody in, and the version before it in the backend's own history
      const checkpoints = (): string[] => {
        const kept = path.join(fileURLToPath(lab.env["PULUMI_BACKEND_URL"] ?? ""), ".pulumi/history/shop/dev");
        const files = readdirSync(kept).filter((file) => file.endsWith(".checkpoint.json"));
        return files.sort().map((file) => path.join(kept, file));
      };
      const before = checkpoints();
      const open = program.replace('policyTypes: ["Ingress"] });', 'policyTypes: ["Ingress"], ingress: [{}] });');
      assert.notEqual(open, program);
      writeFileSync(path.join(project, "index.js"), open);
      pulumi("up", "--yes", "--skip-preview");
      assert.equal(checkpoints().length, before.length + 1);
      assert.deepEqual(((await api.call("GET", at)).body as { spec: { ingress?: unknown } }).spec.ingress, [{}]);
      const again = await back(before.at(-1) ?? "");
      assert.equal(again.code, 0, again.stdout + again.stderr);
      assert.match(again.stdout, /closed .*shop\//);
      assert.equal(((await api.call("GET", at)).body as { spec: { ingress?: unknown } }).spec.ingress, undefined);
      assert.ok(!`${again.stdout}${again.stderr}`.includes(hidden));
      const same = await back(checkpoints().at(-1) ?? "");
      assert.equal(same.code, 0, same.stdout + same.stderr);
      assert.deepEqual(((await api.call("GET", at)).body as { spec: { ingress?: unknown } }).spec.ingress, [{}]);
    } finally {
      writeFileSync(path.join(project, "index.js"), program);
      api.close();
    }
  });
});
