/**
 * Malformed, unknown and secret values in every field of every kind that the pack or the engine reads: nothing throws, no
 * value is shown, and nothing that cannot be read passes in silence. `MALFORMED=all` tries every field with every value.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource, TestRun } from "../../policypack/testing";
import { runPolicies, unknown } from "../../policypack/testing";
import type { Good } from "./support/good-objects";
import { goods } from "./support/good-objects";

type Path = readonly (string | number)[];
type Operation = "preview" | "update";

/** One field of one good object. */
interface Site {
  readonly good: Good;
  readonly path: Path;
}

const all = process.env["MALFORMED"] === "all";

/** What must not show up anywhere. It is no name that Kubernetes would accept. Policies get secrets in the clear. */
const canary = "S3cr3t!Canary";
const wrongTypes: readonly unknown[] = [
  7.5,
  [canary],
  { x: canary },
  true,
  null,
  -1,
  "",
  [],
  [null],
  [[canary]],
  canary,
];
const unknowns: readonly unknown[] = [unknown.string, unknown.object, unknown.array];

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys.flatMap((key) => {
    const inner = [...path, key];
    return [inner, ...pathsIn((value as Record<string | number, unknown>)[key], inner)];
  });
}

function replaced(holder: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(holder)) {
    return (holder as unknown[]).map((item, index) => (index === key ? replaced(item, rest, by) : item));
  }
  const fields = holder as Record<string | number, unknown>;
  return { ...fields, [key]: replaced(fields[key], rest, by) };
}

/** In an order in which a counterexample shrinks to the outermost field of the first kind. */
const sites: readonly Site[] = goods.flatMap((good) => pathsIn(good.object.props).map((path) => ({ good, path })));

const describeSite = ({ good, path }: Site): string => `${good.kind} ${path.join(".")}`;

function stackOf({ beside, object, after }: Good, props: Record<string, unknown> = object.props): TestResource[] {
  return [...beside, { ...object, props }, ...after];
}

function run(good: Good, operation: Operation, resources = stackOf(good)): Promise<TestRun> {
  return runPolicies(clusterSecurityPolicies(good.args), resources, { operation });
}

function runWith({ good, path }: Site, value: unknown, operation: Operation): Promise<TestRun> {
  return run(good, operation, stackOf(good, replaced(good.object.props, path, value) as Record<string, unknown>));
}

const saidOfGood = new Map<string, Promise<ReadonlySet<string>>>();

/** What is said of the good object itself. */
function knownOf(good: Good): Promise<ReadonlySet<string>> {
  const key = `${good.kind} ${good.object.name}`;
  let known = saidOfGood.get(key);
  if (known === undefined) {
    known = run(good, "preview").then(({ violations }) => new Set(violations.map(({ message }) => message)));
    saidOfGood.set(key, known);
  }
  return known;
}

/** Fields on which no verdict depends, here or anywhere, each with the reason. */
const neutral: readonly (readonly [RegExp, string])[] = [
  [/ (apiVersion|kind)$/, "the resource's type says it too"],
  [/ metadata\.name$/, "only shown; where others refer to it, nothing here does"],
  [/(Clusterwide|Global|Admin|Cluster)\w*Policy metadata$/, "the name is only shown"],
  [/(Tier|CIDRGroup|NetworkSet|FelixConfiguration) metadata(\.labels(\..*)?)?$/, "the name of the resource stands in"],
  [/ spec\.(replicas|schedule|selector(\..*)?)$/, "about the controller, not about its pods"],
  [/[cC]ontainers\.0\.(name|image)$|restartPolicy$|volumes\.0\.(name|emptyDir)$/, "no path and no right comes from it"],
  [/capabilities\.add$|matchExpressions\.0\.values$|principals$/, "another list of texts is a valid value"],
  [/rules\.http(\.|$)/, "what a rule says of HTTP is not looked at: its ports count as open"],
  [/hostPort$|persistentVolumeClaim/, "no path between pods and no right comes from it"],
  [
    /names\.0$|(\.|not)[nN]amespaces$|(p|notP)rincipals$|notValues$|(names|serviceName)$/,
    "another list of texts is a valid value",
  ],
  [/Binding (metadata(\.namespace)?|roleRef\.(apiGroup|kind)|subjects.*)$/, "the role gives too little to matter"],
  [/ClusterRole (metadata|rules\.0.*)$/, "another part of the rule still limits it"],
  [/ClusterRole rules$/, "a list of texts grants nothing"],
  [
    / (Service|ServiceAccount|Node|EndpointSlice|Ingress|IngressClass|Gateway|GatewayClass|HTTPRoute|ValidatingWebhookConfiguration) /,
    "what policies let through does not depend on it; a path that it opens besides is asked of the pods",
  ],
  [/ConfigMap metadata(\.namespace)?$/, "it is taken for the enforcer's wherever it lies"],
  [/Policy spec\.(ingress\.0\.name|order)$/, "a comment, or an order beside policies that agree"],
  [/Tier spec(\..*)?$/, "the default deny closes what the tier leaves"],
  [/^chart \S+ (namespace|chart)$/, "another chart, or one that Helm refuses"],
];

