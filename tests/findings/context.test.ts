/** What the caller tells the rules besides the objects: dependencies, tenants, names, the date. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ccnp, cnp, deny, netpol, pod } from "./fixtures/objects";
import { violationsOf } from "./support";

const urn = (kind: string, name: string): string => `urn:${kind}:${name}`;
const allow = (index: number): string =>
  netpol(
    `allow-${index}`,
    "{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { podSelector: {} } ], ports: [ { port: 80 } ] } ] }",
  );

describe("findings: order, by the dependencies of the stack", () => {
  it("S3-16: a default deny is in order exactly when it waits for every allow, directly or through others", () => {
    const size = 5;
    // node 0 is the default deny, 1 to 3 are allows, 4 is something else; an edge points at what is waited for
    const edges = fc.uniqueArray(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), {
      maxLength: 8,
      selector: ([a, b]) => a * size + b,
    });
    const names = ["default-deny-all", "allow-1", "allow-2", "allow-3", "other"].map((name) =>
      urn("NetworkPolicy", name),
    );
    let late = 0;
    fc.assert(
      fc.property(edges, (pairs) => {
        const dependencies = new Map(
          names.map((name, index) => [
            name,
            pairs.filter(([from]) => from === index).map(([, to]) => names[to] as string),
          ]),
        );
        // Warshall's closure, which shares nothing with the rule
        const reach = names.map((_, from) => names.map((__, to) => pairs.some(([a, b]) => a === from && b === to)));
        for (let k = 0; k < size; k++)
          for (let i = 0; i < size; i++)
            for (let j = 0; j < size; j++)
              if (reach[i]?.[k] === true && reach[k]?.[j] === true) (reach[i] as boolean[])[j] = true;
        // an allow that waits for the default deny cannot be waited for
        const expected = [1, 2, 3].filter((index) => reach[0]?.[index] !== true && reach[index]?.[0] !== true);
        const found = violationsOf("order-hazard", deny + allow(1) + allow(2) + allow(3), { dependencies });
        assert.equal(found.length, expected.length === 0 ? 0 : 1);
        for (const index of [1, 2, 3]) {
          const named = found.some(({ because }) => because.some((reason) => reason.includes(`allow-${index}`)));
          assert.equal(named, expected.includes(index));
        }
        if (expected.length > 0) late++;
      }),
      { numRuns: 150 },
    );
    assert.ok(late > 20);
  });

  it("holds clusterwide policies against each other and against those of namespaces, with and without workloads", () => {
    const closeAll = ccnp("default-deny-all", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }");
    const dns = ccnp(
      "allow-dns",
      `{ endpointSelector: {}, enableDefaultDeny: { egress: false }, egress: [ { toEntities: [ cluster ] } ] }`,
    );
    const own = cnp("allow-own", "{ endpointSelector: {}, egress: [ { toEndpoints: [ {} ] } ] }");
    for (const workloads of ["", pod("api", "shop")]) {
      const found = violationsOf("order-hazard", closeAll + dns + own + workloads, { dependencies: new Map() });
      assert.equal(found.length, 1);
      assert.match(found[0]?.because.join("\n") ?? "", /allow-dns and CiliumNetworkPolicy shop\/allow-own/);
    }
  });

  it("proposes no cycle: an allow that waits for the default deny is late only for workloads that do not wait for it", () => {
    const [denied, allowed, web] = [
      urn("NetworkPolicy", "default-deny-all"),
      urn("NetworkPolicy", "allow-1"),
      urn("Pod", "web"),
    ];
    const found = (...pairs: [string, string[]][]) =>
      violationsOf("order-hazard", deny + allow(1) + pod("web", "shop"), { dependencies: new Map(pairs) });
    assert.deepEqual(found([allowed, [denied]], [web, [allowed]]), []);
    const [late, ...others] = found([allowed, [denied]], [web, [denied]]);
    assert.deepEqual(others, []);
    assert.match(late?.message ?? "", /allow-1 may open what .*web.* needs after it starts/);
    assert.match(late?.fix ?? "", /Let the workloads depend on this policy/);
  });

  it("proposes no cycle where an explicit deny waits for the allow that it limits", () => {
    const limits = cnp(
      "deny-metadata",
      "{ endpointSelector: {}, enableDefaultDeny: { egress: false }, egressDeny: [ { toCIDR: [ 169.254.169.254/32 ] } ] }",
    );
    const world = cnp("allow-world", "{ endpointSelector: {}, egress: [ { toEntities: [ world ] } ] }");
    const [late] = violationsOf("order-hazard", limits + world, {
      dependencies: new Map([
        [urn("CiliumNetworkPolicy", "deny-metadata"), [urn("CiliumNetworkPolicy", "allow-world")]],
      ]),
    });
    assert.match(late?.because.join() ?? "", /depends on it, so it is registered first/);
    assert.match(late?.fix ?? "", /no longer depend on this policy/);
  });

  it("is not judged where nobody says what depends on what", () => {
    assert.deepEqual(violationsOf("order-hazard", deny + allow(1)), []);
  });
});

describe("findings: tenants, names and the date", () => {
  const two = pod("web", "a") + pod("store", "b");

  it("S2-01: the caller's tenants go before the labels of namespaces", () => {
    assert.deepEqual(violationsOf("cross-tenant-path", two), []);
    assert.equal(violationsOf("cross-tenant-path", two, { tenants: { a: "one", b: "two" } }).length, 2);
    assert.deepEqual(violationsOf("cross-tenant-path", two, { tenants: { a: "one", b: "one" } }), []);
  });

  it("S2-01: tenants are found by a label of one's own", () => {
    const namespace = (name: string): string =>
      `\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { team: t-${name} } }\n`;
    const yaml = namespace("a") + namespace("b") + two;
    assert.deepEqual(violationsOf("cross-tenant-path", yaml), []);
    assert.equal(violationsOf("cross-tenant-path", yaml, { tenantLabels: ["team"] }).length, 2);
  });

  it("S1-18: a convention of one's own is used, whatever its flags", () => {
    const yaml = netpol("np-web", "{ podSelector: {} }") + netpol("np-db", "{ podSelector: {} }");
    assert.equal(violationsOf("naming-convention", yaml).length, 2);
    assert.deepEqual(violationsOf("naming-convention", yaml, { policyNames: /^np-/g }), []);
  });

  it("S1-23: without a date nothing is overdue, but what is no date is found", () => {
    const review = (day: string): string =>
      deny.replace("metadata: { ", `metadata: { annotations: { pulumi-cluster-security/review-by: "${day}" }, `);
    assert.deepEqual(violationsOf("review-overdue", review("2001-01-01")), []);
    assert.equal(violationsOf("review-overdue", review("soon")).length, 1);
  });
});
