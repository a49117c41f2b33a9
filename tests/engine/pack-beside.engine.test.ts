/** The pack beside other packs and programs: what others register, change, leave out and package, judged as what it is. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { ComponentResource } from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { Operation, RunOptions } from "./automation";
import { finished, openStack, operate, violations } from "./automation";
import { pack, repository, sharedLab } from "./shared-lab";

const nameOf = (urn: string | undefined): string => urn?.split("::").at(-1) ?? "";

/** Names of the resources at which something stops the operation. */
function stoppedAt(operation: Operation): string[] {
  const mandatory = violations(operation).filter(({ level }) => level === "mandatory");
  return [...new Set(mandatory.map(({ urn }) => nameOf(urn)))];
}

function messages(operation: Operation, level?: string): string[] {
  return violations(operation)
    .filter((each) => level === undefined || each.level === level)
    .map(({ message }) => message);
}

/** Names of what the operation created. */
const created = (operation: Operation): string[] =>
  finished(operation).flatMap(({ op, type, name }) => (op === "create" && type.startsWith("kubernetes:") ? name : []));

/** A namespace with a default deny, and a Pod that starts behind it. */
function closed(home: string, opts: pulumi.CustomResourceOptions = {}) {
  const namespace = new k8s.core.v1.Namespace(`${home}-ns`, { metadata: { name: home } }, opts);
  const deny = new k8s.networking.v1.NetworkPolicy(
    `${home}-deny`,
    {
      metadata: { name: "default-deny-all", namespace: home },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    },
    { ...opts, dependsOn: [namespace] },
  );
  const pod = (after: pulumi.Resource[] = []): k8s.core.v1.Pod =>
    new k8s.core.v1.Pod(
      `${home}-web`,
      {
        metadata: { name: "web", namespace: home, labels: { app: "web" } },
        spec: { containers: [{ name: "web", image: "registry.example/web:1" }] },
      },
      { ...opts, dependsOn: [deny, ...after] },
    );
  return { namespace, deny, pod };
}

