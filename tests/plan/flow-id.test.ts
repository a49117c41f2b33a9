import { strict as assert } from "node:assert";
import { Deferred } from "../../sdk/plan/deferred";
import { cidr, flow, fqdn, namespace, plan, tcp, udp, workload } from "../../sdk/plan/index";
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
