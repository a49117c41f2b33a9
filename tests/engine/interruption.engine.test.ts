import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type { Lab } from "../../lab/index";
import { ClusterSecurity, DenyScope, flow, namespace, tcp, workload } from "../../sdk/index";
import { allowedIn, growth } from "./allowed";
import { finished, openStack, operate } from "./automation";
import { liveObjects, sharedLab } from "./shared-lab";

const applications = ["web", "api", "store"];

/** Three workloads in two namespaces, protected by everything the component lays down. */
async function program(): Promise<void> {
  const security = new ClusterSecurity("cut", {
    denyScope: DenyScope.DeclaredNamespaces,
    namespaces: [namespace("cut-front"), namespace("cut-back")],
    workloads: [
      workload("cut-front/web", { ports: [tcp(3000)] }),
      workload("cut-back/api", { ports: [tcp(8080)] }),
      workload("cut-back/store", { ports: [tcp(5432)] }),
    ],
    flows: [
      flow("web").to("api").on(tcp(8080)).because("pages show data").ownedBy("web"),
      flow("api").to("store").on(tcp(5432)).because("data is kept there").ownedBy("data"),
    ],
  });
  for (const app of applications) {
    const home = app === "web" ? "cut-front" : "cut-back";
    new k8s.apps.v1.Deployment(
      app,
      {
        metadata: { name: app, namespace: home, annotations: { "pulumi.com/skipAwait": "true" } },
        spec: {
          selector: { matchLabels: { app } },
          template: { metadata: { labels: { app } }, spec: { containers: [{ name: app, image: "busybox:1.37" }] } },
        },
      },
      { dependsOn: security },
    );
  }
}

/** Names of the Deployments, and of the default deny, that the API server holds. */
async function standing(lab: Lab): Promise<{ workloads: string[]; denies: string[] }> {
  const objects = await liveObjects(lab);
  const named = (kind: string): string[] =>
    objects.filter(({ object }) => object.kind === kind).map(({ object }) => object.metadata?.name ?? "");
  return {
    workloads: named("Deployment"),
    denies: named("CiliumClusterwideNetworkPolicy").filter((name) => name === "default-deny-all"),
  };
}

describe("an update that is cut off because the API server stops", () => {
  let lab: Lab;

  before(async () => {
    lab = await sharedLab();
  });

  for (const moment of ["cut-allow-dns-ingress", "cut-default-deny-all"]) {
    it(`converges in the next run when it stopped after ${moment}; no workload stands unprotected in between`, async () => {
      const stack = await openStack({ project: "cut-off", stack: moment, lab, program });
      try {
        let stopped: Promise<void> | undefined;
        const cutOff = await operate(stack, "up", {
          onEvent: (event) => {
            const done = event.resOutputsEvent?.metadata.urn;
            if (done?.endsWith(`::${moment}`)) stopped ??= lab.controlPlane.stopApiServer();
          },
        });
        assert.ok(stopped, `${moment} was never registered`);
        await stopped;
        await lab.controlPlane.startApiServer();
        assert.ok(cutOff.error, "the update went on without an API server");

        const between = await standing(lab);
        if (between.workloads.length > 0) assert.deepEqual(between.denies, ["default-deny-all"]);
        const halfway = allowedIn(await liveObjects(lab), ["cut-front", "cut-back"]);

        const resumed = await operate(stack, "up");
        assert.equal(resumed.error, undefined);
        assert.ok(finished(resumed).some((step) => step.op === "create"));
        assert.deepEqual((await standing(lab)).workloads.sort(), [...applications].sort());
        const final = allowedIn(await liveObjects(lab), ["cut-front", "cut-back"]);
        // once the deny stood, nothing more was open than in the end
        if (between.denies.length > 0) assert.deepEqual(growth(final, halfway), []);
      } finally {
        assert.equal((await operate(stack, "destroy")).error, undefined);
      }
    });
  }
});
