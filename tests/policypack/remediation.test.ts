import assert from "node:assert/strict";
import fc from "fast-check";
import { clusterSecurityPolicies } from "../../policypack/guard";
import { repair, repairsOf } from "../../policypack/remediation";
import { runPolicies, unknown, type TestResource } from "../../policypack/testing";
import { buildSnapshot, compile, metadataEndpoints, profileFor, type KubeObject } from "../../sdk/reachability";

type Fields = Record<string, unknown>;

const netpol = (block: Fields, podSelector: Fields = {}): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "allow-web", namespace: "shop" },
  spec: { podSelector, policyTypes: ["Egress"], egress: [{ to: [{ podSelector: {} }, { ipBlock: block }] }] },
});
const cilium = (kind: string, spec: Fields): KubeObject => ({
  apiVersion: "cilium.io/v2",
  kind,
  metadata: { name: "allow-web", ...(kind === "CiliumNetworkPolicy" ? { namespace: "shop" } : {}) },
  spec: { endpointSelector: { matchLabels: { app: "api" } }, ...spec },
});

function repaired(object: KubeObject): KubeObject {
  const copy = structuredClone(object) as unknown as Fields;
  repair(copy, repairsOf(copy));
  return copy as unknown as KubeObject;
}

/** The metadata endpoints that a pod of the namespace reaches through the policy. */
function reached(policy: KubeObject): string[] {
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "api", namespace: "shop", labels: { app: "api" } },
    spec: { containers: [{ name: "api" }] },
  };
  const profile = profileFor(policy.apiVersion.startsWith("cilium") ? "cilium@1.20" : "kubernetes");
  const reachability = compile(buildSnapshot([{ object: policy }, { object: pod }], { profile }));
  return metadataEndpoints
    .map(({ address }) => address)
    .filter((address) => {
      const { possible } = reachability.traffic(
        { kind: "workload", id: "shop/api[Pod]" },
        { kind: "address", address },
      );
      return !possible.isEmpty();
    });
}

describe("repairs of one object", () => {
  it("leave every metadata endpoint out of any block, and nothing else, once", () => {
    const v4 = ["169.254.169.254/32", "169.254.0.0/16", "100.100.0.0/16"];
    const v6 = ["fd00:ec2::/32", "fd20:ce::254/128"];
    const blocks: [cidr: string, inside: string[]][] = [
      ["0.0.0.0/0", v4],
      ["::/0", v6],
      ["169.254.0.0/16", v4.slice(0, 1)],
      ["100.64.0.0/10", v4.slice(2)],
      ["10.0.0.0/8", []],
      ["fd00::/8", v6],
      ["0.0.0.0/1", v4.slice(2)],
    ];
    const block = fc
      .constantFrom(...blocks)
      .chain(([cidr, inside]) =>
        fc.record({ cidr: fc.constant(cidr), except: fc.option(fc.subarray(inside), { nil: undefined }) }),
      );
    fc.assert(
      fc.property(block, ({ cidr, except }) => {
        const given = { cidr, ...(except === undefined ? {} : { except }) };
        for (const object of [netpol(given), cilium("CiliumNetworkPolicy", { egress: [{ toCIDRSet: [given] }] })]) {
          const result = repaired(object);
          assert.deepEqual(reached(result), [], JSON.stringify(result));
          assert.deepEqual(repairsOf(result as unknown as Fields), [], "a second time there is nothing to repair");
          const [was, is] = [object, result].map((each) => JSON.stringify(each).replace(/,?"except":\[[^\]]*\]/, ""));
          assert.equal(is, was);
          if (reached(object).length === 0) assert.deepEqual(result, object);
        }
      }),
    );
  });

  it("leave alone what is meant, what is not known and what is malformed", () => {
    const blocks = [
      { cidr: "169.254.169.254/32" },
      { cidr: "10.0.0.0/8" },
      { cidr: unknown.string },
      { cidr: "0.0.0.0/0", except: unknown.array },
      { cidr: "0.0.0.0/0", except: ["not an address"] },
      { cidr: "0.0.0.0/0", except: [unknown.string] },
      { cidr: "169.254.0.0/16", except: ["10.0.0.0/8"] },
      { cidr: 7 },
      {},
    ];
    for (const block of blocks)
      assert.deepEqual(repairsOf(netpol(block) as unknown as Fields), [], JSON.stringify(block));
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (spec, specs) => {
        for (const object of [netpol({}), cilium("CiliumClusterwideNetworkPolicy", {})]) {
          assert.ok(Array.isArray(repairsOf({ ...(object as unknown as Fields), spec, specs })));
        }
      }),
    );
  });

  it("S3-18: say enableDefaultDeny for the directions that have rules, and change nothing that is reachable", () => {
    const spec = { ingress: [{ fromEndpoints: [{}] }], egress: [] };
    const policy = cilium("CiliumClusterwideNetworkPolicy", spec);
    const result = repaired(policy);
    assert.deepEqual((result.spec as Fields)["enableDefaultDeny"], { ingress: true });
    assert.deepEqual(reached(result), reached(policy));
    const said = cilium("CiliumClusterwideNetworkPolicy", { ...spec, enableDefaultDeny: { ingress: false } });
    assert.deepEqual(repaired(said), said);
    // a namespaced policy is not asked to say it
    const namespaced = cilium("CiliumNetworkPolicy", spec);
    assert.deepEqual(repaired(namespaced), namespaced);
  });

  const open: TestResource[] = [
    {
      type: "kubernetes:core/v1:Namespace",
      name: "shop",
      props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
    },
    {
      type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
      name: "allow-web",
      props: {
        ...netpol({ cidr: "0.0.0.0/0" }, { matchLabels: { app: "api" } }),
        metadata: { name: "allow-web", namespace: "shop", uid: unknown.string },
      },
    },
    {
      type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
      name: "default-deny-all",
      props: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "default-deny-all", namespace: "shop" },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
    },
  ];

  it("are off unless they are switched on, and then the stack passes that was stopped", async () => {
    const off = await runPolicies(clusterSecurityPolicies(), open, { operation: "update" });
    assert.ok(off.failed);
    const level = { "cluster-security": { enforcementLevel: "remediate" } };
    const levelAlone = await runPolicies(clusterSecurityPolicies(), open, { operation: "update", config: level });
    assert.ok(levelAlone.failed);
    const on = await runPolicies(clusterSecurityPolicies({ remediate: true }), open, { operation: "update" });
    assert.equal(on.failed, false, JSON.stringify(on.violations));
    const props = on.registered.find(({ name }) => name === "allow-web")?.props;
    // what was not known yet is still marked so
    assert.equal((props?.["metadata"] as Fields)["uid"], unknown.string);
    const exempt = clusterSecurityPolicies({ remediate: true, exemptNamespaces: ["shop"] });
    const untouched = await runPolicies(exempt, open, { operation: "preview" });
    assert.deepEqual(untouched.registered, open);
  });
});
