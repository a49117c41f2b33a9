import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type { EgressPolicyArgs } from "../../sdk/index";
import { DeclarationError, Dialect, EgressPolicy, tcp, workload } from "../../sdk/index";
import { register } from "./monitor";

const args: EgressPolicyArgs = {
  namespace: "shop",
  workloads: [workload("shop/api", { serviceAccount: "api" }), workload("shop/mailer")],
  hosts: [{ host: "api.stripe.com", reason: "customers pay", owner: "shop" }],
  ranges: [{ cidr: "198.51.100.0/24", ports: [tcp(587)], reason: "mail", owner: "shop" }],
};

describe("EgressPolicy", () => {
  it("registers one policy for each workload, named after it, and nothing else", async () => {
    const all = await register(() => new EgressPolicy("outbound", args));
    assert.deepEqual(all.map(({ type, name }) => `${type} ${name}`).sort(), [
      "kubernetes:cilium.io/v2:CiliumNetworkPolicy outbound-shop/outbound-api",
      "kubernetes:cilium.io/v2:CiliumNetworkPolicy outbound-shop/outbound-mailer",
      "pulumi-cluster-security:index:EgressPolicy outbound",
    ]);
    assert.deepEqual(all[0]?.outputs["destinations"], ["api.stripe.com", "198.51.100.0/24"]);
  });

  it("gives its children their parent and the provider, and names policies as it is told", async () => {
    const all = await register(() => {
      const provider = new k8s.Provider("other", { kubeconfig: "{}" });
      new EgressPolicy("outbound", { ...args, policyName: "to-partners", dialect: Dialect.Kubernetes }, { provider });
    });
    const [provider, component, ...children] = all;
    assert.equal(children.length, 2);
    for (const { parent, provider: own, inputs } of children) {
      assert.equal(parent, component?.urn);
      assert.equal(own, `${provider?.urn}::other-id`);
      assert.match((inputs["metadata"] as { name: string }).name, /^to-partners-(api|mailer)$/);
    }
  });

  it("refuses a metadata endpoint before anything is registered", async () => {
    const all = await register(() => {
      const ranges = [{ cidr: "169.254.169.254/32", ports: [tcp(80)], reason: "x", owner: "y" }];
      assert.throws(() => new EgressPolicy("outbound", { ...args, ranges }), DeclarationError);
    });
    assert.deepEqual(all, []);
  });
});
