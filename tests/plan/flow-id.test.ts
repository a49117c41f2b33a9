import { strict as assert } from "node:assert";
import { Deferred } from "../../sdk/plan/deferred";
import { Dialect, cidr, flow, fqdn, namespace, plan, tcp, udp, workload } from "../../sdk/plan/index";
import type { ClusterSecurityDeclaration, FlowDeclaration, Input } from "../../sdk/plan/index";

const base: ClusterSecurityDeclaration = {
  namespaces: [namespace("shop"), namespace("data")],
  workloads: [workload("shop/web"), workload("shop/api"), workload("data/db")],
};
const web = flow("web").to("db").on(tcp(5432), tcp(5433)).because("orders").ownedBy("shop");

function idsOf(...flows: FlowDeclaration[]): string[] {
  return plan({ ...base, flows }).flows.map(({ id }) => id);
}

describe("plan: the id of a flow", () => {
  it("fits Cilium's log value and Prometheus' label values, and stays the same in another place, order, with another owner or reason", () => {
    const [id] = idsOf(web);
    assert.match(id ?? "", /^[0-9a-f]{10}$/);
    const other = flow("api").to("db").on(tcp(5432)).because("stock").ownedBy("shop");
    const moved = flow("shop/web").to("data/db").on(tcp(5433), tcp(5432)).because("x").ownedBy("y");
    assert.equal(idsOf(other, moved)[1], id);
  });

  it("differs where source, destination, protocol or port differs", () => {
    const flows = [
      web,
      flow("api").to("db").on(tcp(5432)).because("r").ownedBy("o"),
      flow("api").to("db").on(udp(5432)).because("r").ownedBy("o"),
      flow("api").to("web").on(tcp(5432)).because("r").ownedBy("o"),
      flow("db").to("api").on(tcp(5432)).because("r").ownedBy("o"),
      flow("api").to(cidr("198.51.100.0/24")).on(tcp(443)).because("r").ownedBy("o"),
      flow("api").to(cidr("203.0.113.0/24")).on(tcp(443)).because("r").ownedBy("o"),
      flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("r").ownedBy("o"),
    ];
    assert.equal(new Set(idsOf(...flows)).size, flows.length);
  });

  const marked = (cluster: ClusterSecurityDeclaration["cluster"], flows = [web]): Record<string, string>[] =>
    plan({ ...base, flows, cluster }).documents.flatMap(({ object }) => {
      const { spec, specs } = object as { spec?: unknown; specs?: unknown[] };
      return (specs ?? [spec]).flatMap((each) => {
        const { description = "", log } = each as { description?: string; log?: { value: string } };
        return log === undefined ? [] : [{ description, mark: log.value }];
      });
    });

  it("S0-13 marks each rule of a declared flow for Hubble, from Cilium 1.18 on, both sides alike, one rule a flow", () => {
    const payments = flow("web").to(fqdn("api.example.com")).on(tcp(443)).because("payments").ownedBy("shop");
    const [one, two] = idsOf(web, payments);
    const rules = [
      { description: "orders", mark: one },
      { description: "orders", mark: one },
      { description: "payments", mark: two },
    ];
    const sorted = (list: unknown[]): string[] => list.map((each) => JSON.stringify(each)).sort();
    for (const cluster of [{ enforcerVersion: "1.20.2" }, { enforcerVersion: "v1.18.0" }, { flowIds: true }]) {
      assert.deepEqual(sorted(marked(cluster, [web, payments])), sorted(rules));
    }
    for (const cluster of [{}, { enforcerVersion: "1.17.18" }, { enforcerVersion: "1.20.2", flowIds: false }]) {
      assert.deepEqual(marked(cluster, [web, payments]), [], JSON.stringify(cluster));
    }
  });

  it("S0-13 refuses marks that the version or the policy API has not", () => {
    assert.throws(() => marked({ enforcerVersion: "1.17.18", flowIds: true }), /cluster\.flowIds.*1\.17\.18.*1\.18/s);
    const others = Object.values(Dialect).filter((dialect) => dialect !== Dialect.Cilium);
    for (const dialect of others) {
      assert.throws(
        () => plan({ ...base, dialect, cluster: { flowIds: true } }),
        /cluster\.flowIds.*no meaning/s,
        dialect,
      );
      assert.doesNotThrow(() => plan({ ...base, dialect, cluster: { enforcerVersion: "3.31.0" } }), dialect);
    }
  });

  it("S0-13 marks change the content of the same objects, and nothing of their order", () => {
    const shape = (flowIds: boolean): unknown =>
      plan({ ...base, flows: [web], cluster: { flowIds } }).documents.map(({ logicalName, dependsOn, object }) => [
        logicalName,
        dependsOn,
        object.metadata,
      ]);
    assert.deepEqual(shape(true), shape(false));
  });

  it("takes no part of a value that is known only while the stack is deployed", () => {
    const late = (value: unknown): Input<string> =>
      Deferred.known(["flows", 0, "to", "cidr"], value) as unknown as string;
    const ids = ["198.51.100.0/24", "203.0.113.0/24"].map((value) =>
      idsOf(
        flow("api")
          .to({ cidr: late(value) })
          .on(tcp(443))
          .because("r")
          .ownedBy("o"),
      ),
    );
    assert.deepEqual(ids[0], ids[1]);
  });
});
