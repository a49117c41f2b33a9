import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import { exampleProgram } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import { prepareEngine } from "../../lab/index";
import { provideTools } from "../../lab/toolchain/index";
import { finished, openStack, operate, violations } from "./automation";
import { liveObjects, pack, sharedLab } from "./shared-lab";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const program = exampleProgram("insecure");

describe("the insecure stack under the policy pack, on a real engine and a real API server", () => {
  let lab: Lab;

  before(async () => {
    lab = await sharedLab();
  });

  it("S0-01 S0-08 S3-08 is blocked in preview, each hole named with its reason and its fix, and nothing is created", async () => {
    const before = await liveObjects(lab);
    const stack = await openStack({ project: "insecure", stack: "preview", lab, program });
    const operation = await operate(stack, "preview", { policyPacks: [pack] });
    assert.ok(operation.error, "the preview passed");
    const mandatory = violations(operation).filter((violation) => violation.level === "mandatory");
    const text = mandatory.map((violation) => violation.message).join("\n");
    for (const hole of ["billing", "analytics", "allow-payments-external-apis", "allow-storefront-time-servers"]) {
      assert.ok(text.includes(hole), `${hole} is not named in\n${text}`);
    }
    const explained = mandatory.filter((violation) => violation.message.includes("because:"));
    assert.ok(explained.length >= 4, text);
    for (const id of ["namespace-default-deny", "metadata-endpoints-closed"]) assert.ok(text.includes(id), id);
    for (const violation of mandatory) {
      // what a policy causes is explained once, at that policy
      assert.match(violation.message, /because: [\s\S]*fix: |^What is shown at the objects that cause it/);
      assert.ok(violation.urn, "a violation without a urn");
    }
    assert.deepEqual(await liveObjects(lab), before);
  });

  it("has the object that opens a hole stopped at its own registration in an up that skips the preview", async () => {
    const stack = await openStack({ project: "insecure", stack: "up", lab, program });
    const operation = await operate(stack, "up", { policyPacks: [pack] });
    try {
      assert.ok(operation.error, "the update passed");
      const created = finished(operation)
        .filter((step) => step.op === "create")
        .map((step) => step.name);
      const holes = [
        "billing-default-deny-all",
        "shop-allow-payments-external-apis",
        "shop-allow-storefront-time-servers",
      ];
      for (const hole of holes) assert.ok(!created.includes(hole), `${hole} was created`);
      // the first refusal ends the update, so that the engine never comes to the other one
      const stopped = violations(operation).filter(
        ({ urn, level }) => level === "mandatory" && holes.some((hole) => urn?.endsWith(`::${hole}`)),
      );
      assert.ok(stopped.length > 0, "no hole was stopped at its own registration");
      const live = (await liveObjects(lab)).map(({ object }) => `${object.kind} ${object.metadata?.name ?? ""}`);
      assert.ok(!live.includes("NetworkPolicy allow-payments-external-apis"));
    } finally {
      assert.equal((await operate(stack, "destroy")).error, undefined);
    }
  });

  it("judges in a preview without any cluster: the secure stack passes, the insecure one is blocked", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-offline-"));
    try {
      const { pulumi, "pulumi-resource-kubernetes": kubernetesProvider } = await provideTools([
        "pulumi",
        "pulumi-resource-kubernetes",
      ]);
      const kubeconfigPath = path.join(folder, "no-such-kubeconfig");
      const engine = prepareEngine({ dataDir: folder, pulumi, kubernetesProvider, kubeconfigPath });
      const good = await openStack({
        project: "offline",
        stack: "good",
        lab: { engine },
        program: exampleProgram("zero-trust-tiers"),
      });
      const passed = await operate(good, "preview", { policyPacks: [pack] });
      assert.equal(passed.error, undefined);
      const bad = await openStack({ project: "offline", stack: "bad", lab: { engine }, program });
      const blocked = await operate(bad, "preview", { policyPacks: [pack] });
      assert.ok(blocked.error);
      assert.ok(violations(blocked).some(({ level }) => level === "mandatory"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("judges under a provider whose configuration is not known yet, and never takes the unknown for safe", async () => {
    const unknownProvider = (inner: (provider: k8s.Provider) => Promise<void>) => async (): Promise<void> => {
      const seed = new k8s.core.v1.ConfigMap("seed", { metadata: { name: "seed", namespace: "default" } });
      // known only after the update: stands for the kubeconfig of a cluster made in the same stack
      const kubeconfig = seed.metadata.uid.apply(() => lab.controlPlane.kubeconfigPath);
      await inner(new k8s.Provider("late", { kubeconfig }));
    };
    const stack = await openStack({
      project: "late",
      stack: "test",
      lab,
      program: unknownProvider(async (provider) => {
        new k8s.core.v1.Namespace("open", { metadata: { name: "open" } }, { provider });
        new k8s.networking.v1.NetworkPolicy(
          "hole",
          {
            metadata: { name: "hole", namespace: "open" },
            spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] },
          },
          { provider },
        );
      }),
    });
    const operation = await operate(stack, "preview", { policyPacks: [pack] });
    assert.ok(operation.error, "the preview passed");
    assert.ok(violations(operation).some(({ message, level }) => level === "mandatory" && message.includes("hole")));
    assert.ok(!/TypeError|panic/.test(operation.output));
  });
});
