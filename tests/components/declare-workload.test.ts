import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import * as kx from "@pulumi/kubernetesx";
import * as pulumi from "@pulumi/pulumi";
import { exampleProgram } from "../../lab/examples/index";
import { DeclarationError, declareWorkload, plan } from "../../sdk/index";
import { register } from "./monitor";

const containers = [{ name: "main", image: "acme/web:1", ports: [{ containerPort: 8080, name: "http" }] }];
const template = {
  metadata: { labels: { app: "web", track: "stable" } },
  spec: { containers, serviceAccountName: "web" },
};
const expected = {
  namespace: "shop",
  name: "web",
  labels: { app: "web" },
  serviceAccount: "web",
  ports: [{ port: 8080, protocol: "TCP", name: "http" }],
};

describe("declareWorkload", () => {
  it("reads specs and arguments of plain workloads, literal or as outputs", async () => {
    const spec = { selector: { matchLabels: { app: "web" } }, template };
    for (const source of [spec, { spec }, pulumi.output(spec), { spec: pulumi.output(spec) }]) {
      assert.deepEqual(await declareWorkload("shop/web", source), expected);
    }
    const job = { spec: { jobTemplate: { spec: { template } }, schedule: "@daily" } };
    assert.deepEqual((await declareWorkload("shop/web", job)).labels, { app: "web", track: "stable" });
  });

  it("reads a kx.PodBuilder: its label, its map of ports", async () => {
    const builder = new kx.PodBuilder({ containers: [{ image: "redis:8", ports: { redis: 6379 } }] });
    assert.deepEqual(await declareWorkload("shop/cache", builder), {
      namespace: "shop",
      name: "cache",
      labels: { app: "redis" },
      ports: [{ port: 6379, protocol: "TCP", name: "redis" }],
    });
  });

  it("reads workloads that are resources already: kx.Deployment, kx.Job and those of @pulumi/kubernetes", async () => {
    for (const preview of [false, true]) {
      await register(
        async () => {
          const pod = new kx.PodBuilder({
            serviceAccountName: "web",
            containers: [{ image: "redis:8", ports: { redis: 6379 } }],
          });
          const metadata = { namespace: "shop", name: "cache" };
          const ports = [{ port: 6379, protocol: "TCP", name: "redis" }];
          const wanted = { ...metadata, labels: { app: "redis" }, serviceAccount: "web", ports };
          const made: readonly pulumi.Resource[] = [
            new kx.Deployment("deployment", { metadata, spec: pod.asDeploymentSpec() }),
            new kx.Job("job", { metadata, spec: pod.asJobSpec() }),
            new k8s.apps.v1.Deployment("plain", { metadata, spec: pod.asDeploymentSpec() }),
          ];
          for (const resource of made) {
            assert.deepEqual(await declareWorkload("shop/cache", resource), wanted);
          }
          const job = { schedule: "@daily", jobTemplate: { spec: pod.asJobSpec() } };
          const nightly = new k8s.batch.v1.CronJob("nightly", { metadata, spec: job });
          assert.deepEqual((await declareWorkload("shop/cache", nightly)).labels, { app: "redis" });
          await assert.rejects(declareWorkload("shop/cache", new k8s.core.v1.ConfigMap("none", {})), DeclarationError);
        },
        { preview },
      );
    }
  });

  it("lets colliding kx selectors be refused", async () => {
    const build = (image: string): kx.PodBuilder => new kx.PodBuilder({ containers: [{ image, ports: { http: 80 } }] });
    const workloads = [
      await declareWorkload("shop/app", build("ghcr.example/acme/my-app")),
      await declareWorkload("shop/api", build("ghcr.example/acme/my-api")),
    ];
    assert.deepEqual(
      workloads.map(({ labels }) => labels),
      [{ app: "my" }, { app: "my" }],
    );
    assert.throws(() => plan({ namespaces: [{ name: "shop" }], workloads }), /selects the same pods as shop\/app/);
  });

  it("refuses what is not known yet and what is no workload", async () => {
    await register(
      async () => {
        const unknown = new k8s.core.v1.ConfigMap("later", {}).metadata.uid;
        const spec = { template: { ...template, metadata: { labels: { app: unknown } } } };
        await assert.rejects(declareWorkload("shop/web", spec), DeclarationError);
      },
      { preview: true },
    );
    for (const source of [undefined, "web", {}, { spec: {} }, { template: { metadata: { labels: {} } } }]) {
      await assert.rejects(declareWorkload("shop/web", source), DeclarationError);
    }
  });

  it("is what examples/kubernetesx is made of: workloads after policies, same labels", async () => {
    const all = await register(exampleProgram("kubernetesx"));
    const policy = all.find(({ name }) => name === "kubernetesx-kx-demo/allow-web-to-cache");
    const deployment = all.find(({ name, type }) => name === "cache" && type === "kubernetes:apps/v1:Deployment");
    assert.deepEqual((policy?.inputs["spec"] as Record<string, unknown>)["endpointSelector"], {
      matchLabels: { "k8s:app": "redis" },
    });
    assert.deepEqual((deployment?.inputs["spec"] as Record<string, unknown>)["selector"], {
      matchLabels: { app: "redis" },
    });
  });
});
