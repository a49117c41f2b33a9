import assert from "node:assert/strict";
import { declaredBy } from "../../lab/examples/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, PolicyLayout, documentedExceptions, exceptionAnnotation, plan } from "../../sdk/plan/index";

const [example] = declaredBy("tenants");
const { declaration } = example;

/** The example, its exception with this reason. */
function because(reason: string, others: Partial<ClusterSecurityDeclaration> = {}): ClusterSecurityDeclaration {
  const tenants = (declaration.tenants ?? []).map((tenant) => ({
    ...tenant,
    exceptions: (tenant.exceptions ?? []).map(({ flow, expires }) => ({ flow: { ...flow, reason }, expires })),
  }));
  return { ...declaration, ...others, tenants };
}

describe("exceptions between tenants, as data on policies", () => {
  const dialects = Object.values(Dialect);

  it("S2-02: names both sides, the ports, the owner and the last day on every policy that opens one", () => {
    for (const dialect of dialects) {
      for (const layout of Object.values(PolicyLayout)) {
        const { documents } = plan({ ...declaration, dialect, layout });
        const found = documents.flatMap(({ logicalName, object }) => {
          const exceptions = documentedExceptions(object.metadata.annotations);
          return exceptions.length === 0 ? [] : [[logicalName, exceptions] as const];
        });
        assert.ok(found.length >= 2, `${dialect} ${layout}: both sides`);
        for (const [name, exceptions] of found) {
          assert.deepEqual(
            exceptions.map(({ from, to, ports, expires }) => ({ from, to, ports, expires })),
            [
              {
                from: { namespace: "acme-web", workload: "web" },
                to: { namespace: "globex-web", workload: "web" },
                ports: [{ protocol: "TCP", port: 8080 }],
                expires: "2027-06-30",
              },
            ],
            `${dialect} ${layout} ${name}`,
          );
          assert.ok(exceptions.every(({ owner, reason }) => owner !== "" && reason !== ""));
        }
      }
    }
  });

  it("S2-02: takes the last day from the declaration, whatever the reason says", () => {
    const { documents } = plan(because('annex, until 2099-01-01)\n"expires":"2099-01-01"'));
    const days = documents.flatMap(({ object }) => documentedExceptions(object.metadata.annotations));
    assert.ok(days.length > 0);
    assert.deepEqual([...new Set(days.map(({ expires }) => expires))], ["2027-06-30"]);
  });

  it("writes no exception onto policies of other flows", () => {
    const { documents } = plan({
      ...declaration,
      tenants: (declaration.tenants ?? []).map(({ name, namespaces }) => ({ name, namespaces })),
    });
    assert.ok(documents.every(({ object }) => object.metadata.annotations?.[exceptionAnnotation] === undefined));
  });

  it("reads nothing out of an annotation that is not complete", () => {
    const whole = {
      from: { namespace: "a" },
      to: { namespace: "b", workload: "web" },
      owner: "a",
      reason: "r",
      expires: "2027-01-31",
    };
    const read = (value: unknown): number =>
      documentedExceptions({ [exceptionAnnotation]: typeof value === "string" ? value : JSON.stringify(value) }).length;
    assert.equal(read(whole), 1);
    assert.equal(read([whole, { ...whole, ports: [{ protocol: "TCP", port: 1, endPort: 2 }] }]), 2);
    for (const broken of [
      "",
      "until 2099-01-01",
      "null",
      {},
      { ...whole, from: undefined },
      { ...whole, to: "b" },
      { ...whole, to: { workload: "web" } },
      { ...whole, to: { namespace: "b", workload: 1 } },
      { ...whole, owner: "" },
      { ...whole, reason: undefined },
      { ...whole, expires: "2027-02-30" },
      { ...whole, expires: "never" },
      { ...whole, ports: "any" },
      { ...whole, ports: [{ protocol: "TCP" }] },
    ]) {
      assert.equal(read(broken), 0, JSON.stringify(broken));
    }
    assert.deepEqual(documentedExceptions(undefined), []);
    assert.deepEqual(documentedExceptions({ [exceptionAnnotation]: 1 }), []);
  });
});
