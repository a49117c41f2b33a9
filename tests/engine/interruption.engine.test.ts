import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import { ClusterSecurity, flow, namespace, plan, tcp, udp, workload } from "../../sdk/index";
import type { SourcedObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { deploy } from "../../lab/examples/index";
import { compareWithDeclaration, podsThatReachMetadata } from "../support/declared";
import { finished, openStack, operate } from "./automation";
import { Cutter } from "./cut";
import { liveObjects, sharedLab } from "./shared-lab";

const applications = [
  workload("cut-front/web", { ports: [tcp(3000)] }),
  workload("cut-back/api", { ports: [tcp(8080)] }),
  workload("cut-back/store", { ports: [tcp(5432)] }),
];
const dns = workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] });

const declaration: ClusterSecurityDeclaration = {
  namespaces: [namespace("cut-front"), namespace("cut-back")],
  workloads: [...applications, dns],
  flows: [
    flow("web").to("api").on(tcp(8080)).because("pages show data").ownedBy("web"),
    flow("api").to("store").on(tcp(5432)).because("data is kept there").ownedBy("data"),
  ],
};

const cutter = new Cutter();

/** A destroy that goes on from one that was cut off finds policies gone, which the check would refuse. */
let liveCheck = true;

/** Three workloads in two namespaces and the cluster's DNS, protected by everything the component lays down. */
async function program(): Promise<void> {
  cutter.watch();
  const args = { ...declaration, defaultDeny: { allowRemoval: true }, liveCheck };
  const security = new ClusterSecurity("cut", args);
  for (const one of [dns, ...applications]) deploy(one, { dependsOn: [security] });
}

/** The workloads of the stack that run. */
function running(objects: readonly SourcedObject[]): readonly WorkloadDeclaration[] {
  const deployed = objects.filter(({ object }) => object.kind === "Deployment").map(({ object }) => object.metadata);
  return [dns, ...applications].filter(({ name, namespace: home }) =>
    deployed.some((metadata) => metadata?.name === name && metadata.namespace === home),
  );
}

/**
 * Whatever moment the engine was cut off at: each workload that runs has DNS and every declared flow to the others that
 * run, reaches nothing else, and no metadata endpoint. Returns how many run.
 */
async function assertSafe(lab: Lab, moment: string): Promise<number> {
  const objects = await liveObjects(lab);
  const standing = running(objects);
  const reachability = compile(buildSnapshot([...objects], { profile: profileFor("cilium@1.20") }));
  const { differences } = compareWithDeclaration(reachability, plan(declaration), standing);
  assert.deepEqual(differences, [], moment);
  const held = standing.filter((one) => one !== dns);
  assert.deepEqual(podsThatReachMetadata(reachability, held), [], moment);
  return standing.length;
}

describe("an operation that is cut off, on a real engine and a real API server", () => {
  let lab: Lab;
  let stack: Stack;

  before(async () => {
    lab = await sharedLab();
    stack = await openStack({ project: "cut-off", stack: "test", lab, program });
  });

  after(async () => {
    liveCheck = false;
    const left = await operate(stack, "destroy", { runProgram: true, refresh: true });
    assert.equal(left.error, undefined);
  });

  /** Waits for the end of every deletion of a namespace that has begun. */
  async function namespacesGone(): Promise<void> {
    const client = apiClient(lab.controlPlane);
    try {
      for (;;) {
        const { items } = (await client.call("GET", "/api/v1/namespaces")).body as {
          items: { metadata: { deletionTimestamp?: string } }[];
        };
        if (items.every(({ metadata }) => metadata.deletionTimestamp === undefined)) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      client.close();
    }
  }

  const seen: number[] = [];

  // each run goes on from where the one before was killed, so that together they are one update, cut to pieces
  for (const moment of ["deny-cloud-metadata", "allow-dns-egress", "allow-web-egress", "default-deny-all"]) {
    it(`S3-16 up, the engine killed after ${moment}: what runs is protected and nothing declared is cut`, async () => {
      await cutter.cutOff(stack, "up", (name) => name === `cut-${moment}` || name.endsWith(`/${moment}`));
      seen.push(await assertSafe(lab, moment));
    });
  }

  it("S3-16 up, the API server gone for a while after the first workload: what runs is protected and nothing declared is cut", async () => {
    let restarted: Promise<void> | undefined;
    const cut = await cutter.during(stack, "up", async ({ type }) => {
      if (type !== "kubernetes:apps/v1:Deployment") return;
      restarted ??= lab.controlPlane.stopApiServer().then(() => lab.controlPlane.startApiServer());
      await restarted;
    });
    assert.ok(restarted, "no workload was created");
    await restarted;
    seen.push(await assertSafe(lab, "API server stopped"));
    // what the provider asked for meanwhile may have failed, or been asked for again
    if (cut.error === undefined) assert.equal(seen.at(-1), 4);
  });

  it("converges in the next run: everything stands, and the run after has nothing to do", async () => {
    const resumed = await operate(stack, "up");
    assert.equal(resumed.error, undefined);
    assert.equal(await assertSafe(lab, "converged"), 4);
    assert.ok(seen.slice(0, 4).every((count) => count === 0) || seen.includes(4), seen.join());
    const again = finished(await operate(stack, "up")).filter(({ op }) => op !== "same");
    assert.deepEqual(again, []);
  });

  for (const moment of ["cut-back-store", "cut-default-deny-all", "cut-allow-dns-egress"]) {
    it(`S3-16 destroy, the engine killed after ${moment}: what still runs is protected and nothing declared is cut`, async () => {
      liveCheck = false;
      const before = running(await liveObjects(lab)).length;
      await cutter.cutOff(stack, "destroy", (name) => name === moment);
      const after = await assertSafe(lab, moment);
      assert.ok(after <= before);
      if (moment !== "cut-back-store") assert.equal(after, 0);
    });
  }

  it("a destroy that was cut off is taken back by the next up with a refresh: everything stands again", async () => {
    // an engine that is killed cannot note which deletions were done, and the API server is still at those it was asked for
    await namespacesGone();
    liveCheck = true;
    const resumed = await operate(stack, "up", { refresh: true });
    assert.equal(resumed.error, undefined);
    assert.equal(await assertSafe(lab, "up again"), 4);
  });
});
