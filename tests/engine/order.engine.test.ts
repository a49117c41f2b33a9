import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { program } from "../../examples/zero-trust-tiers/program";
import type { SourcedObject } from "../../sdk/reachability/index";
import { allowedIn, growth } from "./allowed";
import type { Operation, Step } from "./automation";
import { finished, openStack, operate, worlds } from "./automation";
import { pack, sharedLab } from "./shared-lab";

const held = ["business", "website", "cert-manager", "external-secrets", "observability"];
const denyName = "zero-trust-default-deny-all";
const metadataName = "zero-trust-deny-cloud-metadata";

function positions(steps: readonly Step[], op: string): (name: string) => number {
  const names = steps.filter((step) => step.op.startsWith(op)).map((step) => step.name);
  return (name) => {
    const position = names.indexOf(name);
    assert.notEqual(position, -1, `${op} of ${name}: ${names.join(", ")}`);
    return position;
  };
}

describe("the secure stack on a real engine and a real API server", () => {
  let stack: Stack;
  let created: Operation;
  let destroyed: Operation;
  let standing: ReadonlyMap<string, SourcedObject>;

  before(async () => {
    const lab = await sharedLab();
    stack = await openStack({
      project: "order",
      stack: "test",
      lab,
      program: async () => ({ ...(await program()) }),
      config: { "clusterSecurity:nodeless": "true" },
    });
    created = await operate(stack, "up", { policyPacks: [pack] });
    assert.equal(created.error, undefined);
    standing = [...worlds(created)].at(-1)?.objects ?? new Map();
    destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
  });

  it("S3-16 creates the metadata deny first, DNS and tier 1 before the default deny, workloads last", () => {
    const steps = finished(created).filter((step) => step.type.startsWith("kubernetes:"));
    const at = positions(steps, "create");
    const policies = steps.filter((step) => step.type.startsWith("kubernetes:cilium.io"));
    const workloads = steps.filter((step) => step.type === "kubernetes:apps/v1:Deployment");
    assert.ok(policies.length > 8 && workloads.length > 8);
    for (const policy of policies) {
      if (policy.name !== metadataName) assert.ok(at(metadataName) < at(policy.name), policy.name);
      if (policy.name !== denyName) assert.ok(at(policy.name) < at(denyName), policy.name);
    }
    for (const early of [
      "zero-trust-allow-dns-ingress",
      "zero-trust-allow-dns-egress",
      "zero-trust-tier1-cert-manager",
    ]) {
      assert.ok(at(early) < at(denyName), early);
    }
    for (const workload of workloads) assert.ok(at(denyName) < at(workload.name), workload.name);
  });

  it("S3-16 destroys backwards: workloads, default deny, allows, the metadata deny last", () => {
    const steps = finished(destroyed).filter((step) => step.type.startsWith("kubernetes:"));
    const at = positions(steps, "delete");
    for (const step of steps.filter(({ type }) => type === "kubernetes:apps/v1:Deployment")) {
      assert.ok(at(step.name) < at(denyName), step.name);
    }
    for (const step of steps.filter(({ type }) => type.startsWith("kubernetes:cilium.io"))) {
      if (step.name !== denyName) assert.ok(at(denyName) < at(step.name), step.name);
      if (step.name !== metadataName) assert.ok(at(step.name) < at(metadataName), step.name);
    }
  });

  it("opens nothing during up that is closed once everything stands, from the moment the default deny stands", () => {
    const last = [...worlds(created)].at(-1);
    assert.ok(last);
    const final = allowedIn(last.objects.values(), held);
    let denied = false;
    let compared = 0;
    for (const world of worlds(created)) {
      denied ||= world.step.name === denyName;
      if (!denied) continue;
      assert.deepEqual(growth(final, allowedIn(world.objects.values(), held)), [], `after ${world.step.name}`);
      compared += 1;
    }
    assert.ok(compared > 5);
  });

  it("allows nothing more during destroy before the default deny is gone, and no workload of the stack outlives it", () => {
    const before = allowedIn(standing.values(), held);
    let compared = 0;
    for (const world of worlds(destroyed, standing)) {
      if (world.step.name === denyName) {
        const left = [...world.objects.values()].filter(({ object }) => object.kind === "Deployment");
        assert.deepEqual(left, []);
        break;
      }
      assert.deepEqual(growth(before, allowedIn(world.objects.values(), held)), [], `after ${world.step.name}`);
      compared += 1;
    }
    assert.ok(compared > 5);
  });
});
