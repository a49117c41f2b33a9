import assert from "node:assert/strict";
import { evaluate } from "../../sdk/findings";
import { buildSnapshot, compile, profileFor, readYaml } from "../../sdk/reachability";

function found(id: string, spec: string): readonly string[] {
  const text = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: web, namespace: shop }\nspec: ${spec}\n`;
  const { objects } = readYaml(text, "all.yaml");
  const snapshot = buildSnapshot(objects, { profile: profileFor("cilium@1.20") });
  return evaluate(compile(snapshot))
    .filter((finding) => finding.id === id && finding.certainty === "definite")
    .map(({ message }) => message);
}

const egress = (rules: string): string => `{ endpointSelector: {}, egress: [ ${rules} ] }`;

describe("findings: a part of a rule that is not known is not taken for the most that it may be", () => {
  it("a range that was not filled in is not the internet", () => {
    const rule = "world-rule-covers-private";
    assert.deepEqual(found(rule, egress('{ toCIDRSet: [ { cidr: "${HOME}" } ] }')), []);
    assert.deepEqual(found(rule, egress('{ toCIDRSet: [ { cidr: 0.0.0.0/0, except: [ "${HOME}" ] } ] }')), []);
    assert.equal(found(rule, egress('{ toCIDRSet: [ { cidr: "${HOME}" }, { cidr: 0.0.0.0/0 } ] }')).length, 1);
  });

  it("a DNS rule with a name that was not filled in is a DNS rule", () => {
    const rule = "fqdn-without-dns-proxy";
    const names = (dns: string): string =>
      egress(
        `{ toFQDNs: [ { matchName: example.com } ] }, { toEndpoints: [ {} ], toPorts: [ { ports: [ { port: "53" } ]${dns} } ] }`,
      );
    assert.equal(found(rule, names("")).length, 1);
    assert.deepEqual(found(rule, names(', rules: { dns: [ { matchName: "${NAME}" } ] }')), []);
  });
});
