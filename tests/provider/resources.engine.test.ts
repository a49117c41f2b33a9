import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  engineWithoutCluster,
  openTestLab,
  patchAs,
  read,
  type Program,
  type TestLab,
  type TestStack,
} from "./support";

const policyUrl = (name: string): string => `/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/${name}`;
const crdUrl = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

type Spec = pulumi.Unwrap<k8s.types.input.networking.v1.NetworkPolicySpec>;

const policy =
  (spec: Spec, metadata: Record<string, unknown> = {}, options: pulumi.CustomResourceOptions = {}): Program =>
  async () => {
    new k8s.networking.v1.NetworkPolicy(
      "deny",
      { metadata: { name: "deny", namespace: "default", ...metadata }, spec },
      options,
    );
  };

/** A namespace, which takes the API server five seconds to delete, and a policy in it. */
const shop: Program = async () => {
  const namespace = new k8s.core.v1.Namespace("shop", { metadata: { name: "shop" } });
  new k8s.networking.v1.NetworkPolicy(
    "deny",
    { metadata: { name: "deny", namespace: "shop" }, spec: denyAll },
    { dependsOn: [namespace] },
  );
};

const denyAll: Spec = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
const allowWeb: Spec = { ...denyAll, ingress: [{ ports: [{ port: 80 }] }] };

/** The garbage collector takes its time with new kinds; what owns nothing need not wait for it. */
const background = { "pulumi.com/deletionPropagationPolicy": "background" };

