/** The pack beside other packs and programs: what others register, change, leave out and package, judged as what it is. */
import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab/index";
import type { Operation, RunOptions } from "./automation";
import { finished, openStack, operate, violations } from "./automation";
import { pack, sharedLab } from "./shared-lab";

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
});
