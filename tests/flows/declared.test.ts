import assert from "node:assert/strict";
import { declaredFlows, type ReplayedFlow } from "../../sdk/flows/index";
import { cidr, flow, fqdn, internet, kubeApiserver, namespace, plan, tcp, udp, workload } from "../../sdk/plan/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";

const base = {
  effect: "still-allowed",
  names: [],
  protocol: "TCP",
  port: 5432,
  passed: 1,
  denied: 0,
  first: 1,
  last: 7,
  byName: false,
  declared: [],
  reason: "",
} as const;
const web = { kind: "workload", id: "shop/web[Deployment]" } as const;

function seen(
  to: Parameters<ReturnType<typeof flow>["to"]>[0],
  on: ReturnType<typeof tcp>,
  ...recorded: readonly Partial<ReplayedFlow>[]
): boolean {
  const declaration: ClusterSecurityDeclaration = {
    dialect: "cilium" as ClusterSecurityDeclaration["dialect"],
    namespaces: [namespace("shop")],
    workloads: [workload("shop/web"), workload("shop/db", { ports: [tcp(5432)] })],
    flows: [flow("web").to(to).on(on).because("it is needed").ownedBy("web")],
  };
  const { flows } = plan(declaration);
  const all = recorded.map((each): ReplayedFlow => ({ ...base, source: web, destination: web, ...each }));
  const [found] = declaredFlows(flows, all);
  assert.ok(found);
  return found.last === 7;
}

describe("declared flows in a recording", () => {
  const db = { kind: "workload", id: "shop/db[StatefulSet]" } as const;
  const outside = { kind: "address", address: "203.0.113.10" } as const;

  it("are found by their ends and their port", () => {
    assert.equal(seen("db", tcp(5432), { destination: db }), true);
    assert.equal(seen("db", tcp(5432), { destination: db, port: 80 }), false);
    assert.equal(seen("db", tcp(5432), { destination: db, protocol: "UDP" }), false);
    assert.equal(seen("db", tcp(5432), { destination: { kind: "workload", id: "shop/db-copy[Deployment]" } }), false);
    assert.equal(seen("db", tcp(5432), { source: db, destination: web }), false);
    assert.equal(seen("db", tcp(5432)), false);
  });

  it("are found by names that were looked up, ranges, the internet and the API server", () => {
    assert.equal(
      seen(fqdn("api.example.com"), tcp(443), { destination: outside, port: 443, names: ["api.example.com"] }),
      true,
    );
    assert.equal(seen(fqdn("api.example.com"), tcp(443), { destination: outside, port: 443 }), false);
    assert.equal(seen(cidr("203.0.113.0/24"), udp(53), { destination: outside, port: 53, protocol: "UDP" }), true);
    assert.equal(seen(cidr("203.0.113.0/24", ["203.0.113.10/32"]), tcp(5432), { destination: outside }), false);
    assert.equal(seen(internet(), tcp(443), { destination: { kind: "address", address: "1.1.1.1" }, port: 443 }), true);
    assert.equal(
      seen(internet(), tcp(443), { destination: { kind: "address", address: "10.0.0.1" }, port: 443 }),
      false,
    );
    assert.equal(seen(kubeApiserver(), tcp(443), { destination: { kind: "kubeApiserver" }, port: 443 }), true);
  });
});
