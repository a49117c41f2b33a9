import assert from "node:assert/strict";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient, labContext } from "../../lab/control-plane/index";
import { declaredBy, makeNamespaces, removeNamespaces } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import { plan } from "../../sdk/plan/index";
import type { Example } from "../support/examples";
import { examples } from "../support/examples";
import { seventeenPolicies } from "../support/seventeen-policies";
import { openStack, operate, outputsOf } from "./automation";
import { assertDeclared, assertPassed, reachabilityOf } from "./judge";
import { liveObjects, pack, secondLab, sharedLab } from "./shared-lab";
import { wipe } from "./wipe";

describe("the examples under the mandatory policy pack, on a real engine and a real API server", () => {
  let lab: Lab;
  let client: ApiClient;
  let all: readonly Example[];

  before(async () => {
    lab = await sharedLab();
    client = apiClient(lab.controlPlane);
    all = await examples();
  });

  after(() => client.close());

  const find = (name: string): Example => all.find((one) => one.name === name) ?? assert.fail(`no example ${name}`);

  // zero-trust-tiers is in order.engine.test.ts
  for (const name of ["web-app", "service-identity", "tenants", "kubernetesx", "shop"]) {
    const rows = name === "shop" ? "S1-27 S0-02 S4-13" : "S1-27 S0-02";
    it(`${rows} ${name}: what the API server holds allows the declared flows and nothing else`, async () => {
      const example = find(name);
      await makeNamespaces(client, example.expects);
      const stack = await openStack({ project: `example-${name}`, stack: "test", lab, program: example.program() });
      const operation = await operate(stack, "up", { policyPacks: [pack] });
      try {
        assertPassed(operation);
        const planned = plan(example.declaration);
        const outputs = outputsOf(operation);
        assert.deepEqual(outputs["exemptNamespaces"], planned.exemptNamespaces);
        assert.deepEqual(
          outputs["policies"],
          planned.documents.map(({ logicalName }) => logicalName),
        );
        assertDeclared(await reachabilityOf(lab, planned), planned, example);
        if (name === "shop") await assertSeventeen();
      } finally {
        await wipe(client, operation);
        await removeNamespaces(client, example.expects);
      }
    });
  }

  /** S4-13: by name and count, as NetworkPolicies of the shop's namespace. */
  async function assertSeventeen(): Promise<void> {
    const path = "/apis/networking.k8s.io/v1/namespaces/jewelry-shop/networkpolicies";
    const { items } = (await client.call("GET", path)).body as {
      items: { metadata: { name: string }; spec: { policyTypes: string[] } }[];
    };
    const types = seventeenPolicies.map((name) => {
      const found = items.find(({ metadata }) => metadata.name === name);
      return found?.spec.policyTypes.join() ?? assert.fail(`${name} is missing`);
    });
    assert.deepEqual(
      [types.filter((type) => type === "Ingress").length, types.filter((type) => type === "Egress").length],
      [13, 4],
    );
  }

  it("fleet: one declaration, two API servers, and each gets what it declares through its own provider", async () => {
    const second = await secondLab();
    const labs: Record<string, Lab> = { infra: lab, apps: second };
    const access = Object.entries(labs).map(([name, { controlPlane }]) => [
      name,
      { context: labContext, kubeconfig: controlPlane.kubeconfigPath },
    ]);
    const example = find("fleet");
    for (const { controlPlane } of Object.values(labs)) {
      const to = apiClient(controlPlane);
      await makeNamespaces(to, example.expects).finally(() => to.close());
    }
    const stack = await openStack({
      project: "example-fleet",
      stack: "test",
      // the default provider leads nowhere: only the explicit ones can have made what stands
      lab: { engine: { ...lab.engine, env: { ...lab.env, KUBECONFIG: "/nonexistent" } } },
      program: example.program(),
      config: { clusters: JSON.stringify(Object.fromEntries(access)) },
    });
    const operation = await operate(stack, "up", { policyPacks: [pack] });
    assertPassed(operation);
    for (const { name, declaration } of declaredBy("fleet")) {
      const planned = plan(declaration);
      const at = labs[name.replace("fleet-", "")] ?? assert.fail(name);
      assertDeclared(await reachabilityOf(at, planned), planned, example);
    }
    const destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
    for (const one of Object.values(labs)) {
      const to = apiClient(one.controlPlane);
      await removeNamespaces(to, example.expects).finally(() => to.close());
      const left = (await liveObjects(one)).filter(({ object }) => object.apiVersion.startsWith("cilium.io"));
      assert.deepEqual(left, []);
    }
  });
});
