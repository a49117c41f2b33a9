import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import { makeNamespaces, removeNamespaces } from "../../lab/examples/index";
import type { Plan } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { Reachability, SourcedObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { compareWithDeclaration } from "../support/declared";
import type { Example } from "../support/examples";
import { examples } from "../support/examples";
import { allowedIn, growth } from "./allowed";
import type { Operation, Step } from "./automation";
import { finished, openStack, operate, worlds } from "./automation";
import { assertDeclared, assertPassed, reachabilityOf } from "./judge";
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

  let example: Example;
  let planned: Plan;
  let live: Reachability;

  before(async () => {
    const lab = await sharedLab();
    example = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail("no such example");
    planned = plan(example.declaration);
    const client = apiClient(lab.controlPlane);
    await makeNamespaces(client, example.expects);
    stack = await openStack({ project: "order", stack: "test", lab, program: example.program() });
    created = await operate(stack, "up", { policyPacks: [pack] });
    assert.equal(created.error, undefined);
    live = await reachabilityOf(lab, planned);
    standing = [...worlds(created)].at(-1)?.objects ?? new Map();
    destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
    await removeNamespaces(client, example.expects).finally(() => client.close());
  });

  it("S1-27 passes the mandatory policy pack without an exemption; the API server holds what is declared, nothing else", () => {
    assertPassed(created);
    assertDeclared(live, planned, example);
  });

  /** Everything that runs has DNS and every declared flow to what else runs, and nothing more. */
  function assertSafe(world: { step: Step; objects: ReadonlyMap<string, SourcedObject> }): number {
    const objects = [...world.objects.values()];
    const deployed = objects
      .filter(({ object }) => object.kind === "Deployment")
      .map(({ object }) => `${object.metadata?.namespace ?? ""}/${object.metadata?.name ?? ""}`);
    const running = example.workloads.filter(({ namespace, name }) => deployed.includes(`${namespace}/${name}`));
    const reachability = compile(buildSnapshot(objects, { profile: profileFor("cilium@1.20") }));
    const { differences } = compareWithDeclaration(reachability, planned, running);
    assert.deepEqual(differences, [], `after ${world.step.op} of ${world.step.name}`);
    return running.length;
  }

  it("S3-16 cuts no declared flow and opens none but declared ones, whatever step up or destroy is stopped after", () => {
    const up = [...worlds(created)].map(assertSafe);
    const down = [...worlds(destroyed, standing)].map(assertSafe);
    assert.deepEqual([up.at(-1), down.at(-1)], [example.workloads.length, 0]);
    assert.ok(up.length + down.length > 50);
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
