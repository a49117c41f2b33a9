/** The proof of an order against the plain way to it: everything read anew after each step, and every pair judged. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, ImaginedCluster, Plan, PlannedObject } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyLayout } from "../../sdk/plan/index";
import type { KubeObject, Peer, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, describeEnd, metadataEndpoints, shapesPolicies } from "../../sdk/reachability/index";
import type { OnTheWay, OrderStep } from "../../sdk/render";
import { defaultSettings, idOf, proveOrder, render } from "../../sdk/render";
import { callByName, commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";

const declarations = fc
  .tuple(
    commonDeclaration,
    fc.constantFrom(...Object.values(Dialect)),
    fc.constantFrom(...Object.values(PolicyLayout)),
    fc.constantFrom(undefined, undefined, undefined, MeshMode.Ambient),
  )
  .map(([base, dialect, layout, mesh]): ClusterSecurityDeclaration => {
    const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };
    const meshed = mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } };
    return {
      ...base,
      cluster,
      dialect,
      layout,
      flows: [...(base.flows ?? []), ...callByName(base, dialect)],
      ...meshed,
    };
  });

type Course = readonly [before: readonly PlannedObject[], steps: readonly OrderStep[]];

/** Orders that are right, and orders that open and cut. */
const courses: Readonly<Record<string, (planned: Plan) => Course>> = {
  "as rendered": (planned) => [[], render(planned, "flux", defaultSettings).steps],
  "by name": (planned) => [
    [],
    [...render(planned, "flux", defaultSettings).steps].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)),
  ],
  "taken down forwards": (planned) => {
    const { steps } = render(planned, "flux", defaultSettings);
    return [steps.map(({ object }) => object), steps.map((step) => ({ ...step, does: "delete" as const }))];
  },
  "changed in place": (planned) => {
    const { steps } = render(planned, "flux", defaultSettings);
    const half = steps.filter((_, index) => index % 2 === 0).map(({ object }) => ({ ...object, spec: undefined }));
    return [half as unknown as PlannedObject[], steps];
  },
};

const nameOf = ({ object: { kind, metadata } }: OrderStep): string => `${kind} ${metadata.name}`;

describe("the proof of an order", function () {
  this.timeout(600_000);

  it("finds what is found by judging every pair after every step, in random declarations and orders", () => {
    const count = { found: 0, none: 0 };
    fc.assert(
      fc.property(declarations, fc.constantFrom(...Object.keys(courses)), (declaration, name) => {
        const planned = plan(declaration);
        const [before, steps] = courses[name]?.(planned) ?? assert.fail(name);
        const cluster = imaginedCluster(declaration);
        const { found, checkedAfter } = proveOrder(cluster, planned, before, steps);
        assert.deepEqual(
          found,
          plainly(cluster, planned, before, steps, checkedAfter),
          `${declaration.dialect} ${name}`,
        );
        count[found.length > 0 ? "found" : "none"] += 1;
      }),
      { numRuns: 20 },
    );
    assert.ok(count.found > 2 && count.none > 2, JSON.stringify(count));
  });

  it("finds the same in an example, in a right and in a wrong order", async () => {
    for (const { name, declaration } of (await examples()).filter((one) => one.name === "service-identity")) {
      const planned = plan(declaration);
      const cluster = imaginedCluster(declaration);
      for (const order of ["as rendered", "by name"]) {
        const [before, steps] = courses[order]?.(planned) ?? assert.fail(order);
        const { found, checkedAfter } = proveOrder(cluster, planned, before, steps);
        assert.deepEqual(found, plainly(cluster, planned, before, steps, checkedAfter), `${name} ${order}`);
      }
    }
  });
});

