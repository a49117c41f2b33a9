import assert from "node:assert/strict";
import fc from "fast-check";
import type { PolicyDocument } from "../../sdk/plan/index";
import { Dialect, MeshMode, Tier, plan, tcp } from "../../sdk/plan/index";
import type { Flow } from "../../sdk/reachability/index";
import { homes, large } from "./large-declaration";
import { commonDeclaration } from "./random-declarations";
import { pod, worldOf } from "./world";
import { literal } from "./literal";

/** Lists that mean one thing as a whole. */
const whole = new Set(["matchExpressions", "matchLabels", "except", "notNets", "types", "policyTypes"]);

/** Every combination of a rule's peers and ports, each as a text of its own. */
function atomsOf(value: unknown, key = ""): readonly string[] {
  if (Array.isArray(value) && !whole.has(key)) return value.flatMap((item) => atomsOf(item));
  if (typeof value !== "object" || value === null || whole.has(key)) return [JSON.stringify(value)];
  return Object.entries(value).reduce<readonly string[]>(
    (texts, [name, item]) => texts.flatMap((text) => atomsOf(item, name).map((atom) => `${text}${name}=${atom};`)),
    [""],
  );
}

/** What a policy says: for whom, in which direction, with whom, on which port. */
function statementsOf({ object, home }: PolicyDocument): readonly string[] {
  const specs = (object["specs"] ?? [object["spec"]]) as Record<string, unknown>[];
  return specs.flatMap((spec) =>
    ["ingress", "egress", "ingressDeny", "egressDeny", "rules"].flatMap((direction) => {
      const { [direction]: rules, ...subject } = spec;
      const { endpointSelector, podSelector, selector, subject: pods, tier, action } = subject;
      const who = JSON.stringify([home, endpointSelector, podSelector, selector, pods, tier, action]);
      return rules === undefined ? [] : atomsOf(rules).map((atom) => `${object.kind} ${who} ${direction} ${atom}`);
    }),
  );
}

describe("a plan of 500 namespaces and 5,000 flows", function () {
  for (const dialect of Object.values(Dialect)) {
    it(`says nothing in two policies that one of them could say alone (${dialect})`, () => {
      const { documents } = plan({ ...large, dialect, mesh: { mode: MeshMode.Ambient } });
      assert.ok(documents.length > homes * 10);
      const speakers = new Map<string, number[]>();
      const statements = documents.map((document) => new Set(statementsOf(document)));
      statements.forEach((own, index) => {
        for (const statement of own) speakers.set(statement, [...(speakers.get(statement) ?? []), index]);
      });
      statements.forEach((own, index) => {
        // another policy that says all of this one would be among those that say its first statement
        const [first] = own;
        if (first === undefined) return;
        for (const other of speakers.get(first) ?? []) {
          if (other === index) continue;
          const isCovered = [...own].every((statement) => statements[other]?.has(statement));
          assert.ok(!isCovered, `${documents[other]?.logicalName} says all of ${documents[index]?.logicalName}`);
        }
      });
    });

    it(`has dependencies that grow with its documents, not with their product (${dialect})`, () => {
      const { documents } = plan({ ...large, dialect });
      const last = documents.filter(({ home }) => home === undefined);
      const dependencies = documents.flatMap(({ home, dependsOn }) => (home === undefined ? [] : dependsOn)).length;
      // those of the few clusterwide policies are at most all documents each
      assert.ok(last.length <= 8, `${last.length} policies for pods of several namespaces`);
      assert.ok(dependencies <= 8 * documents.length, `${dependencies} of ${documents.length} documents`);
    });
  }
});

describe("no allow of a plan is superfluous", function () {
  const dns = { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
  /** Flows between two pods that are both held, each with a port of its own: no flow makes another one needless. */
  const distinct = commonDeclaration.map((declaration) => ({
    ...declaration,
    namespaces: (declaration.namespaces ?? []).map((one) => ({ ...one, tier: Tier.Applications })),
    flows: (declaration.flows ?? [])
      .filter(({ from, to }) => from.workload !== undefined && to.workload !== undefined)
      .filter(({ from, to }) => from.workload !== to.workload)
      .filter(({ from, to }) => ![from, to].some(({ workload: id }) => id?.startsWith("kube-system/")))
      .map((one, index) => ({ ...one, ports: [tcp(7000 + index)] })),
  }));

  for (const dialect of Object.values(Dialect)) {
    it(`without any one of them a declared flow, or DNS, is cut (${dialect})`, () => {
      fc.assert(
        fc.property(distinct, fc.nat(), (declaration, pick) => {
          const workloads = [...(declaration.workloads ?? []), dns];
          const { documents } = plan({ ...declaration, dialect, workloads });
          const allows = documents.filter(
            ({ stage, object, home }) =>
              stage === "flows" || (home !== undefined && object.metadata.name.includes("dns")),
          );
          const removed = allows[pick % Math.max(allows.length, 1)];
          if (removed === undefined) return;
          const { reachability } = worldOf(
            { ...declaration, dialect, workloads },
            { standing: (planned) => planned.documents.filter((one) => one.logicalName !== removed.logicalName) },
          );
          const calls = literal(declaration.flows).map(({ from, to, ports }): Flow => {
            const ends = { source: pod(from.workload ?? ""), destination: pod(to.workload ?? "") };
            return { ...ends, protocol: "TCP", port: ports[0]?.port ?? 0 };
          });
          const asks = ["alpha", "beta", "gamma"].map((home): Flow => {
            const ends = {
              source: { kind: "freshPod", namespace: home },
              destination: pod("kube-system/kube-dns"),
            } as const;
            return { ...ends, protocol: "UDP", port: 53 };
          });
          const cut = [...calls, ...asks].filter((call) => reachability.verdict(call) === "denied");
          assert.ok(cut.length > 0, `${removed.logicalName} is not missed`);
        }),
        { numRuns: 60 },
      );
    });
  }
});
