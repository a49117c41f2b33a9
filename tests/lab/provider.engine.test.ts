import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { Operation } from "../engine/automation";
import { finished, openStack, operate } from "../engine/automation";
import { run, sharedLab } from "../engine/shared-lab";
import { temporaryFolder } from "./support/folders";

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly phase: string; readonly podIP?: string };
  }[];
}

const home = "provider-tryout";
const labelled = (app: string): { selector: { matchLabels: { app: string } }; template: object } => ({
  selector: { matchLabels: { app } },
  template: { metadata: { labels: { app } }, spec: { containers: [{ name: "main", image: "example.com/main:1" }] } },
});

const configMap = (name: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: ${home} }\ndata: { answer: "42" }\n`;

/** A chart with a hook that must have ended before the rest is installed. */
function chartIn(folder: string): string {
  const chart = path.join(folder, "tryout");
  mkdirSync(path.join(chart, "templates"), { recursive: true });
  writeFileSync(path.join(chart, "Chart.yaml"), "apiVersion: v2\nname: tryout\nversion: 1.0.0\n");
  writeFileSync(
    path.join(chart, "templates", "all.yaml"),
    `apiVersion: v1
kind: ConfigMap
metadata: { name: "{{ .Release.Name }}" }
data: { answer: {{ .Values.answer | quote }} }
---
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-before"
  annotations: { helm.sh/hook: pre-install }
spec:
  template: { spec: { restartPolicy: Never, containers: [{ name: main, image: "example.com/main:1" }] } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: "{{ .Release.Name }}" }
spec:
  selector: { matchLabels: { app: "{{ .Release.Name }}" } }
  template:
    metadata: { labels: { app: "{{ .Release.Name }}" } }
    spec: { containers: [{ name: main, image: "example.com/main:1" }] }
`,
  );
  return chart;
}

describe("Pulumi's own Kubernetes provider in the lab", () => {
  const folder = temporaryFolder();
  let lab: Lab;
  let client: ApiClient;
  let created: Operation;
  let destroyed: Operation | undefined;
  let chart: string;

  const program = (): Promise<void> => {
    const namespace = new k8s.core.v1.Namespace(home, { metadata: { name: home } });
    const options = { dependsOn: [namespace] };
    const metadata = (name: string): { name: string; namespace: string } => ({ name, namespace: home });
    new k8s.apps.v1.Deployment(
      "web",
      { metadata: metadata("web"), spec: { replicas: 2, ...labelled("web") } },
      options,
    );
    new k8s.apps.v1.DaemonSet("agent", { metadata: metadata("agent"), spec: labelled("agent") }, options);
    new k8s.apps.v1.StatefulSet(
      "store",
      { metadata: metadata("store"), spec: { serviceName: "store", ...labelled("store") } },
      options,
    );
    const once = { restartPolicy: "Never", containers: [{ name: "main", image: "example.com/main:1" }] };
    new k8s.batch.v1.Job("once", { metadata: metadata("once"), spec: { template: { spec: once } } }, options);
    new k8s.yaml.v2.ConfigGroup("group", { yaml: configMap("from-group") }, options);
    new k8s.helm.v4.Chart("chart", { chart, namespace: home, values: { answer: "43" } }, options);
    const release = { chart, namespace: home, name: "release", values: { answer: "44" } };
    new k8s.helm.v3.Release("release", release, options);
    return Promise.resolve();
  };

  before(async () => {
    chart = chartIn(folder);
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    const stack = await openStack({ project: "provider", stack: "test", lab, program });
    created = await operate(stack, "up");
    destroy = async () => (destroyed ??= await operate(stack, "destroy"));
  });

  let destroy: () => Promise<Operation> = () => assert.fail("nothing was created");

  after(async () => {
    await destroy();
    client.close();
  });

  it("awaits what it creates: every rollout has run on the simulated node, every Job and hook has ended", async () => {
    assert.equal(created.error, undefined);
    const { items } = (await client.call("GET", `/api/v1/namespaces/${home}/pods`)).body as PodList;
    const phases = (app: string): string[] =>
      items.filter(({ metadata }) => metadata.labels["app"] === app).map(({ status }) => status.phase);
    assert.deepEqual(phases("web"), ["Running", "Running"]);
    for (const app of ["agent", "store", "chart", "release"]) assert.deepEqual(phases(app), ["Running"], app);
    const jobs = items.filter(({ metadata }) => metadata.labels["batch.kubernetes.io/job-name"] !== undefined);
    assert.ok(jobs.length > 0 && jobs.every(({ status }) => status.phase === "Succeeded"));
    assert.ok(items.every(({ spec }) => spec.nodeName === "lab-node"));
    const addresses = items.map(({ status }) => status.podIP);
    assert.equal(new Set(addresses).size, items.length, addresses.join());
  });

  it("shows what is inside YAML groups and charts under the types that typed programs use", () => {
    const types = new Map(finished(created).map(({ name, type }) => [name, type]));
    assert.equal(types.get(`group:${home}/from-group`), "kubernetes:core/v1:ConfigMap");
    assert.equal(types.get(`chart:${home}/chart`), "kubernetes:apps/v1:Deployment");
    assert.equal(types.get("release"), "kubernetes:helm.sh/v3:Release");
  });

  it("gives the schema of its own release, from its module", async () => {
    const asked = await run(lab.engine.path, ["package", "get-schema", "kubernetes"], {
      cwd: lab.dataDir,
      env: { ...lab.env },
    });
    assert.equal(asked.code, 0, asked.output);
    const schema = JSON.parse(asked.output) as { version: string; resources: object };
    assert.equal(schema.version, lab.engine.provider.version);
    assert.ok("kubernetes:networking.k8s.io/v1:NetworkPolicy" in schema.resources);
  });

  it("destroys it, and is done when the pods and the namespace are gone", async () => {
    const { error } = await destroy();
    assert.equal(error, undefined);
    assert.equal((await client.call("GET", `/api/v1/namespaces/${home}`)).status, 404);
  });
});