describe("the pack beside other packs and programs, on a real engine and Pulumi's own provider", () => {
  let lab: Lab;
  const opened: Stack[] = [];

  before(async () => {
    lab = await sharedLab();
  });

  after(async () => {
    for (const stack of opened) await operate(stack, "destroy");
  });

  async function stackOf(name: string, program: () => unknown): Promise<Stack> {
    const stack = await openStack({ project: "beside", stack: name, lab, program: async () => void program() });
    opened.push(stack);
    return stack;
  }

  const judged = (stack: Stack, verb: "preview" | "up", options: RunOptions = {}): Promise<Operation> =>
    operate(stack, verb, { policyPacks: [pack], ...options });

  describe("patches", () => {
    const force = { "pulumi.com/patchForce": "true" };
    const opener = (
      home: string,
      opts: pulumi.CustomResourceOptions = {},
      name = "default-deny-all",
    ): pulumi.Resource =>
      new k8s.networking.v1.NetworkPolicyPatch(
        `${home}-opener`,
        { metadata: { name, namespace: home, annotations: force }, spec: { egress: [{}] } },
        opts,
      );

    it("a NetworkPolicyPatch that opens the stack's own default deny blocks a preview, and an up before anything is open", async () => {
      const stack = await stackOf("patch", () => {
        const { deny, pod } = closed("patched");
        pod([opener("patched", { dependsOn: [deny] })]);
      });
      const preview = await judged(stack, "preview");
      assert.match(preview.error ?? "the preview passed", /exit code [1-9]/);
      assert.ok(stoppedAt(preview).includes("patched-opener"), messages(preview).join("\n"));
      assert.deepEqual(
        messages(preview).filter((message) => message.includes("outside the stack")),
        [],
      );
      const up = await judged(stack, "up");
      assert.deepEqual(stoppedAt(up), ["patched-opener"]);
      assert.deepEqual(created(up).sort(), ["patched-deny", "patched-ns"]);
    });

    it("a patch of a custom resource is merged too; one of an object that is not of the stack is said to be that", async () => {
      const stack = await stackOf("patch-custom", () => {
        const { deny, pod } = closed("custom");
        const allow = new k8s.apiextensions.CustomResource(
          "allow",
          {
            apiVersion: "cilium.io/v2",
            kind: "CiliumNetworkPolicy",
            metadata: { name: "allow", namespace: "custom" },
            spec: { endpointSelector: {}, egress: [{ toEndpoints: [{ matchLabels: { app: "db" } }] }] },
          },
          { dependsOn: [deny] },
        );
        const patch = new k8s.apiextensions.CustomResourcePatch(
          "allow-opener",
          {
            apiVersion: "cilium.io/v2",
            kind: "CiliumNetworkPolicy",
            metadata: { name: "allow", namespace: "custom", annotations: force },
            spec: { egress: [{ toEntities: ["all"] }] },
          },
          { dependsOn: [allow] },
        );
        opener("custom", { dependsOn: [deny] }, "of-others");
        pod([patch]);
      });
      const preview = await judged(stack, "preview");
      assert.ok(stoppedAt(preview).includes("allow-opener"), messages(preview).join("\n"));
      const outside = messages(preview, "advisory").filter((message) => message.includes("outside the stack"));
      assert.equal(outside.length, 1, messages(preview).join("\n"));
      assert.match(outside[0] ?? "", /NetworkPolicyPatch "custom-opener" changes NetworkPolicy custom\/of-others/);
    });

    it("a patch that opens nothing passes, in an up and in the next one", async () => {
      const stack = await stackOf("patch-labels", () => {
        const { namespace, deny, pod } = closed("labelled");
        const labels = { team: "web" };
        const patch = new k8s.core.v1.NamespacePatch(
          "team",
          { metadata: { name: "labelled", labels } },
          { dependsOn: [namespace] },
        );
        new k8s.networking.v1.NetworkPolicyPatch(
          "label",
          { metadata: { name: "default-deny-all", namespace: "labelled", labels } },
          { dependsOn: [deny] },
        );
        pod([patch]);
      });
      for (const verb of ["preview", "up", "up"] as const) {
        const operation = await judged(stack, verb);
        assert.equal(operation.error, undefined, messages(operation).join("\n"));
        assert.deepEqual(
          messages(operation).filter((message) => /not-understood|order-hazard/.test(message)),
          [],
        );
      }
    });
  });

  describe("parts, order and drift", () => {
    const web = "urn:pulumi:target::beside::kubernetes:core/v1:Pod::parted-web";

    it("what --target leaves out is said once, and the rest is refused for what it lacks", async () => {
      const stack = await stackOf("target", () => {
        closed("parted");
        new k8s.core.v1.Pod("parted-web", {
          metadata: { name: "web", namespace: "parted", labels: { app: "web" } },
          spec: { containers: [{ name: "web", image: "registry.example/web:1" }] },
        });
      });
      const others = ["core/v1:Namespace::parted-ns", "networking.k8s.io/v1:NetworkPolicy::parted-deny"];
      const limits: RunOptions[] = [
        { target: [web] },
        { exclude: others.map((other) => `urn:pulumi:target::beside::kubernetes:${other}`) },
      ];
      for (const limit of limits) {
        const preview = await judged(stack, "preview", limit);
        const text = messages(preview).join("\n");
        assert.ok(preview.error !== undefined, text);
        const said = messages(preview).filter((message) => message.startsWith("not-in-operation"));
        assert.equal(said.length, 1, text);
        assert.match(said[0] ?? "", /Namespace "parted-ns", NetworkPolicy "parted-deny"/);
        assert.doesNotMatch(text, /\(unknown\)|not-declared-yet|opens a hole/);
        assert.match(text, /namespace-default-deny: .*\n[\s\S]*Include what is not part of this operation/);
      }
    });

    it("a field that the server computes, as a selector, is refused in preview", async () => {
      const stack = await stackOf("computed", () => {
        const { namespace, pod } = closed("computed");
        const config = new k8s.core.v1.ConfigMap(
          "config",
          { metadata: { name: "config", namespace: "computed" } },
          { dependsOn: [namespace] },
        );
        const allow = new k8s.networking.v1.NetworkPolicy(
          "computed-allow",
          {
            metadata: { name: "allow-some", namespace: "computed" },
            spec: { podSelector: { matchLabels: { app: config.metadata.uid } }, policyTypes: ["Ingress"] },
          },
          { dependsOn: [namespace] },
        );
        pod([allow]);
      });
      const preview = await judged(stack, "preview");
      assert.deepEqual(stoppedAt(preview), ["computed-allow"]);
      assert.match(messages(preview, "mandatory").join(), /takes a value that a preview leaves out.*spec.podSelector/);
    });

    it("a component that registers nothing cuts a chain of dependsOn, which is said at it", async () => {
      class Nothing extends ComponentResource {
        constructor(name: string, opts: pulumi.ComponentResourceOptions) {
          super("example:index:Nothing", name, {}, opts);
          this.registerOutputs({});
        }
      }
      const stack = await stackOf("chain", () => {
        const { deny, pod } = closed("chained");
        pod([new Nothing("nothing", { dependsOn: [deny] })]);
      });
      const preview = await judged(stack, "preview");
      assert.equal(preview.error, undefined);
      const cut = violations(preview).filter(({ message }) => message.startsWith("order-hazard"));
      assert.deepEqual(
        cut.map(({ urn }) => nameOf(urn)),
        ["nothing"],
      );
      assert.match(cut[0]?.message ?? "", /Nothing "nothing" registers nothing/);
    });

    it("a policy that was changed by hand is drift, with the command that mends it", async () => {
      const stack = await stackOf("drift", () => void closed("drifted").pod());
      assert.equal((await judged(stack, "up")).error, undefined);
      const client = apiClient(lab.controlPlane);
      const policy = "/apis/networking.k8s.io/v1/namespaces/drifted/networkpolicies/default-deny-all";
      const body = { spec: { ingress: [{}] } };
      await client.call("PATCH", `${policy}?fieldManager=kubectl-edit`, body, "application/merge-patch+json");
      const refused = await judged(stack, "preview", { refresh: true });
      const [drift] = messages(refused, "mandatory").filter((message) => message.startsWith("live-drift"));
      assert.match(drift ?? messages(refused).join("\n"), /spec.ingress was added by kubectl-edit/);
      assert.match(
        drift ?? "",
        /kubectl delete networkpolicy.networking.k8s.io default-deny-all -n drifted && pulumi up/,
      );
      for (const message of messages(refused, "mandatory")) assert.doesNotMatch(message, /Let the rule name its peers/);
      // the way back that the message names
      await client.call("DELETE", policy);
      client.close();
      const mended = await judged(stack, "up", { refresh: true });
      assert.equal(mended.error, undefined, messages(mended).join("\n"));
    });
  });

  it("children of groups, files, charts and kustomizations are seen, and a bad policy in any of them blocks a preview", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-beside-"));
    const names = ["group", "group-v2", "file", "file-v2", "chart", "chart-v4", "directory", "directory-v2"];
    const policyOf = (name: string): object => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: `bad-${name}`, namespace: "parts" },
      spec: { podSelector: { matchLabels: { app: name } }, policyTypes: ["Egress"], egress: [{}] },
    });
    // JSON is YAML
    const write = (file: string, content: object): string => {
      const full = path.join(folder, file);
      mkdirSync(path.dirname(full), { recursive: true });
      writeFileSync(full, JSON.stringify(content));
      return full;
    };
    const home = (name: string): string => path.join(folder, name);
    for (const name of ["chart", "chart-v4"]) {
      write(`${name}/Chart.yaml`, { apiVersion: "v2", name, version: "1.0.0" });
      write(`${name}/templates/policy.yaml`, policyOf(name));
    }
    for (const name of ["directory", "directory-v2"]) {
      write(`${name}/kustomization.yaml`, { resources: ["policy.yaml"] });
      write(`${name}/policy.yaml`, policyOf(name));
    }
    const stack = await stackOf("parts", () => {
      closed("parts");
      new k8s.yaml.ConfigGroup("group", { objs: [policyOf("group")] });
      new k8s.yaml.v2.ConfigGroup("group-v2", { objs: [policyOf("group-v2")] });
      new k8s.yaml.ConfigFile("file", { file: write("file.yaml", policyOf("file")) });
      new k8s.yaml.v2.ConfigFile("file-v2", { file: write("file-v2.yaml", policyOf("file-v2")) });
      new k8s.helm.v3.Chart("chart", { path: home("chart"), namespace: "parts" });
      new k8s.helm.v4.Chart("chart-v4", { chart: home("chart-v4"), namespace: "parts" });
      new k8s.kustomize.Directory("directory", { directory: home("directory") });
      new k8s.kustomize.v2.Directory("directory-v2", { directory: home("directory-v2") });
    });
    try {
      const preview = await judged(stack, "preview");
      const stopped = stoppedAt(preview).join(" ");
      const seen = names.filter((name) => new RegExp(`bad-${name}( |$)`).test(stopped));
      assert.deepEqual(seen, names, `${preview.error ?? ""}\n${messages(preview).join("\n")}`);
      assert.deepEqual(
        messages(preview).filter((message) => message.startsWith("contents-not-visible")),
        [],
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("policies of one cluster are not credited to the pods of another", async () => {
    const config = load(readFileSync(lab.controlPlane.kubeconfigPath, "utf8")) as { contexts: object[] };
    const [context] = config.contexts as { name: string }[];
    const kubeconfig = JSON.stringify({ ...config, contexts: [context, { ...context, name: "other" }] });
    const stack = await stackOf("clusters", () => {
      const [a, b] = ["a", "b"].map(
        (name) => new k8s.Provider(name, { kubeconfig, context: name === "a" ? (context?.name ?? "") : "other" }),
      );
      if (a === undefined || b === undefined) throw new Error("no provider");
      closed("first", { provider: a }).pod();
      const home = new k8s.core.v1.Namespace("second-ns", { metadata: { name: "second" } }, { provider: b });
      new k8s.core.v1.Pod(
        "second-web",
        {
          metadata: { name: "web", namespace: "second" },
          spec: { containers: [{ name: "web", image: "registry.example/web:1" }] },
        },
        { provider: b, dependsOn: [home] },
      );
    });
    const preview = await judged(stack, "preview");
    const mandatory = messages(preview, "mandatory");
    assert.ok(
      mandatory.some((message) => /^namespace-default-deny: \[b\] .*second/.test(message)),
      mandatory.join("\n"),
    );
    assert.deepEqual(
      mandatory.filter((message) => message.includes("[a]")),
      [],
    );
  });

  it("remediations of two packs both reach the object, and the later one is judged by both", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-other-pack-"));
    const other = path.join(folder, "pack");
    mkdirSync(other);
    symlinkSync(path.join(repository, "node_modules"), path.join(folder, "node_modules"));
    writeFileSync(path.join(other, "PulumiPolicy.yaml"), "runtime: { name: nodejs, options: { typescript: false } }\n");
    writeFileSync(
      path.join(other, "package.json"),
      JSON.stringify({ name: "other", version: "1.0.0", main: "index.js" }),
    );
    writeFileSync(
      path.join(other, "index.js"),
      `const { PolicyPack } = require("@pulumi/policy");
      new PolicyPack("other", { policies: [{ name: "labels", description: "Labels.", enforcementLevel: "remediate",
        remediateResource: ({ type, props }) => {
          if (!type.endsWith(":NetworkPolicy")) return undefined;
          props.metadata.labels = { team: "web" };
          return props;
        } }] });`,
    );
    const ours = path.join(folder, "ours.json");
    writeFileSync(ours, JSON.stringify({ "cluster-security": { enforcementLevel: "remediate", remediate: true } }));
    const theirs = path.join(folder, "theirs.json");
    writeFileSync(theirs, "{}");
    const stack = await stackOf("packs", () => {
      const { namespace, pod } = closed("packs");
      const allow = new k8s.networking.v1.NetworkPolicy(
        "packs-allow",
        {
          metadata: { name: "allow-out", namespace: "packs" },
          spec: {
            podSelector: { matchLabels: { app: "web" } },
            policyTypes: ["Egress"],
            egress: [{ to: [{ ipBlock: { cidr: "169.254.0.0/16" } }], ports: [{ port: 443 }] }],
          },
        },
        { dependsOn: [namespace] },
      );
      pod([allow]);
    });
    try {
      for (const order of [
        [pack, other],
        [other, pack],
      ]) {
        const configs = order.map((each) => (each === pack ? ours : theirs));
        const preview = await operate(stack, "preview", { policyPacks: order, policyPackConfigs: configs });
        assert.equal(preview.error, undefined, messages(preview).join("\n"));
        const planned = preview.events.flatMap(({ resourcePreEvent: event }) =>
          nameOf(event?.metadata.urn) === "packs-allow" ? JSON.stringify(event?.metadata.new?.inputs) : [],
        );
        assert.match(planned.join(), /"team":"web"/);
        assert.match(planned.join(), /169\.254\.169\.254\/32/);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
