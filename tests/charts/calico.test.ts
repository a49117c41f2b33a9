import assert from "node:assert/strict";
import {
  CalicoCrds,
  CalicoDataplane,
  CalicoPlatform,
  ChartValuesError,
  calicoPlan,
  leafKeys,
} from "../../sdk/charts/index";
import type { CalicoOptions } from "../../sdk/charts/index";
import { allKeys, publishedAt, publishedValues } from "./published";

const versions = ["3.30.4", "3.31.7", "3.32.1"];

describe("Calico operator values and resources", () => {
  for (const version of versions) {
    it(`writes only keys that the chart of ${version} has, of the type it has them in`, function () {
      const published = publishedValues(`tigera-operator-${version}`);
      if (published === undefined) return this.skip();
      for (const crds of [CalicoCrds.Operator, CalicoCrds.Existing]) {
        const { operatorValues } = calicoPlan({ version, crds });
        const keys = leafKeys(operatorValues);
        assert.ok(keys.length >= 6);
        for (const key of keys) {
          const known = publishedAt(published, key);
          assert.ok(known !== undefined && known !== "open", `chart ${version} has no key ${key}`);
          assert.equal(typeof known.value, "boolean", key);
        }
      }
      // and it turns off every resource that the chart would otherwise make
      const made = Object.entries(published)
        .filter(([, value]) => (value as { enabled?: unknown } | null)?.enabled === true)
        .map(([key]) => key);
      assert.ok(made.length >= 4);
      const { operatorValues } = calicoPlan({ version });
      for (const key of made) assert.deepEqual(operatorValues[key], { enabled: false }, key);
    });
  }

  it("refuses the key that went away with 3.31, and names its successor", function () {
    const [before, after] = [publishedValues("tigera-operator-3.30.4"), publishedValues("tigera-operator-3.31.7")];
    const values = { kubeletVolumePluginPath: "/var/lib/kubelet" };
    assert.ok(calicoPlan({ version: "3.30.4" }, { values }));
    assert.throws(() => calicoPlan({ version: "3.31.7" }, { values }), /the argument installation/);
    if (before === undefined || after === undefined) return this.skip();
    const gone = allKeys(before).filter((key) => publishedAt(after, key) === undefined);
    assert.deepEqual(gone, ["kubeletVolumePluginPath"]);
  });

  it("refuses values whose resources the stack owns", () => {
    for (const key of ["installation", "apiServer", "goldmane", "whisker", "defaultFelixConfiguration"]) {
      assert.throws(
        () => calicoPlan({}, { values: { [key]: { enabled: true } } }),
        (error: Error) => error instanceof ChartValuesError && error.message.includes(`values.${key}: its resource`),
      );
    }
    assert.throws(() => calicoPlan({}, { values: { manageCRDs: true } }), /the argument crds/);
  });

  it("S0-06 encrypts IPv4 and IPv6 by default, and says so when it does not", () => {
    assert.deepEqual(calicoPlan({}).felix.spec, { wireguardEnabled: true, wireguardEnabledV6: true });
    assert.deepEqual(calicoPlan({}).warnings, []);
    for (const plan of [calicoPlan({ wireguard: false }), calicoPlan({}, { felix: { wireguardEnabledV6: false } })]) {
      assert.match(plan.warnings.join(), /WireGuard is not on for both/);
    }
  });

  it("S2-10 installs Goldmane and Whisker where the version has them, and lets nobody outside know", () => {
    const kinds = (options: CalicoOptions): string[] => calicoPlan(options).observability.map(({ kind }) => kind);
    assert.deepEqual(kinds({}), ["Goldmane", "Whisker"]);
    assert.deepEqual(kinds({ whisker: false }), ["Goldmane"]);
    assert.deepEqual(kinds({ goldmane: false }), []);
    assert.deepEqual(kinds({ version: "3.29.1" }), []);
    assert.deepEqual(calicoPlan({}).observability[1]?.spec, { notifications: "Disabled" });
    assert.match(calicoPlan({ goldmane: false }).warnings.join(), /Goldmane is not installed/);
  });

  it("leaves keys out that older charts do not have", () => {
    assert.deepEqual(Object.keys(calicoPlan({ version: "3.28.5" }).operatorValues), [
      "installation",
      "apiServer",
      "defaultFelixConfiguration",
    ]);
  });

  it("says who brings the definitions", () => {
    const plan = (options: CalicoOptions): [boolean, unknown] => {
      const { crdChart, operatorValues } = calicoPlan(options);
      return [crdChart, operatorValues["manageCRDs"]];
    };
    assert.deepEqual(plan({}), [true, false]);
    assert.deepEqual(plan({ version: "3.31.7" }), [false, true]);
    assert.deepEqual(plan({ crds: CalicoCrds.Operator }), [false, true]);
    assert.deepEqual(plan({ crds: CalicoCrds.Existing }), [false, false]);
    assert.throws(() => plan({ version: "3.31.7", crds: CalicoCrds.Chart }), ChartValuesError);
  });

  it("writes dataplane and platform into Installation", () => {
    const { installation } = calicoPlan({ dataplane: CalicoDataplane.Bpf, platform: CalicoPlatform.EKS });
    assert.deepEqual(installation.spec, {
      variant: "Calico",
      kubeletVolumePluginPath: "None",
      kubernetesProvider: "EKS",
      calicoNetwork: { linuxDataplane: "BPF" },
    });
  });

  for (const [title, options] of [
    ["a version below 3.25 (S0-05)", { version: "3.24.5" }],
    ["a version that is none", { version: "newest" }],
    ["Goldmane before 3.30", { version: "3.29.1", goldmane: true }],
    ["Whisker before 3.30", { version: "3.29.1", whisker: true }],
    ["Whisker without Goldmane", { goldmane: false, whisker: true }],
    ["encryption of hosts without encryption", { wireguard: false, wireguardHosts: true }],
    ["nftables before 3.29", { version: "3.28.5", dataplane: CalicoDataplane.Nftables }],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.throws(() => calicoPlan(options), ChartValuesError);
    });
  }

  it("warns about versions without security fixes and about unknown ones", () => {
    assert.match(calicoPlan({ version: "3.30.4" }).warnings.join(), /no longer gets security fixes/);
    assert.match(calicoPlan({ version: "3.33.0" }).warnings.join(), /newer than the charts/);
    assert.match(calicoPlan({ version: "3.25.0" }).warnings.join(), /older than the charts/);
  });
});
