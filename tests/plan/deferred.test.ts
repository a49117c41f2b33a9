import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import { DeclarationError, Dialect, cidr, flow, plan, tcp } from "../../sdk/plan/index";
import type { Variant } from "../../sdk/plan/deferred";
import { Deferred } from "../../sdk/plan/deferred";
import type { Leaf } from "./places";
import { base, literally, places } from "./places";
import type { PrintedProblem } from "../support/problems";
import type { PropertyPath } from "../../sdk/property-path";
import { printed } from "../support/problems";

function deferred(state: (path: PropertyPath, index: number, value: unknown) => Deferred): Leaf {
  let index = 0;
  return (value) => {
    index += 1;
    return state(["leaf", index], index, value) as never;
  };
}

function standingIn(variant: Variant): Leaf {
  return deferred((path, index) => Deferred.unknown(path, index, variant, new Set()));
}

const known = deferred((path, _index, value) => Deferred.known(path, value));

function problemsOf(declare: () => Plan): readonly PrintedProblem[] {
  try {
    declare();
  } catch (error) {
    if (error instanceof DeclarationError) return printed(error.problems);
    throw error;
  }
  return [];
}

const shapeOf = ({ documents }: Plan): unknown =>
  documents.map(({ logicalName, stage, home, dependsOn, object: { apiVersion, kind, metadata } }) => [
    logicalName,
    stage,
    home,
    dependsOn,
    apiVersion,
    kind,
    metadata.name,
    metadata.namespace,
  ]);

describe("values that are not known yet", () => {
  for (const { name, declare, wrong } of places) {
    for (const dialect of Object.values(Dialect)) {
      const of = (leaf: Leaf): Plan => plan({ ...declare(leaf), dialect });

      it(`${name}: names, kinds and order are those of the known value (${dialect})`, () => {
        const first = of(standingIn("first"));
        assert.deepEqual(shapeOf(of(standingIn("second"))), shapeOf(first));
        assert.deepEqual(shapeOf(of(known)), shapeOf(first));
      });

      it(`${name}: where the first and the second stand-in differ is all that the value decides (${dialect})`, () => {
        const [first, second, final] = [of(standingIn("first")), of(standingIn("second")), of(known)];
        first.documents.forEach(({ object, logicalName }, index) => {
          const rest = second.documents[index]?.object;
          assertKnown(object, rest, final.documents[index]?.object, logicalName);
        });
      });
    }

    if (wrong === undefined) continue;
    const [value, path, message] = wrong;
    it(`${name}: a wrong value is refused with its path, as a literal is`, () => {
      const leaf: Leaf = () => value as never;
      const literal = problemsOf(() => plan(declare(leaf)));
      const late = problemsOf(() => plan(declare(deferred((at) => Deferred.known(at, value)))));
      assert.deepEqual(late, literal);
      assert.equal(late[0]?.path, path);
      assert.match(late[0]?.message ?? "", message);
    });
  }

  it("writes what a literal would write, but for names that are made of a range", () => {
    for (const { name, declare } of places) {
      if (/cidr as a source|visitors/.test(name)) continue;
      for (const dialect of Object.values(Dialect)) {
        const [late, literal] = [known, literally].map((leaf) => plan({ ...declare(leaf), dialect }).documents);
        assert.deepEqual(late, literal, `${name} (${dialect})`);
      }
    }
  });

  it("refuses an output where a name is needed", () => {
    const output = Deferred.known(["x"], "shop") as never;
    for (const [path, declaration] of [
      ["namespaces[0].name", { namespaces: [{ name: output }] }],
      ["workloads[0].name", { ...base, workloads: [{ name: output, namespace: "shop" }] }],
      [
        "flows[0].to.workload",
        { ...base, flows: [flow("web").to({ workload: output }).on(tcp(1)).because("x").ownedBy("y")] },
      ],
      ["platform.certManager.namespace", { platform: { certManager: { namespace: output } } }],
      ["exemptNamespaces[0]", { exemptNamespaces: [output] }],
    ] as [string, ClusterSecurityDeclaration][]) {
      const [problem] = problemsOf(() => plan(declaration));
      assert.deepEqual([problem?.path, problem?.kind], [path, "output"]);
      assert.match(problem?.fix ?? "", /known before anything is deployed/);
    }
  });

  it("does not join what comes from different outputs, whatever the values", () => {
    const leaf = (path: string, value: unknown): never => Deferred.known([path], value) as never;
    const ports = [tcp(80), tcp(leaf("a", 81)), tcp(leaf("b", 80))];
    const declaration = {
      ...base,
      flows: [
        flow("web")
          .to(cidr("192.0.2.0/24"))
          .on(...ports)
          .because("x")
          .ownedBy("y"),
      ],
    };
    const { documents } = plan({ ...declaration, dialect: Dialect.Kubernetes });
    const policy = documents.find(({ logicalName }) => logicalName === "shop/allow-web-egress");
    const spec = policy?.object["spec"] as { egress: { ports: { port: number }[] }[] };
    assert.deepEqual(
      spec.egress[0]?.ports.map(({ port }) => port),
      [80, 81, 80],
    );
  });
});

/** What both stand-ins agree on is in the final document, too; a list or an object that they disagree on is left out. */
function assertKnown(first: unknown, second: unknown, final: unknown, path: string): void {
  if (Array.isArray(first) && Array.isArray(second)) {
    if (first.length !== second.length || JSON.stringify(first) !== JSON.stringify(second)) {
      if (!first.some((item) => /\[/.test(JSON.stringify(item) ?? ""))) return;
      if (first.length !== second.length) return;
    }
    first.forEach((item, index) => assertKnown(item, second[index], (final as unknown[])[index], `${path}[${index}]`));
    return;
  }
  if (typeof first === "object" && first !== null && typeof second === "object" && second !== null) {
    if (Object.keys(first).join() !== Object.keys(second).join()) return;
    for (const [key, value] of Object.entries(first)) {
      assertKnown(
        value,
        (second as Record<string, unknown>)[key],
        (final as Record<string, unknown>)[key],
        `${path}.${key}`,
      );
    }
    return;
  }
  if (first === second) assert.deepEqual(final, first, path);
}
