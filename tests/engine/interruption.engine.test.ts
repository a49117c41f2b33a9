import assert from "node:assert/strict";
import { program } from "../../examples/zero-trust-tiers/program";
import type { Lab } from "../../lab/index";
import { finished, openStack, operate } from "./automation";
import { allowedIn, growth } from "./allowed";
import { liveObjects, pack, sharedLab } from "./shared-lab";

const held = ["business", "website", "cert-manager", "external-secrets", "observability"];

/** Names of the Deployments and policies that the API server holds. */
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

  for (const moment of ["zero-trust-allow-dns-ingress", "zero-trust-default-deny-all", "business-postgres"]) {
    it(`converges in the next run when it stopped after ${moment}, and no workload stands unprotected in between`, async () => {
      const stack = await openStack({
        project: "cut-off",
        stack: moment,
        lab,
        program: async () => ({ ...(await program()) }),
        config: { "clusterSecurity:nodeless": "true" },
      });
      try {
        let stopped: Promise<void> | undefined;
        const cutOff = await operate(stack, "up", {
          policyPacks: [pack],
          onEvent: (event) => {
            if (event.resOutputsEvent?.metadata.urn.endsWith(`::${moment}`))
              stopped ??= lab.controlPlane.stopApiServer();
          },
        });
        assert.ok(stopped, `${moment} was never registered`);
        await stopped;
        await lab.controlPlane.startApiServer();

        const between = await standing(lab);
        if (between.workloads.length > 0) assert.deepEqual(between.denies, ["default-deny-all"]);
        const halfway = allowedIn(await liveObjects(lab), held);

        const resumed = await operate(stack, "up", { policyPacks: [pack] });
        assert.equal(resumed.error, undefined);
        const final = allowedIn(await liveObjects(lab), held);
        const workloads = (await standing(lab)).workloads;
        assert.ok(workloads.length > 8);
        // once the deny stood, nothing more was open than in the end
        if (between.denies.length > 0) assert.deepEqual(growth(final, halfway), []);
        const settled = await operate(stack, "up", { policyPacks: [pack] });
        assert.deepEqual(
          finished(settled).filter((step) => step.op !== "same"),
          [],
        );
        assert.ok(cutOff.error !== undefined || moment === "business-postgres");
      } finally {
        assert.equal((await operate(stack, "destroy")).error, undefined);
      }
    });
  }
});
