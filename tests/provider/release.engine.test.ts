import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { openTestLab, patchAs, read, type Program, type TestLab, type TestStack } from "./support";

/** A chart with one ConfigMap, a Deployment that can never start here, and a hook. */
function writeChart(folder: string): string {
  const chart = path.join(folder, "tiny");
  mkdirSync(path.join(chart, "templates"), { recursive: true });
  const files: Record<string, string> = {
    "Chart.yaml": "apiVersion: v2\nname: tiny\nversion: 0.3.0\nappVersion: '7.1'\n",
    "values.yaml": "message: from the chart\nport: 80\nreplicas: 1\n",
    "templates/settings.yaml":
      "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-settings\ndata:\n  message: {{ .Values.message | quote }}\n  kube: {{ .Capabilities.KubeVersion.Minor | quote }}\n",
    "templates/service.yaml":
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  selector: { app: tiny }\n  ports: [{ port: {{ .Values.port }} }]\n",
    "templates/workload.yaml":
      "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  replicas: {{ .Values.replicas }}\n  selector: { matchLabels: { app: tiny } }\n  template:\n    metadata: { labels: { app: tiny } }\n    spec: { containers: [{ name: main, image: example.org/none }] }\n",
    "templates/hook.yaml":
      "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ .Release.Name }}-hook\n  annotations: { helm.sh/hook: pre-install }\nspec:\n  template:\n    spec: { restartPolicy: Never, containers: [{ name: main, image: example.org/none }] }\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(chart, name), text);
  return chart;
}

describe("provider: helm.v3.Release", function () {
  let lab: TestLab;
  let stack: TestStack;
  let folder: string;
  let chart: string;
  const settings = "/api/v1/namespaces/tools/configmaps/tiny-settings";
  const message = async (): Promise<unknown> =>
    ((await read(lab.cluster, settings))?.["data"] as Record<string, unknown>)?.["message"];

  const release =
    (args: Partial<k8s.helm.v3.ReleaseArgs> = {}): Program =>
    async () => {
      const made = new k8s.helm.v3.Release("tiny", {
        name: "tiny",
        namespace: "tools",
        createNamespace: true,
        atomic: true,
        chart,
        ...args,
      });
      return { status: made.status, names: made.resourceNames };
    };

  before(async function () {
    folder = mkdtempSync(path.join(tmpdir(), "provider-chart-"));
    chart = writeChart(folder);
    lab = await openTestLab();
    stack = await lab.stack("release");
  });
  after(async function () {
    await lab?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("previews without touching the cluster", async function () {
    const run = await stack.preview(release());
    assert.equal(run.failed, false, run.output);
    assert.deepEqual(run.steps.get("tiny"), ["create"]);
    assert.equal(await read(lab.cluster, "/api/v1/namespaces/tools"), undefined);
  });

  it("installs, with status and resource names as outputs, and says that it does not wait where no node is ready", async function () {
    const run = await stack.up(release({ values: { message: "first" } }));
    assert.equal(run.failed, false, run.output);
    assert.equal(await message(), "first");
    const { status, names } = stack.outputs() as {
      status: Record<string, unknown>;
      names: Record<string, string[]>;
    };
    assert.deepEqual(
      { ...status },
      {
        appVersion: "7.1",
        chart: "tiny",
        name: "tiny",
        namespace: "tools",
        revision: 1,
        status: "deployed",
        version: "0.3.0",
      },
    );
    assert.deepEqual(names["ConfigMap/v1"], ["tiny-settings"]);
    assert.deepEqual(names["Deployment.apps/apps/v1"], ["tiny"]);
    assert.equal(run.messages.filter((each) => each.includes("no node of this cluster is ready")).length, 1);
    const kube = ((await read(lab.cluster, settings))?.["data"] as Record<string, unknown>)["kube"];
    assert.equal(kube, "36", "charts must be rendered for the cluster's version");
  });

  it("changes nothing when nothing changed", async function () {
    const run = await stack.up(release({ values: { message: "first" } }));
    assert.deepEqual([...run.steps], [], run.output);
  });

  it("upgrades in place, values of files below those of the program", async function () {
    const valueFile = path.join(folder, "values.yaml");
    writeFileSync(valueFile, "message: from the file\nport: 81\n");
    const run = await stack.up(
      release({ valueYamlFiles: [new pulumi.asset.FileAsset(valueFile)], values: { message: "second" } }),
    );
    assert.equal(run.failed, false, run.output);
    assert.deepEqual(run.steps.get("tiny"), ["update"]);
    assert.equal(await message(), "second");
    const service = await read(lab.cluster, "/api/v1/namespaces/tools/services/tiny");
    assert.equal((service?.["spec"] as { ports: { port: number }[] }).ports[0]?.port, 81);
  });

  it("rolls back an upgrade that fails, and the next one goes on from there", async function () {
    const failed = await stack.up(release({ values: { message: "third", port: 70000 } }));
    assert.equal(failed.failed, true);
    assert.match(failed.output, /70000/);
    assert.equal(await message(), "second");
    const mended = await stack.up(release({ values: { message: "fourth" } }));
    assert.equal(mended.failed, false, mended.output);
    assert.equal(await message(), "fourth");
  });

  it("keeps a failed release that is not atomic in its state, and mends it", async function () {
    const failed = await stack.up(release({ atomic: false, values: { message: "fifth", port: 70000 } }));
    assert.equal(failed.failed, true);
    const mended = await stack.up(release({ atomic: false, values: { message: "sixth" } }));
    assert.equal(mended.failed, false, mended.output);
    assert.deepEqual(mended.steps.get("tiny"), ["update"]);
    assert.equal(await message(), "sixth");
  });

  it("takes up a release whose last operation was cut off", async function () {
    // what Helm leaves behind when it is killed during an upgrade: the last revision stays pending
    const list = await lab.cluster.request("GET", "/api/v1/namespaces/tools/secrets", {
      query: { labelSelector: "owner=helm,name=tiny" },
    });
    const records = (
      list.body as { items: { metadata: { name: string; labels: { version: string } }; data: { release: string } }[] }
    ).items;
    const last = records.sort((a, b) => Number(b.metadata.labels.version) - Number(a.metadata.labels.version))[0];
    assert.ok(last, "Helm keeps a record of the release");
    const { gunzipSync, gzipSync } = await import("node:zlib");
    const inner = Buffer.from(Buffer.from(last.data.release, "base64").toString("utf8"), "base64");
    const record = JSON.parse(gunzipSync(inner).toString("utf8")) as { info: { status: string } };
    record.info.status = "pending-upgrade";
    const packed = Buffer.from(gzipSync(Buffer.from(JSON.stringify(record))).toString("base64")).toString("base64");
    await patchAs(lab.cluster, "kubectl-edit", `/api/v1/namespaces/tools/secrets/${last.metadata.name}`, {
      metadata: { labels: { status: "pending-upgrade" } },
      data: { release: packed },
    });
    const run = await stack.up(release({ values: { message: "seventh" } }));
    assert.equal(run.failed, false, run.output);
    assert.equal(await message(), "seventh");
  });

  it("keeps secret values secret in state, errors and output", async function () {
    const hidden = "hush-hush-hush";
    const run = await stack.up(release({ values: { message: pulumi.secret(hidden) } }));
    assert.equal(run.failed, false, run.output);
    assert.equal(await message(), hidden);
    assert.ok(!stack.state().includes(hidden), "the state shows a secret value");
    const failed = await stack.up(release({ values: { message: "x", port: pulumi.secret("nine-thousand") } }));
    assert.equal(failed.failed, true);
    assert.ok(!failed.output.includes("nine-thousand"), failed.output);
  });

  it("refuses a name that somebody else's release uses", async function () {
    const other = await lab.stack("other-release");
    const run = await other.up(release());
    assert.equal(run.failed, true);
    assert.match(run.output, /cannot re-use a name that is still in use/);
    await other.clear();
    assert.notEqual(await read(lab.cluster, settings), undefined, "somebody else's release must survive");
  });

  it("finds a release that is gone at refresh", async function () {
    const list = await lab.cluster.request("GET", "/api/v1/namespaces/tools/secrets", {
      query: { labelSelector: "owner=helm,name=tiny" },
    });
    for (const { metadata } of (list.body as { items: { metadata: { name: string } }[] }).items) {
      await lab.cluster.request("DELETE", `/api/v1/namespaces/tools/secrets/${metadata.name}`);
    }
    const run = await stack.refresh();
    assert.equal(run.failed, false, run.output);
    assert.equal(stack.resources().has("tiny"), false, run.output);
    for (const url of [
      settings,
      "/api/v1/namespaces/tools/services/tiny",
      "/apis/apps/v1/namespaces/tools/deployments/tiny",
    ]) {
      await lab.cluster.request("DELETE", url);
    }
  });

  it("uninstalls", async function () {
    assert.equal((await stack.up(release())).failed, false);
    assert.notEqual(await read(lab.cluster, settings), undefined);
    const run = await stack.destroy();
    assert.equal(run.failed, false, run.output);
    assert.equal(await read(lab.cluster, settings), undefined);
  });

  it("fetches a chart from a repository, in the newest version that fits", async function () {
    const packed = spawnSync("tar", ["-czf", path.join(folder, "tiny-0.3.0.tgz"), "-C", folder, "tiny"]);
    assert.equal(packed.status, 0, String(packed.stderr));
    const index =
      "apiVersion: v1\nentries:\n  tiny:\n  - { name: tiny, version: 0.3.0, apiVersion: v2, urls: [tiny-0.3.0.tgz] }\n";
    const server = createServer((request, response) => {
      if (request.headers.authorization !== `Basic ${Buffer.from("me:hush-repo").toString("base64")}`)
        response.writeHead(401).end();
      else if (request.url === "/index.yaml") response.end(index);
      else if (request.url === "/tiny-0.3.0.tgz") response.end(readFileSync(path.join(folder, "tiny-0.3.0.tgz")));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const repo = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const from = (password: string): Program =>
      release({
        chart: "tiny",
        version: "^0.3.0",
        repositoryOpts: { repo, username: "me", password: pulumi.secret(password) },
      });
    try {
      const run = await stack.up(from("hush-repo"));
      assert.equal(run.failed, false, run.output);
      assert.equal(await message(), "from the chart");
      assert.equal(stack.state().includes("hush-repo"), false, "the state shows the repository's password");
      const refused = await stack.preview(from("hush-wrong"));
      assert.equal(refused.failed, true);
      assert.match(refused.output, /the chart "tiny" \^0\.3\.0 of http:\/\/127\.0\.0\.1:\d+ cannot be had: .*401/);
      assert.equal(refused.output.includes("hush-wrong"), false, "the error shows the repository's password");
    } finally {
      server.close();
    }
    await stack.clear();
  });

  it("renders the objects of a helm.v3.Chart as resources", async function () {
    const run = await stack.preview(async () => {
      new k8s.helm.v3.Chart("rendered", { path: chart, namespace: "default", values: { message: "rendered" } });
    });
    assert.equal(run.failed, false, run.output);
    assert.deepEqual(run.steps.get("rendered-settings"), ["create"], run.output);
  });

  it("refuses a chart that cannot be had in one sentence, in preview already", async function () {
    const run = await stack.preview(release({ chart: "nowhere", repositoryOpts: { repo: "https://charts.invalid" } }));
    assert.equal(run.failed, true);
    assert.match(run.output, /the chart "nowhere" of https:\/\/charts\.invalid cannot be had: /);
  });

  it("installs Cilium's chart from the released module where its repository cannot be reached", async function () {
    this.timeout(600_000);
    const run = await stack.up(async () => {
      const cilium = new k8s.helm.v3.Release("cilium", {
        name: "cilium",
        namespace: "kube-system",
        chart: "cilium",
        version: "1.20.2",
        repositoryOpts: { repo: "https://helm.cilium.invalid" },
        values: { encryption: { enabled: true, type: "wireguard" }, hubble: { relay: { enabled: true } } },
      });
      return { status: cilium.status.status };
    });
    assert.equal(run.failed, false, run.output);
    const config = await read(lab.cluster, "/api/v1/namespaces/kube-system/configmaps/cilium-config");
    assert.equal((config?.["data"] as Record<string, string>)["enable-wireguard"], "true");
    await stack.clear();
    assert.equal(await read(lab.cluster, "/api/v1/namespaces/kube-system/configmaps/cilium-config"), undefined);
  });
});