/** A definition of a kind that tests make and unmake. */
const widgets = (group = "example.org", scope = "Namespaced"): k8s.apiextensions.v1.CustomResourceDefinition =>
  new k8s.apiextensions.v1.CustomResourceDefinition("widgets", {
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope,
      names: { plural: "widgets", singular: "widget", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: { type: "object", properties: { size: { type: "integer", maximum: 10 } } },
                status: { type: "object", x_kubernetes_preserve_unknown_fields: true },
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  });

describe("provider: resources on the real engine and API server", function () {
  let lab: TestLab;
  let stack: TestStack;

  before(async function () {
    lab = await openTestLab();
    stack = await lab.stack("resources");
  });
  afterEach(async function () {
    await stack?.reset(lab.cluster);
  });
  after(async function () {
    await lab?.close();
  });

  async function succeed(program: Program): Promise<Map<string, string[]>> {
    const run = await stack.up(program);
    assert.equal(run.failed, false, run.output);
    return run.steps;
  }

  async function spec(name = "deny"): Promise<Record<string, unknown> | undefined> {
    return (await read(lab.cluster, policyUrl(name)))?.["spec"] as Record<string, unknown> | undefined;
  }

  describe("create and update", function () {
    it("creates, changes nothing on the second run, updates in place and lets removed fields go", async function () {
      const created = await succeed(policy(allowWeb));
      assert.deepEqual([...created], [["deny", ["create"]]]);
      const uid = ((await read(lab.cluster, policyUrl("deny")))?.["metadata"] as { uid: string }).uid;
      assert.deepEqual([...(await succeed(policy(allowWeb)))], []);

      assert.deepEqual((await succeed(policy(denyAll))).get("deny"), ["update"]);
      assert.deepEqual(await spec(), { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
      assert.equal(((await read(lab.cluster, policyUrl("deny")))?.["metadata"] as { uid: string }).uid, uid);
    });

    it("applies under one field manager, as server-side apply", async function () {
      await succeed(policy(denyAll));
      const metadata = (await read(lab.cluster, policyUrl("deny")))?.["metadata"] as {
        managedFields: { manager: string; operation: string }[];
      };
      assert.equal(metadata.managedFields.length, 1);
      assert.match(metadata.managedFields[0]?.manager ?? "", /^pulumi-kubernetes-[0-9a-f]{8}$/);
      assert.equal(metadata.managedFields[0]?.operation, "Apply");
    });

    it("names an object that has no name, keeps the name, and replaces before it deletes", async function () {
      const config =
        (data: Record<string, string>): Program =>
        async () => {
          const made = new k8s.core.v1.ConfigMap("settings", { metadata: { namespace: "default" }, data });
          return { name: made.metadata.name };
        };
      await succeed(config({ a: "1" }));
      const first = stack.outputs()["name"] as string;
      assert.match(first, /^settings-[0-9a-f]{8}$/);
      assert.deepEqual([...(await succeed(config({ a: "1" })))], []);

      const replaced = await succeed(config({ a: "2" }));
      assert.deepEqual(replaced.get("settings"), ["create-replacement", "replace", "delete-replaced"]);
      assert.notEqual(stack.outputs()["name"], first);
      assert.equal(await read(lab.cluster, `/api/v1/namespaces/default/configmaps/${first}`), undefined);
    });

    it("replaces on a new name, and deletes first what keeps its name", async function () {
      await succeed(policy(denyAll));
      const renamed = await succeed(policy(denyAll, { name: "deny-all" }));
      assert.deepEqual(renamed.get("deny"), ["create-replacement", "replace", "delete-replaced"]);
      assert.equal(await spec("deny"), undefined);
      assert.notEqual(await spec("deny-all"), undefined);

      const service =
        (clusterIP: string | undefined): Program =>
        async () => {
          new k8s.core.v1.Service("api", {
            metadata: { name: "api", namespace: "default" },
            spec: { ports: [{ port: 80 }], ...(clusterIP ? { clusterIP } : {}) },
          });
        };
      await succeed(service(undefined));
      assert.deepEqual((await succeed(service("None"))).get("api"), [
        "delete-replaced",
        "replace",
        "create-replacement",
      ]);
    });

    it("keeps what the API server made of the inputs: a quantity, a default inside a list, an empty map", async function () {
      const program: Program = async () => {
        new k8s.apps.v1.Deployment("web", {
          metadata: { name: "web", namespace: "default", labels: {} },
          spec: {
            selector: { matchLabels: { app: "web" } },
            template: {
              metadata: { labels: { app: "web" } },
              spec: {
                containers: [
                  {
                    name: "main",
                    image: "example.org/none",
                    ports: [{ containerPort: 80 }],
                    resources: { requests: { cpu: "1000m", memory: "1024Mi" } },
                    env: [{ name: "A", value: "1" }],
                  },
                ],
              },
            },
          },
        });
      };
      await succeed(program);
      assert.deepEqual([...(await succeed(program))], []);
      const refreshed = await stack.refresh();
      assert.equal(refreshed.failed, false, refreshed.output);
      assert.deepEqual([...(await succeed(program))], []);
    });

    it("creates 100 objects in parallel", async function () {
      const steps = await succeed(async () => {
        for (let index = 0; index < 100; index++) {
          new k8s.core.v1.ConfigMap(`many-${index}`, {
            metadata: { name: `many-${index}`, namespace: "default" },
            data: { index: `${index}` },
          });
        }
      });
      assert.equal(steps.size, 100);
      const { body } = await lab.cluster.request("GET", "/api/v1/namespaces/default/configmaps");
      assert.equal((body as { items: unknown[] }).items.length >= 100, true);
    });
  });

  describe("errors, as the API server words them", function () {
    it("refuses an invalid object in preview and creates nothing", async function () {
      const invalid: Program = async () => {
        new k8s.networking.v1.NetworkPolicy("deny", {
          metadata: { name: "deny", namespace: "default" },
          spec: { podSelector: {}, policyTypes: ["Sideways"] },
        });
      };
      const run = await stack.preview(invalid);
      assert.equal(run.failed, true);
      assert.match(
        run.output,
        /NetworkPolicy.* "deny" is invalid: spec\.policyTypes\[0\]: Unsupported value: "Sideways"/,
      );
      const real = await stack.up(invalid);
      assert.equal(real.failed, true);
      assert.match(
        real.output,
        /was not successfully created by the Kubernetes API server: NetworkPolicy.* is invalid/,
      );
    });

    it("refuses a field that the kind does not have", async function () {
      const run = await stack.preview(async () => {
        new k8s.core.v1.ConfigMap("odd", {
          metadata: { name: "odd", namespace: "default" },
          datta: {},
        } as k8s.core.v1.ConfigMapArgs);
        new k8s.apiextensions.CustomResource("odder", {
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { name: "odder", namespace: "default" },
          spec: { podSelektor: {} },
        });
      });
      assert.equal(run.failed, true);
      assert.match(run.output, /\.spec\.podSelektor: field not declared in schema/);
    });

    it("refuses an object that exists and is not ours, and takes it over where the program says so", async function () {
      await lab.cluster.request("POST", "/api/v1/namespaces/default/configmaps", {
        query: { fieldManager: "somebody" },
        body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "taken" }, data: { a: "theirs" } },
      });
      const program =
        (annotations?: Record<string, string>): Program =>
        async () => {
          new k8s.core.v1.ConfigMap("taken", {
            metadata: { name: "taken", namespace: "default", ...(annotations ? { annotations } : {}) },
            data: { a: "ours" },
          });
        };
      const refused = await stack.up(program());
      assert.equal(refused.failed, true);
      assert.match(refused.output, /configmaps "taken" already exists/);
      assert.deepEqual((await read(lab.cluster, "/api/v1/namespaces/default/configmaps/taken"))?.["data"], {
        a: "theirs",
      });
      await succeed(program({ "pulumi.com/patchForce": "true" }));
      assert.deepEqual((await read(lab.cluster, "/api/v1/namespaces/default/configmaps/taken"))?.["data"], {
        a: "ours",
      });
    });

    it("reports a rename without an alias as what it is: the object exists", async function () {
      await succeed(policy(denyAll));
      const run = await stack.up(async () => {
        new k8s.networking.v1.NetworkPolicy("denied", {
          metadata: { name: "deny", namespace: "default" },
          spec: denyAll,
        });
      });
      assert.equal(run.failed, true);
      assert.match(run.output, /networkpolicies\.networking\.k8s\.io "deny" already exists/);
      assert.notEqual(await spec(), undefined, "the policy must survive");
    });

    it("takes up what an update that was cut off had created", async function () {
      await succeed(shop);
      // the same resource of a stack that lost its state between the answer and the save
      await stack.forget("deny");
      await stack.forget("shop");
      assert.deepEqual(
        [...(await succeed(shop))],
        [
          ["shop", ["create"]],
          ["deny", ["create"]],
        ],
      );
    });
  });

  describe("drift", function () {
    it("shows what was changed by hand, and sets it right", async function () {
      await succeed(policy(denyAll));
      await patchAs(lab.cluster, "kubectl-edit", policyUrl("deny"), {
        spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{}] },
      });
      const refreshed = await stack.refresh();
      assert.equal(refreshed.failed, false, refreshed.output);
      const seen = stack.resources().get("deny")?.outputs?.["spec"] as Record<string, unknown>;
      assert.deepEqual(seen["podSelector"], { matchLabels: { app: "web" } });

      const preview = await stack.preview(policy(denyAll));
      assert.deepEqual(preview.steps.get("deny"), ["update"], preview.output);
      assert.deepEqual((await succeed(policy(denyAll))).get("deny"), ["update"]);
      assert.deepEqual(await spec(), { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
      assert.deepEqual([...(await succeed(policy(denyAll)))], []);
    });

    it("creates again what was deleted by hand", async function () {
      await succeed(policy(denyAll));
      await lab.cluster.request("DELETE", policyUrl("deny"));
      assert.equal((await stack.refresh()).failed, false);
      assert.deepEqual((await succeed(policy(denyAll))).get("deny"), ["create"]);
    });

    it("leaves alone what other managers add", async function () {
      await succeed(policy(denyAll));
      await patchAs(lab.cluster, "some-controller", policyUrl("deny"), { metadata: { labels: { seen: "yes" } } });
      assert.equal((await stack.refresh()).failed, false);
      assert.deepEqual([...(await succeed(policy(denyAll)))], []);
      const labels = ((await read(lab.cluster, policyUrl("deny")))?.["metadata"] as { labels: unknown }).labels;
      assert.deepEqual(labels, { seen: "yes" });
    });

    it("reports a conflict with another manager, and overrides it where the program says so", async function () {
      await succeed(policy(denyAll));
      await patchAs(lab.cluster, "some-controller", policyUrl("deny"), { spec: { policyTypes: ["Ingress"] } });
      assert.equal((await stack.refresh()).failed, false);
      const run = await stack.preview(policy(denyAll));
      assert.equal(run.failed, true);
      assert.match(
        run.output,
        /Apply failed with 1 conflict: conflict with "some-controller" using networking\.k8s\.io\/v1: \.spec\.policyTypes/,
      );
      await succeed(policy(denyAll, { annotations: { "pulumi.com/patchForce": "true" } }));
      assert.deepEqual((await spec())?.["policyTypes"], ["Ingress", "Egress"]);
    });

    it("lets ignoreChanges leave a field to another manager", async function () {
      const options = { ignoreChanges: ["spec.policyTypes"] };
      await succeed(policy(denyAll, {}, options));
      await patchAs(lab.cluster, "some-controller", policyUrl("deny"), { spec: { policyTypes: ["Ingress"] } });
      assert.equal((await stack.refresh()).failed, false);
      assert.deepEqual([...(await succeed(policy(denyAll, {}, options)))], []);
      assert.deepEqual((await succeed(policy({ ...denyAll, ingress: [{}] }, {}, options))).get("deny"), ["update"]);
      assert.deepEqual((await spec())?.["policyTypes"], ["Ingress"]);
    });
  });

  describe("custom resources", function () {
    it("creates an object of a kind that the same program defines, previews it before, and deletes both", async function () {
      const program: Program = async () => {
        const definition = widgets();
        const widget = new k8s.apiextensions.CustomResource(
          "one",
          {
            apiVersion: "example.org/v1",
            kind: "Widget",
            metadata: { name: "one", namespace: "default", annotations: background },
            spec: { size: 3 },
          },
          { dependsOn: [definition] },
        );
        return {
          size: pulumi.output(widget).apply((each) => (each as unknown as { spec: { size: number } }).spec.size),
        };
      };
      const preview = await stack.preview(program);
      assert.equal(preview.failed, false, preview.output);
      assert.equal(await read(lab.cluster, `${crdUrl}/widgets.example.org`), undefined);
      await succeed(program);
      assert.deepEqual(stack.outputs(), { size: 3 });
      assert.deepEqual([...(await succeed(program))], []);
      await stack.clear();
      assert.equal(await read(lab.cluster, `${crdUrl}/widgets.example.org`), undefined);
    });

    it("waits for a kind that appears while it runs", async function () {
      await succeed(async () => {
        widgets();
        new k8s.apiextensions.CustomResource("one", {
          apiVersion: "example.org/v1",
          kind: "Widget",
          metadata: { name: "one", namespace: "default", annotations: background },
        });
      });
    });

    it("treats a cluster-wide kind as such although nobody knew it at first", async function () {
      const program: Program = async () => {
        const definition = widgets("wide.example.org", "Cluster");
        new k8s.apiextensions.CustomResource(
          "one",
          {
            apiVersion: "wide.example.org/v1",
            kind: "Widget",
            metadata: { name: "one", annotations: background },
            spec: { size: 1 },
          },
          { dependsOn: [definition] },
        );
      };
      await succeed(program);
      assert.notEqual(await read(lab.cluster, "/apis/wide.example.org/v1/widgets/one"), undefined);
      assert.deepEqual([...(await succeed(program))], []);
    });

    it("says which kind is missing when it never appears", async function () {
      const run = await stack.up(async () => {
        new k8s.apiextensions.CustomResource(
          "one",
          {
            apiVersion: "nowhere.example.org/v1",
            kind: "Gadget",
            metadata: { name: "one", namespace: "default", annotations: background },
          },
          { customTimeouts: { create: "1s" } },
        );
      });
      assert.equal(run.failed, true);
      assert.match(run.output, /no matches for kind "Gadget" in version "nowhere\.example\.org\/v1"/);
    });

    it("counts an object as deleted when its kind is gone", async function () {
      const one: Program = async () => {
        new k8s.apiextensions.CustomResource("one", {
          apiVersion: "example.org/v1",
          kind: "Widget",
          metadata: { name: "one", namespace: "default", annotations: background },
        });
      };
      const both: Program = async () => {
        widgets();
        await one();
      };
      await succeed(both);
      await lab.cluster.request("DELETE", `${crdUrl}/widgets.example.org`);
      const run = await stack.destroy();
      assert.equal(run.failed, false, run.output);
    });

    it("waits for the condition that waitFor names, and refuses one that it does not understand", async function () {
      const program =
        (waitFor: string): Program =>
        async () => {
          const definition = widgets();
          new k8s.apiextensions.CustomResource(
            "one",
            {
              apiVersion: "example.org/v1",
              kind: "Widget",
              metadata: {
                name: "one",
                namespace: "default",
                annotations: { ...background, "pulumi.com/waitFor": waitFor },
              },
            },
            { dependsOn: [definition], customTimeouts: { create: "20s", update: "20s" } },
          );
        };
      const bad = await stack.preview(program("ready please"));
      assert.equal(bad.failed, true);
      assert.match(bad.output, /"ready please" is neither condition=… nor jsonpath=…/);

      const url = "/apis/example.org/v1/namespaces/default/widgets/one";
      let done = false;
      const making = stack.up(program("condition=Ready")).finally(() => (done = true));
      while (!(await read(lab.cluster, url).catch(() => undefined)))
        await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(done, false);
      await lab.cluster.request("PATCH", `${url}/status`, {
        contentType: "application/merge-patch+json",
        body: { status: { phase: "Up", conditions: [{ type: "Ready", status: "True" }] } },
      });
      const run = await making;
      assert.equal(run.failed, false, run.output);
      await succeed(program("jsonpath={.status.phase}=Up"));
    });

    it("keeps an object that did not become ready, with the reason, and goes on from there", async function () {
      const program =
        (waitFor: string): Program =>
        async () => {
          const definition = widgets();
          new k8s.apiextensions.CustomResource(
            "one",
            {
              apiVersion: "example.org/v1",
              kind: "Widget",
              metadata: {
                name: "one",
                namespace: "default",
                annotations: { ...background, "pulumi.com/waitFor": waitFor },
              },
              spec: { size: 2 },
            },
            { dependsOn: [definition], customTimeouts: { create: "1s", update: "1s" } },
          );
        };
      const run = await stack.up(program("condition=Ready"));
      assert.equal(run.failed, true);
      assert.match(run.output, /condition Ready is absent, not True/);
      assert.equal(stack.resources().get("one")?.id, "default/one");
      assert.deepEqual((await succeed(program("jsonpath={.spec.size}=2"))).get("one"), ["update"]);
    });
  });

  describe("patches", function () {
    it("manages only its own fields of somebody else's object and gives them back", async function () {
      const program =
        (labels: Record<string, string>): Program =>
        async () => {
          new k8s.core.v1.NamespacePatch("system", { metadata: { name: "kube-system", labels } });
        };
      const labels = async (): Promise<Record<string, string>> =>
        (
          (await read(lab.cluster, "/api/v1/namespaces/kube-system"))?.["metadata"] as {
            labels: Record<string, string>;
          }
        ).labels;
      const preview = await stack.preview(program({ tier: "platform" }));
      assert.equal(preview.failed, false, preview.output);
      assert.equal((await labels())["tier"], undefined);
      await succeed(program({ tier: "platform", team: "core" }));
      assert.equal((await labels())["tier"], "platform");
      assert.deepEqual((await succeed(program({ tier: "zero" }))).get("system"), ["update"]);
      assert.deepEqual(await labels(), { "kubernetes.io/metadata.name": "kube-system", tier: "zero" });
      await stack.clear();
      assert.deepEqual(await labels(), { "kubernetes.io/metadata.name": "kube-system" });
    });

    it("asks for the name of the object", async function () {
      const run = await stack.preview(async () => {
        new k8s.core.v1.NamespacePatch("system", { metadata: { labels: { tier: "zero" } } });
      });
      assert.equal(run.failed, true);
      assert.match(run.output, /patch resources require the `\.metadata\.name` field to be set/);
    });
  });

  describe("YAML", function () {
    const text = [
      "apiVersion: v1\nkind: Namespace\nmetadata: { name: yaml }",
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: { name: a, namespace: yaml }\n  data: { mode: '0644' }",
      "apiVersion: v1\nkind: Secret\nmetadata: { name: s, namespace: yaml }\nstringData: { key: very-hidden }",
    ].join("\n---\n");
    const config = "/api/v1/namespaces/yaml/configmaps/a";

    it("registers the objects of a ConfigGroup", async function () {
      await succeed(async () => {
        new k8s.yaml.ConfigGroup("group", { yaml: [text] });
      });
      assert.deepEqual((await read(lab.cluster, config))?.["data"], { mode: "0644" });
    });

    it("constructs yaml/v2 ConfigGroup, namespaces first, secrets hidden", async function () {
      const program: Program = async () => {
        const group = new k8s.yaml.v2.ConfigGroup("group", { yaml: text });
        return { count: group.resources.apply((list) => list.length) };
      };
      const preview = await stack.preview(program);
      assert.equal(preview.failed, false, preview.output);
      assert.equal(preview.steps.size, 4, preview.output);
      await succeed(program);
      assert.deepEqual((await read(lab.cluster, config))?.["data"], { mode: "0644" });
      for (const form of ["very-hidden", Buffer.from("very-hidden").toString("base64")]) {
        assert.equal(stack.state().includes(form), false, `the state shows ${form}`);
      }
      assert.deepEqual([...(await succeed(program))], []);
    });
  });

  describe("import", function () {
    it("takes an object under management, and changes it afterwards", async function () {
      await lab.cluster.request("POST", "/api/v1/namespaces/default/configmaps", {
        query: { fieldManager: "kubectl-create" },
        body: {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "old", labels: { by: "hand" } },
          data: { a: "1" },
        },
      });
      const program =
        (data: Record<string, string>, options: pulumi.CustomResourceOptions): Program =>
        async () => {
          new k8s.core.v1.ConfigMap("old", { metadata: { name: "old", namespace: "default" }, data }, options);
        };
      const imported = await stack.up(program({ a: "1" }, { import: "default/old" }));
      assert.equal(imported.failed, false, imported.output);
      assert.deepEqual(imported.steps.get("old"), ["import"]);
      assert.deepEqual([...(await succeed(program({ a: "1" }, {})))], []);
      await stack.setConfig("kubernetes:enableConfigMapMutable", "true");
      const changed = await succeed(program({ a: "2" }, {}));
      assert.deepEqual(changed.get("old"), ["update"]);
      assert.deepEqual((await read(lab.cluster, "/api/v1/namespaces/default/configmaps/old"))?.["data"], { a: "2" });
    });

    it("reads an object that others own", async function () {
      await succeed(async () => {
        const existing = k8s.core.v1.Namespace.get("system", "kube-system");
        return { phase: existing.status.phase };
      });
      assert.deepEqual(stack.outputs(), { phase: "Active" });
    });
  });

  describe("secrets", function () {
    it("hides them in state and errors, and updates and removes single keys", async function () {
      await stack.setConfig("kubernetes:enableSecretMutable", "true");
      const program =
        (stringData: Record<string, pulumi.Input<string>>): Program =>
        async () => {
          new k8s.core.v1.Secret("login", { metadata: { name: "login", namespace: "default" }, stringData });
        };
      const url = "/api/v1/namespaces/default/secrets/login";
      await succeed(program({ user: "somebody-hidden", password: "word-hidden" }));
      for (const hidden of ["somebody-hidden", "word-hidden"]) {
        for (const form of [hidden, Buffer.from(hidden).toString("base64")]) {
          assert.ok(!stack.state().includes(form), `the state shows ${form}`);
        }
      }
      assert.deepEqual([...(await succeed(program({ user: "somebody-hidden", password: "word-hidden" })))], []);
      assert.deepEqual((await succeed(program({ user: "somebody-hidden" }))).get("login"), ["update"]);
      assert.deepEqual(Object.keys((await read(lab.cluster, url))?.["data"] as object), ["user"]);

      const run = await stack.up(async () => {
        new k8s.core.v1.Namespace("bad", { metadata: { name: pulumi.secret("Not-A-Valid-Name-Hidden") } });
      });
      assert.equal(run.failed, true);
      assert.ok(!run.output.includes("Not-A-Valid-Name-Hidden"), run.output);
    });
  });

  describe("await and delete", function () {
    const deployment =
      (annotations: Record<string, string> = {}): Program =>
      async () => {
        new k8s.apps.v1.Deployment("web", {
          metadata: { name: "web", namespace: "default", annotations },
          spec: {
            selector: { matchLabels: { app: "web" } },
            template: {
              metadata: { labels: { app: "web" } },
              spec: { containers: [{ name: "main", image: "example.org/none" }] },
            },
          },
        });
      };

    it("does not wait for a rollout where no node is ready, and says so once", async function () {
      const run = await stack.up(deployment());
      assert.equal(run.failed, false, run.output);
      assert.equal(
        run.messages.filter((each) => each.includes("no node of this cluster is ready")).length,
        1,
        run.output,
      );
    });

    it("waits where a node is ready, unless skipAwait says not to", async function () {
      await lab.cluster.request("POST", "/api/v1/nodes", {
        body: { apiVersion: "v1", kind: "Node", metadata: { name: "ready" }, spec: { unschedulable: true } },
      });
      const ready = {
        contentType: "application/merge-patch+json",
        body: {
          status: {
            conditions: [
              { type: "Ready", status: "True", reason: "Test", lastHeartbeatTime: new Date().toISOString() },
            ],
          },
        },
      };
      await lab.cluster.request("PATCH", "/api/v1/nodes/ready/status", ready);
      try {
        await succeed(deployment({ "pulumi.com/skipAwait": "true" }));
        await stack.reset(lab.cluster);
        await lab.cluster.request("PATCH", "/api/v1/nodes/ready/status", ready);
        const run = await stack.up(deployment({ "pulumi.com/timeoutSeconds": "2" }));
        assert.equal(run.failed, true);
        assert.match(run.output, /Deployment "default\/web" was stored but did not become ready: timed out after 2 s/);
      } finally {
        await lab.cluster.request("DELETE", "/api/v1/nodes/ready");
      }
    });

    it("waits until a finalizer lets go, no longer than it may, and says what holds the object", async function () {
      const program: Program = async () => {
        new k8s.core.v1.ConfigMap(
          "held",
          { metadata: { name: "held", namespace: "default", finalizers: ["example.org/hold"] } },
          { customTimeouts: { delete: "1s" } },
        );
      };
      await succeed(program);
      const run = await stack.destroy();
      assert.equal(run.failed, true);
      assert.match(
        run.output,
        /timed out after 1 s waiting for the deletion of configmaps "held" \(finalizers example\.org\/hold\)/,
      );
      await patchAs(lab.cluster, "some-controller", "/api/v1/namespaces/default/configmaps/held", {
        metadata: { finalizers: null },
      });
      assert.equal((await stack.destroy()).failed, false);
    });

    it("has a namespace gone before it says so", async function () {
      await succeed(shop);
      assert.equal((await stack.destroy()).failed, false);
      assert.equal(await read(lab.cluster, "/api/v1/namespaces/shop"), undefined);
    });
  });

  describe("provider configuration", function () {
    it("previews under a provider whose configuration is not known yet", async function () {
      const program: Program = async () => {
        // a kubeconfig that comes out of a resource of the same stack, as with a cluster made here
        const source = new k8s.core.v1.ConfigMap("source", {
          metadata: { namespace: "default" },
          data: { address: lab.cluster.address },
        });
        const { readFileSync } = await import("node:fs");
        const text = readFileSync(lab.env["KUBECONFIG"] as string, "utf8");
        const provider = new k8s.Provider("later", { kubeconfig: source.immutable.apply(() => text) });
        const unknownUntilUp = source.immutable.apply(() => "late");
        new k8s.core.v1.ConfigMap(
          "made",
          { metadata: { name: "made", namespace: "default" }, data: { unknownUntilUp } },
          { provider },
        );
      };
      const preview = await stack.preview(program);
      assert.equal(preview.failed, false, preview.output);
      assert.deepEqual(preview.steps.get("made"), ["create"]);
      await succeed(program);
      assert.deepEqual((await read(lab.cluster, "/api/v1/namespaces/default/configmaps/made"))?.["data"], {
        unknownUntilUp: "late",
      });
    });

    it("takes a kubeconfig as contents, a default namespace, and says what is wrong with a context", async function () {
      const { readFileSync } = await import("node:fs");
      const kubeconfig = readFileSync(lab.env["KUBECONFIG"] as string, "utf8");
      await succeed(async () => {
        const provider = new k8s.Provider("own", { kubeconfig, namespace: "kube-public" });
        new k8s.core.v1.ConfigMap("placed", { metadata: { name: "placed" }, data: {} }, { provider });
      });
      assert.notEqual(await read(lab.cluster, "/api/v1/namespaces/kube-public/configmaps/placed"), undefined);
      await stack.reset(lab.cluster);
      const run = await stack.up(async () => {
        const provider = new k8s.Provider("own", { kubeconfig, context: "elsewhere" });
        new k8s.core.v1.ConfigMap("placed", { metadata: { name: "placed" } }, { provider });
      });
      assert.equal(run.failed, true);
      assert.match(run.output, /context "elsewhere" does not exist/);
    });
  });
});

describe("provider: without a cluster", function () {
  it("previews plain resources and refuses to create them", async function () {
    const { stack, close } = await engineWithoutCluster();
    try {
      const preview = await stack.preview(shop);
      assert.equal(preview.failed, false, preview.output);
      assert.deepEqual([...preview.steps.keys()].sort(), ["deny", "shop"]);
      const run = await stack.up(shop);
      assert.equal(run.failed, true);
      assert.match(run.output, /configured Kubernetes cluster is unreachable: /);
    } finally {
      close();
    }
  });
});
