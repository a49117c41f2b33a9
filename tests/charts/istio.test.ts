import assert from "node:assert/strict";
import type { IstioOptions, IstioPlan } from "../../sdk/charts/index";
import { ChartValuesError, IstioPlatform, istioPlan, leafKeys } from "../../sdk/charts/index";
import { allKeys, isListed, publishedAt, publishedValues } from "./published";

const versions = ["1.29.6", "1.30.3"];
/** Folders of the published charts; istiod's is named otherwise. */
const folders = { base: "base", istiod: "istio-discovery", cni: "istio-cni", ztunnel: "ztunnel" } as const;

/** Read by the charts' first template (`zzz_profile.yaml`), and in no chart's values. */
const specialKeys = new Set(["profile", "global.platform"]);
/** Istio's own configuration, which the chart hands on as it is. */
const openMaps = new Set(["meshConfig"]);

/** Every combination that writes something of its own. */
function optionsFor(version: string): IstioOptions[] {
  const everything = { trustDomain: "example.org", platform: IstioPlatform.GKE, nodeAgentNamespace: "kube-system" };
  return [
    { version },
    { version, cni: false, accessLog: false },
    { version, ...everything },
    { version, ambient: true },
    { version, ambient: true, dryRun: true, ...everything },
  ];
}

const chartsOf = (plan: IstioPlan): string[] => plan.releases.map(({ chart }) => chart);
const valuesOf = (plan: IstioPlan, chart: string): Record<string, unknown> =>
  plan.releases.find((release) => release.chart === chart)?.values ?? assert.fail(chart);

describe("Istio chart values", () => {
  for (const version of [...versions, "1.31.0"]) {
    it(`writes only keys that the charts of ${version} have, of the type they have them in`, function () {
      if (publishedValues(`base-${version}`) === undefined) return this.skip();
      for (const options of optionsFor(version)) {
        for (const { chart, values } of istioPlan(options).releases) {
          const published = publishedValues(`${folders[chart]}-${version}`);
          assert.ok(published !== undefined, chart);
          for (const key of leafKeys(values)) {
            if (specialKeys.has(key) || isListed(key, openMaps)) continue;
            const known = publishedAt(published, key);
            assert.ok(known !== undefined, `chart ${chart} ${version} has no key ${key}`);
            if (known === "open") continue;
            let written: unknown = values;
            for (const part of key.split(".")) written = (written as Record<string, unknown>)[part];
            assert.equal(typeof written, typeof known.value, key);
          }
        }
      }
    });
  }

  it("names every key that only the newer charts have", function () {
    for (const [chart, folder] of Object.entries(folders)) {
      const [older, newer] = versions.map((version) => publishedValues(`${folder}-${version}`));
      if (older === undefined || newer === undefined) return this.skip();
      const came = allKeys(newer).filter((key) => publishedAt(older, key) === undefined);
      const went = allKeys(older).filter((key) => publishedAt(newer, key) === undefined);
      assert.deepEqual(went, [], `${chart} lost keys`);
      for (const key of came) {
        const value = key.split(".").reduceRight<unknown>((inner, part) => ({ [part]: inner }), "x");
        const overrides = { [chart]: value as Record<string, unknown> };
        assert.throws(
          () => istioPlan({ version: "1.29.6", ambient: true }, overrides),
          (error: Error) => error.message.includes(`values.${chart}.${key}: does not exist`),
        );
        assert.ok(istioPlan({ version: "1.30.3", ambient: true }, overrides));
      }
    }
  });

  it("brings the charts that the mode needs, in order", () => {
    assert.deepEqual(chartsOf(istioPlan({})), ["base", "istiod", "cni"]);
    assert.deepEqual(chartsOf(istioPlan({ cni: false })), ["base", "istiod"]);
    assert.deepEqual(chartsOf(istioPlan({ ambient: true })), ["base", "istiod", "cni", "ztunnel"]);
  });

  it("tells every chart where the control plane is", () => {
    const plan = istioPlan({ ambient: true, namespace: "mesh" });
    assert.deepEqual(valuesOf(plan, "base")["global"], { istioNamespace: "mesh" });
    assert.deepEqual(valuesOf(plan, "istiod")["global"], { istioNamespace: "mesh" });
    assert.equal(valuesOf(plan, "ztunnel")["istioNamespace"], "mesh");
    for (const { namespace } of plan.releases) assert.equal(namespace, "mesh");
  });

  it("refuses dry runs on ztunnels that would enforce them", () => {
    const variable = "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY";
    assert.deepEqual(valuesOf(istioPlan({ ambient: true, dryRun: true }), "istiod")["env"], { [variable]: "true" });
    assert.throws(() => istioPlan({ version: "1.28.1", ambient: true, dryRun: true }), /1\.29 or newer/);
    const byHand = { istiod: { env: { [variable]: "true" } } };
    assert.throws(() => istioPlan({ version: "1.28.1", ambient: true }, byHand), /1\.29 or newer/);
  });

  it("merges user values last and leaves the other charts alone", () => {
    const plan = istioPlan({}, { istiod: { meshConfig: { trustDomain: "example.org" }, replicaCount: 2 } });
    assert.deepEqual(valuesOf(plan, "istiod")["meshConfig"], {
      accessLogFile: "/dev/stdout",
      trustDomain: "example.org",
    });
    assert.equal(valuesOf(plan, "istiod")["replicaCount"], 2);
    assert.deepEqual(valuesOf(plan, "cni"), valuesOf(istioPlan({}), "cni"));
  });

  for (const [title, options, overrides] of [
    ["a version below 1.24", { version: "1.23.4" }, {}],
    ["a version that is none", { version: "latest" }, {}],
    ["ambient mode without the plugin", { ambient: true, cni: false }, {}],
    ["a namespace for node agents that do not run", { cni: false, nodeAgentNamespace: "kube-system" }, {}],
    ["dry runs for sidecars", { dryRun: true }, {}],
    ["values below the charts' own defaults", {}, { istiod: { _internal_defaults_do_not_set: { hub: "x" } } }],
    ["values for a chart that is not installed", {}, { ztunnel: { logLevel: "debug" } }],
    ["one chart in another profile", {}, { cni: { profile: "ambient" } }],
    ["one chart with another control plane", {}, { base: { global: { istioNamespace: "other" } } }],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.throws(() => istioPlan(options, overrides), ChartValuesError);
    });
  }

  it("warns about versions out of support, unknown ones, and policies that the charts would add", () => {
    assert.match(istioPlan({ version: "1.28.3" }).warnings.join(), /no longer gets security fixes/);
    assert.match(istioPlan({ version: "1.31.0" }).warnings.join(), /newer than the charts/);
    const opened = istioPlan({}, { istiod: { global: { networkPolicy: { enabled: true } } } });
    assert.match(opened.warnings.join(), /allows all egress/);
    assert.deepEqual(istioPlan({}).warnings, []);
  });
});
