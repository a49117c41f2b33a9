import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import { Dialect, plan, stages } from "../../sdk/plan/index";
import type { Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import type { Attempt, End } from "./expectation";
import { isDeclared } from "./expectation";
import { commonDeclaration } from "./random-declarations";
import type { World } from "./world";
import { pod, worldOf } from "./world";

const addresses = [
  "8.8.8.8",
  "203.0.113.77",
  "10.0.5.5",
  "10.1.5.5",
  "169.254.20.10",
  "2001:db8::7",
  "2606:4700::1111",
];
const attempts: readonly Attempt[] = (["TCP", "UDP", "SCTP"] as const).flatMap((protocol) =>
  [53, 79, 80, 443, 5432, 8000, 8080, 8500, 9001].map((port) => ({ protocol, port })),
);
const dns = { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };

function worldIn(dialect: Dialect, declaration: ClusterSecurityDeclaration): World {
  const workloads = [...(declaration.workloads ?? []), dns];
  return worldOf({ ...declaration, dialect, workloads });
}

/** Compares every pair of pods, and every pod with addresses outside, against what was declared. */
function sameAsDeclared(dialect: Dialect, declaration: ClusterSecurityDeclaration): void {
  const world = worldIn(dialect, declaration);
  assert.deepEqual(world.reachability.snapshot.problems, []);
  const pods = [...(declaration.workloads ?? []), dns].map(({ namespace, name }) => `${namespace}/${name}`);
  const ends: readonly End[] = [...pods.map((id) => ({ pod: id })), ...addresses.map((address) => ({ address }))];
  const peerOf = (end: End): Peer => ("pod" in end ? pod(end.pod) : { kind: "address", address: end.address });
  for (const from of ends) {
    for (const to of ends) {
      if (!("pod" in from || "pod" in to)) continue;
      if ("pod" in from && "pod" in to && from.pod === to.pod) continue;
      const { allowed, possible } = world.reachability.traffic(peerOf(from), peerOf(to));
      for (const attempt of attempts) {
        const wanted = isDeclared(declaration, from, to, attempt);
        const where = `${dialect}: ${JSON.stringify(from)} → ${JSON.stringify(to)} ${attempt.protocol} ${attempt.port}`;
        assert.equal(allowed.contains(attempt.protocol, attempt.port), wanted, where);
        assert.equal(possible.contains(attempt.protocol, attempt.port), wanted, `${where} (possible)`);
      }
    }
  }
}

function earlierOf(planned: Plan): Map<string, Set<string>> {
  const earlier = new Map<string, Set<string>>();
  for (const { logicalName, dependsOn } of planned.documents) {
    const all = new Set<string>();
    for (const name of dependsOn) {
      all.add(name);
      for (const before of earlier.get(name) ??
        assert.fail(`${logicalName} names ${name}, which does not come before it`)) {
        all.add(before);
      }
    }
    earlier.set(logicalName, all);
  }
  return earlier;
}

const anyDialect = fc.constantFrom(...Object.values(Dialect));

describe("plans of random declarations", function () {
  for (const dialect of Object.values(Dialect)) {
    it(`allow exactly the declared flows, in both directions (${dialect})`, () => {
      fc.assert(
        fc.property(commonDeclaration, (declaration) => sameAsDeclared(dialect, declaration)),
        { numRuns: Number(process.env["PROPERTY_RUNS"] ?? 100) },
      );
    });
  }

  it("allow exactly the declared flows, where each rule carries the id of its flow", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) =>
        sameAsDeclared(Dialect.Cilium, { ...declaration, cluster: { ...declaration.cluster, flowIds: true } }),
      ),
      { numRuns: 40 },
    );
  });

  it("S0-07 S0-12 tell pods apart by their service accounts alike, in the dialects that know accounts", () => {
    const accounts = fc.array(fc.constantFrom("default", "one", "two"), { minLength: 9, maxLength: 9 });
    fc.assert(
      fc.property(commonDeclaration, accounts, (base, names) => {
        const workloads = (base.workloads ?? []).map((one, index) => {
          const serviceAccount = names[index] ?? "default";
          return serviceAccount === "default" ? one : { ...one, serviceAccount };
        });
        const declaration = { ...base, workloads };
        const [cilium, calico] = [worldIn(Dialect.Cilium, declaration), worldIn(Dialect.Calico, declaration)];
        for (const { namespace, name } of workloads) {
          for (const serviceAccount of ["default", "one", "two"]) {
            const impostor: Peer = { kind: "freshPod", namespace, labels: { app: name }, serviceAccount };
            for (const target of workloads) {
              const to = pod(`${target.namespace}/${target.name}`);
              const paths = ({ reachability }: World): readonly string[] => [
                reachability.traffic(impostor, to).possible.toString(),
                reachability.traffic(to, impostor).possible.toString(),
              ];
              assert.deepEqual(
                paths(cilium),
                paths(calico),
                `${namespace}/${name} as ${serviceAccount} ↔ ${target.name}`,
              );
            }
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("close every metadata endpoint to every pod of tiers 1 and 2, in every dialect", () => {
    fc.assert(
      fc.property(commonDeclaration, anyDialect, (declaration, dialect) => {
        const world = worldIn(dialect, declaration);
        for (const { namespace, name } of declaration.workloads ?? []) {
          if (world.plan.exemptNamespaces.includes(namespace)) continue;
          for (const { address } of metadataEndpoints) {
            const { possible } = world.reachability.traffic(pod(`${namespace}/${name}`), { kind: "address", address });
            assert.ok(possible.isEmpty(), `${namespace}/${name} → ${address}: ${possible.toString()}`);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("S3-16 are in topological order; whatever concerns the same pods and belongs to an earlier stage stands first", () => {
    fc.assert(
      fc.property(commonDeclaration, anyDialect, (declaration, dialect) => {
        const planned = plan({ ...declaration, dialect });
        const earlier = earlierOf(planned);
        for (const [index, document] of planned.documents.entries()) {
          for (const other of planned.documents.slice(0, index)) {
            const { home } = document;
            const sameScope = home === undefined || other.home === undefined || home === other.home;
            const isEarlier = stages.indexOf(other.stage) < stages.indexOf(document.stage);
            if (sameScope && isEarlier) {
              assert.ok(
                earlier.get(document.logicalName)?.has(other.logicalName),
                `${document.logicalName} ${other.logicalName}`,
              );
            }
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("S3-18 have unique names, one object each, and enableDefaultDeny written out", () => {
    fc.assert(
      fc.property(commonDeclaration, anyDialect, (declaration, dialect) => {
        const { documents } = plan({ ...declaration, dialect });
        assert.equal(new Set(documents.map(({ logicalName }) => logicalName)).size, documents.length);
        for (const { object, stage } of documents) {
          if (object.apiVersion !== "cilium.io/v2") continue;
          const deny = stage === "default-deny";
          for (const spec of (object["specs"] ?? [object["spec"]]) as Record<string, unknown>[]) {
            assert.deepEqual(spec["enableDefaultDeny"], { ingress: deny, egress: deny });
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("do not depend on the order of the declaration, and a new flow renames nothing", () => {
    fc.assert(
      fc.property(commonDeclaration, anyDialect, (declaration, dialect) => {
        const whole = plan({ ...declaration, dialect });
        const reversed = plan({
          ...declaration,
          dialect,
          workloads: [...(declaration.workloads ?? [])].reverse(),
          namespaces: [...(declaration.namespaces ?? [])].reverse(),
        });
        const names = (planned: Plan): string[] => planned.documents.map(({ logicalName }) => logicalName);
        assert.deepEqual(names(whole), names(reversed));
        const without = plan({ ...declaration, dialect, flows: (declaration.flows ?? []).slice(1) });
        const known = new Set(names(whole));
        for (const name of names(without)) assert.ok(known.has(name), name);
      }),
      { numRuns: 300 },
    );
  });

  it("write nothing twice: no two policies of a namespace say the same", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        const { documents } = plan(declaration);
        const flows = documents.filter(({ stage }) => stage === "flows");
        const subjects = flows.map(({ object }) => JSON.stringify([object.metadata.namespace, object["spec"]]));
        assert.equal(new Set(subjects).size, flows.length);
      }),
      { numRuns: 300 },
    );
  });
});