function plainly(
  cluster: ImaginedCluster,
  { flows, namespaces }: Plan,
  before: readonly PlannedObject[],
  all: readonly OrderStep[],
  checkedAfter: "object" | "layer",
): OnTheWay[] {
  const steps = all.filter(({ object }) => shapesPolicies(object.apiVersion, object.kind));
  const compiled = (standing: ReadonlyMap<string, PlannedObject>): Reachability => {
    const policies = [...standing.values()].filter(({ kind }) => kind !== "Namespace") as unknown as KubeObject[];
    const objects = [...cluster.objects, ...policies].map((object) => ({ object }));
    return compile(buildSnapshot(objects, { profile: cluster.profile }));
  };
  const standing = new Map(before.map((object) => [idOf(object), object]));
  const stands = [compiled(standing)];
  for (const { does, object } of steps) {
    if (does === "apply") standing.set(idOf(object), object);
    else standing.delete(idOf(object));
    stands.push(compiled(standing));
  }
  const [beginning, end] = [stands[0] ?? assert.fail(), stands.at(-1) ?? assert.fail()];
  const made = new Set(before.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name));
  const isNew = (name: string): boolean =>
    namespaces.some((one) => one.name === name && !one.existing) && !made.has(name);
  const pairs = pairsOf(beginning, cluster, flows, isNew);
  const found: OnTheWay[] = [];
  const said = new Set<string>();
  let last = beginning;
  for (const [index, { object, layer }] of steps.slice(0, -1).entries()) {
    if (checkedAfter === "layer" && steps[index + 1]?.layer === layer) continue;
    const now = stands[index + 1] ?? assert.fail();
    for (const { source, destination, runs } of pairs) {
      const [first, was, is, then] = [beginning, last, now, end].map((one) => one.traffic(source, destination));
      assert.ok(first && was && is && then);
      const name = `${describeEnd(source)} -> ${describeEnd(destination)}`;
      const cut = first.allowed.subtract(is.allowed).intersect(then.allowed);
      const opened = is.possible.subtract(was.possible).subtract(then.possible);
      for (const [what, traffic] of [["open", opened], ...(runs ? [["cut", cut] as const] : [])] as const) {
        if (traffic.isEmpty() || said.has(`${what} ${name}`)) continue;
        said.add(`${what} ${name}`);
        found.push({ what, path: `${name}: ${traffic.toString()}`, since: idOf(object) });
      }
    }
    last = now;
  }
  return found;
}

function pairsOf(
  { snapshot }: Reachability,
  { objects }: ImaginedCluster,
  flows: Plan["flows"],
  isNew: (namespace: string) => boolean,
): { source: Peer; destination: Peer; runs: boolean }[] {
  const inside = [
    ...snapshot.workloads
      .filter(({ hostNetwork }) => !hostNetwork)
      .map(({ id, namespace }) => ({ peer: { kind: "workload", id } as Peer, namespace })),
    ...objects
      .filter(({ kind }) => kind === "Namespace")
      .map(({ metadata }) => metadata?.name ?? "")
      .map((namespace) => ({ peer: { kind: "freshPod", namespace } as Peer, namespace })),
  ];
  const ranges = flows.flatMap(({ from, to }) =>
    [from, to].flatMap((peer) => (peer.kind === "cidr" ? [peer.cidr.split("/")[0] ?? ""] : [])),
  );
  const names = flows.flatMap(({ to }) =>
    to.kind === "fqdn" ? [to.name.replace(/\*+/g, "any").replace(/\.$/, "")] : [],
  );
  const address = (text: string): Peer => ({ kind: "address", address: text });
  const outside: Peer[] = [
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
    ...[...new Set(["198.51.100.10", "2001:db8::10", ...ranges])].map(address),
  ];
  const reached: Peer[] = [
    ...metadataEndpoints.map((endpoint) => address(endpoint.address)),
    ...[...new Set(names)].map((name): Peer => ({ kind: "fqdn", name })),
  ];
  return inside.flatMap((one) => [
    ...inside
      .filter((other) => other !== one)
      .map((other) => ({
        source: one.peer,
        destination: other.peer,
        runs: !isNew(one.namespace) && !isNew(other.namespace),
      })),
    ...[...outside, ...reached].map((destination) => ({
      source: one.peer,
      destination,
      runs: !isNew(one.namespace),
    })),
    ...outside.map((source) => ({ source, destination: one.peer, runs: !isNew(one.namespace) })),
  ]);
}
