import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyLayout } from "../../sdk/plan/index";
import type { KubeObject, Peer, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, differences, metadataEndpoints } from "../../sdk/reachability/index";
import { commonDeclaration } from "../plan/random-declarations";

const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };

/** A declaration, and for each of two sets which of its policies are in it. */
const twoSets = fc.tuple(
  commonDeclaration,
  fc.constantFrom(...Object.values(Dialect)),
  fc.constantFrom(...Object.values(PolicyLayout)),
  fc.constantFrom(undefined, undefined, undefined, MeshMode.Ambient),
  fc.constantFrom(0, 0x5a5a5a5a, 0x7fffffff),
  fc.nat(),
  fc.boolean(),
);

describe("pairs that two sets of policies judge the same", () => {
  it("are told without judging them: what is said to be the same is, for random policies", function () {
    this.timeout(300_000);
    const count = { same: 0, looked: 0 };
    fc.assert(
      fc.property(twoSets, ([base, dialect, layout, mesh, some, flip, named]) => {
        const declaration = declarationOf(base, dialect, layout, mesh, named);
        const { objects, profile } = imaginedCluster(declaration);
        const policies = plan(declaration).documents.map(({ object }) => object as unknown as KubeObject);
        const reachabilityOf = (bits: number): Reachability => {
          const chosen = policies.filter((_, index) => ((bits >> (index % 31)) & 1) === 1);
          return compile(
            buildSnapshot(
              [...objects, ...chosen].map((object) => ({ object })),
              { profile },
            ),
          );
        };
        const [a, b] = [reachabilityOf(some), reachabilityOf(some ^ (flip & (flip >> 3)))];
        const differs = differences(a, b);
        for (const [source, destination] of pairsOf(a)) {
          count.looked += 1;
          if (differs.pair(source, destination)) {
            assert.ok(differs.source(source) || differs.destination(destination));
            continue;
          }
          count.same += 1;
          const [one, other] = [a.traffic(source, destination), b.traffic(source, destination)];
          assert.deepEqual(
            [one.allowed.toString(), one.possible.toString()],
            [other.allowed.toString(), other.possible.toString()],
            `${JSON.stringify(source)} -> ${JSON.stringify(destination)}`,
          );
        }
      }),
      { numRuns: 120 },
    );
    assert.ok(count.same > count.looked / 10, `${count.same} of ${count.looked}`);
  });
});

function declarationOf(
  base: ClusterSecurityDeclaration,
  dialect: Dialect,
  layout: PolicyLayout,
  mesh: MeshMode | undefined,
  named: boolean,
): ClusterSecurityDeclaration {
  const [first] = base.workloads ?? [];
  const name =
    named && dialect === Dialect.Cilium && first !== undefined
      ? [
          {
            from: { workload: `${first.namespace}/${first.name}` },
            to: { fqdn: "api.example.com" },
            ports: [{ port: 443 }],
            reason: "calls",
            owner: "tests",
          },
        ]
      : [];
  return {
    ...base,
    cluster,
    dialect,
    layout,
    flows: [...(base.flows ?? []), ...name],
    ...(mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } }),
  };
}

function pairsOf({ snapshot }: Reachability): (readonly [Peer, Peer])[] {
  const inside: Peer[] = [
    ...snapshot.workloads.map(({ id }): Peer => ({ kind: "workload", id })),
    ...[...snapshot.namespaces.keys()].map((namespace): Peer => ({ kind: "freshPod", namespace })),
  ];
  const outside: Peer[] = [
    { kind: "node", where: "remote" },
    { kind: "node", where: "local" },
    { kind: "kubeApiserver" },
    ...["198.51.100.10", "2001:db8::10", "10.1.2.3", "203.0.113.7"].map((address): Peer => ({
      kind: "address",
      address,
    })),
  ];
  const reached: Peer[] = [
    ...metadataEndpoints.slice(0, 3).map(({ address }): Peer => ({ kind: "address", address })),
    { kind: "fqdn", name: "api.example.com" },
  ];
  return inside.flatMap((one) => [
    ...inside.filter((other) => other !== one).map((other) => [one, other] as const),
    ...[...outside, ...reached].map((other) => [one, other] as const),
    ...outside.map((other) => [other, one] as const),
  ]);
}
