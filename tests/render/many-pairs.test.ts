import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyLayout } from "../../sdk/plan/index";
import type { KubeObject, Peer, Reachability, Traffic } from "../../sdk/reachability/index";
import {
  among,
  buildSnapshot,
  compile,
  compileLike,
  metadataEndpoints,
  PolicyVariants,
  sameRules,
} from "../../sdk/reachability/index";
import { callByName, commonDeclaration } from "../plan/random-declarations";

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

describe("many pairs under changing policies", () => {
  it("are judged as each by itself and anew is, and where the same rules decide the same passes, for random policies", function () {
    this.timeout(300_000);
    const count = { same: 0, looked: 0 };
    fc.assert(
      fc.property(twoSets, ([base, dialect, layout, mesh, some, flip, named]) => {
        const declaration = declarationOf(base, dialect, layout, mesh, named);
        const { objects, profile } = imaginedCluster(declaration);
        const policies = plan(declaration).documents.map(({ object }) => object as unknown as KubeObject);
        const chosen = (bits: number): KubeObject[] =>
          policies.filter((_, index) => ((bits >> (index % 31)) & 1) === 1);
        const variants = new PolicyVariants(objects, policies, profile);
        const sets = [some, some ^ (flip & (flip >> 3))] as const;
        const a = compileLike(undefined, variants.with(chosen(sets[0])));
        const b = compileLike(a, variants.with(chosen(sets[1])));
        const anew = sets.map((bits) => {
          const read = [...objects, ...chosen(bits)].map((object) => ({ object }));
          return compile(buildSnapshot(read, { profile }));
        });
        const pods = podsOf(a);
        const tables = [a, b].map((one) => among(one, pods));
        const isSame = sameRules(a, b);
        for (const [source, destination] of pairsOf(a)) {
          count.looked += 1;
          const where = `${dialect} ${JSON.stringify(source)} -> ${JSON.stringify(destination)}`;
          const [first, second] = anew.map((one) => textOf(one.traffic(source, destination)));
          assert.equal(textOf(a.traffic(source, destination)), first, where);
          assert.equal(textOf(b.traffic(source, destination)), second, where);
          const [from, to] = [pods.indexOf(source), pods.indexOf(destination)];
          if (from >= 0 && to >= 0) {
            assert.deepEqual(
              tables.map((table) => textOf(table(from, to))),
              [first, second],
              where,
            );
          }
          if (!isSame(source, destination)) continue;
          count.same += 1;
          assert.equal(first, second, where);
        }
      }),
      { numRuns: 60 },
    );
    assert.ok(count.same > count.looked / 10, `${count.same} of ${count.looked}`);
  });
});

const textOf = ({ allowed, possible }: Traffic): string => `${allowed.toString()} ${possible.toString()}`;

function declarationOf(
  base: ClusterSecurityDeclaration,
  dialect: Dialect,
  layout: PolicyLayout,
  mesh: MeshMode | undefined,
  named: boolean,
): ClusterSecurityDeclaration {
  return {
    ...base,
    cluster,
    dialect,
    layout,
    flows: [...(base.flows ?? []), ...(named ? callByName(base, dialect) : [])],
    ...(mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } }),
  };
}

/** Each is one object, however often it is asked for. */
const pods = new WeakMap<Reachability, Peer[]>();

function podsOf(reachability: Reachability): Peer[] {
  const known = pods.get(reachability);
  if (known !== undefined) return known;
  const { workloads, namespaces } = reachability.snapshot;
  const all = [
    ...workloads.map(({ id }): Peer => ({ kind: "workload", id })),
    ...[...namespaces.keys()].map((namespace): Peer => ({ kind: "freshPod", namespace })),
  ];
  pods.set(reachability, all);
  return all;
}

function pairsOf(reachability: Reachability): (readonly [Peer, Peer])[] {
  const inside = podsOf(reachability);
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
