import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Reachability } from "../../sdk/reachability";

function judge(text: string): Reachability {
  return compile(buildSnapshot(readYaml(text, "all.yaml").objects, { profile: profileFor("cilium@1.20") }));
}

const pod = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: main, image: main }] }
---
`;
const policyOf = (rules: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: web, namespace: shop }
spec: { endpointSelector: {}, ${rules} }
---
`;
const allow = (peer: string): string => policyOf(`egress: [{ toCIDRSet: [{ ${peer} }] }]`);
const deny = (peer: string): string =>
  policyOf(`egress: [{ toEntities: [all] }], egressDeny: [{ toCIDRSet: [{ ${peer} }] }]`);
const group = (ranges: string, labels = "{}"): string =>
  `apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: { name: home, labels: ${labels} }\nspec: { externalCIDRs: ${ranges} }\n---\n`;

function to(reachability: Reachability, address: string): string {
  const source = { kind: "workload", id: "shop/web[Pod]" } as const;
  return reachability.verdict({ source, destination: { kind: "address", address }, protocol: "TCP", port: 443 });
}

describe("CiliumCIDRGroup: what is not known of a group is unknown, and nothing else", () => {
  const byName = "cidrGroupRef: home";

  it("a range that was not filled in leaves the others known", () => {
    const half = group('["${HOME_CIDR}", 192.0.2.0/24]');
    const allowing = judge(pod + allow(byName) + half);
    assert.equal(to(allowing, "192.0.2.7"), "allowed");
    assert.equal(to(allowing, "198.51.100.7"), "unknown");
    const denying = judge(pod + deny(byName) + half);
    assert.equal(to(denying, "192.0.2.7"), "denied");
    assert.equal(to(denying, "198.51.100.7"), "unknown");
    const excepted = judge(pod + allow(`${byName}, except: [192.0.2.0/25]`) + half);
    assert.equal(to(excepted, "192.0.2.200"), "allowed");
  });

  it("says of a group that is there what is not known, and of one that is not that it was not read", () => {
    const said = (text: string): string[] => judge(text).snapshot.problems.map(({ message }) => message);
    const policies = pod + allow(byName);
    assert.ok(said(policies).some((message) => message.includes("is not in the snapshot")));
    const there = said(policies + group('["${HOME_CIDR}"]'));
    assert.ok(there.some((message) => message.includes("holds ranges that are not known")));
    assert.ok(!there.some((message) => message.includes("is not in the snapshot")));
  });

  it("a range that is none has the group refused", () => {
    assert.equal(to(judge(pod + allow(byName) + group("[300.0.0.0/8, 192.0.2.0/24]")), "192.0.2.7"), "unknown");
  });

  it("a selector that perhaps fits opens nothing for certain", () => {
    const selecting = pod + allow("cidrGroupSelector: { matchLabels: { net: home } }");
    const verdict = (labels: string): string => to(judge(selecting + group("[192.0.2.0/24]", labels)), "192.0.2.7");
    assert.equal(verdict("{ net: home }"), "allowed");
    assert.equal(verdict('{ net: "${NET}" }'), "unknown");
    assert.equal(verdict("{ net: office }"), "denied");
  });
});