/** Values of the wrong type that mean what the good one means, or less; the text is `kind path = value`. */
const harmless: readonly (readonly [RegExp, string])[] = [
  [/(enableDefaultDeny\.\w+|[eE]nabled) = true$/, "closes, or is what stands there"],
  [
    /(metadata|[lL]abels|annotations|matchLabels|containers\.0|volumes\.0|initContainers\.0|securityContext|capabilities|Pod spec|template\.spec|hubble) = \{/,
    "a map with a key that nobody looks at",
  ],
  [/(volumes|initContainers) = \[null\]$/, "a list of nothing; the API server refuses it"],
];

const isHarmless = (each: { site: Site; value: unknown }): boolean =>
  harmless.some(([pattern]) => pattern.test(text(each)));

const isNeutral = (site: Site): boolean => neutral.some(([pattern]) => pattern.test(describeSite(site)));

/** Enough for the field of every kind to come up in some run; bounded by time, since each case is a whole operation. */
const bounded = { numRuns: 220, interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false } as const;

/** Every case, or a sample that shrinks. */
async function forAll<T>(cases: readonly T[], check: (each: T) => Promise<void>): Promise<void> {
  if (all) for (const each of cases) await check(each);
  else await fc.assert(fc.asyncProperty(fc.constantFrom(...cases), check), bounded);
}

function casesOf(from: readonly Site[], values: readonly unknown[]): { site: Site; value: unknown }[] {
  return from.flatMap((site) => values.map((value) => ({ site, value })));
}

const text = ({ site, value }: { site: Site; value: unknown }): string =>
  `${describeSite(site)} = ${JSON.stringify(value)}`;

describe("malformed, unknown and secret values in every field of every kind", function () {
  if (all) this.timeout(3_600_000);

  it("the good objects are understood", async () => {
    for (const good of goods) {
      const { violations } = await run(good, "update");
      // which addresses Calico's pods have is not said here, so its sets of addresses may hold some
      const misread = violations.filter(
        ({ message }) => /^not-understood|not decidable/.test(message) && !message.startsWith("cluster-exposure"),
      );
      assert.deepEqual(misread, [], good.kind);
    }
  });

  for (const operation of ["preview", "update"] as const) {
    it(`S2-07: no value makes ${operation === "preview" ? "a preview" : "an update"} throw, and none is shown`, () =>
      forAll(casesOf(sites, [...wrongTypes, ...unknowns]), async (each) => {
        const { violations } = await runWith(each.site, each.value, operation);
        assert.ok(!JSON.stringify(violations).includes(canary), `${text(each)} shows the value`);
      }));
  }

  it("an unknown value is never taken for safe: something is said that is not said of the good object", () =>
    forAll(casesOf(sites, unknowns.slice(0, 1)), async (each) => {
      if (isNeutral(each.site)) return;
      const known = await knownOf(each.site.good);
      const { violations } = await runWith(each.site, each.value, "preview");
      assert.ok(
        violations.some(({ message }) => !known.has(message)),
        `${text(each)} passes in silence`,
      );
    }));

  it("a value of the wrong type is never taken for safe", () =>
    forAll(casesOf(sites, [7.5, true, [canary], [null], { x: canary }]), async (each) => {
      if (isNeutral(each.site) || isHarmless(each)) return;
      const known = await knownOf(each.site.good);
      const { violations } = await runWith(each.site, each.value, "preview");
      assert.ok(
        violations.some(({ message }) => !known.has(message)),
        `${text(each)} passes in silence`,
      );
    }));

  it("no field is called neutral that does not exist", () => {
    for (const [pattern] of neutral)
      assert.ok(
        sites.some((site) => pattern.test(describeSite(site))),
        String(pattern),
      );
  });

  it("no random document makes it throw", async () => {
    const kinds = [...new Map(goods.map(({ object }) => [object.type, object])).values()];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.jsonValue(),
        fc.jsonValue(),
        async ({ type, props: { apiVersion, kind } }, extra, metadata, spec) => {
          const props = { apiVersion, kind, ...extra, metadata, spec, items: spec, values: spec, rules: spec };
          await runPolicies(clusterSecurityPolicies(), [{ type, name: "x", props }], { operation: "preview" });
        },
      ),
      { numRuns: 200, interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false },
    );
  });
});
