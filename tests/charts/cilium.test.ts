import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import Ajv from "ajv";
import fc from "fast-check";
import semver from "semver";
import {
  ChartValuesError,
  CiliumEncryption,
  CiliumEnforcementMode,
  ciliumValues,
  hasKey,
  leafKeys,
  mergeValues,
} from "../../sdk/charts/index";
import type { ChartValues } from "../../sdk/charts/index";
import type { CiliumChartOptions } from "../../sdk/charts/cilium";
import { ciliumAbsentKeys } from "../../sdk/charts/cilium-keys";
import { fixture } from "../support/fixtures";
import { isListed } from "./published";

const versions = ["1.17.6", "1.17.18", "1.18.5", "1.18.12", "1.19.6", "1.20.0"];

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly type?: string | readonly string[];
}

/** Every combination of options that the version has. */
function optionsFor(version: string): CiliumChartOptions[] {
  const minor = Number(version.split(".")[1]);
  const all: CiliumChartOptions = {
    version,
    encryption: CiliumEncryption.WireGuard,
    nodeEncryption: true,
    strictEncryptionCidr: "10.244.0.0/16",
    hubble: { enabled: true, relay: true, ui: true, metrics: ["drop"] },
    enforcementMode: CiliumEnforcementMode.Always,
    auditMode: true,
    hostFirewall: true,
    istio: true,
    limitedDns: true,
    ...(minor >= 19 ? { denyResponse: true } : {}),
    ...(minor >= 20 ? { clusterNetworkPolicy: true } : {}),
  };
  return [{ version }, all, { version, encryption: CiliumEncryption.None, hubble: { enabled: false } }];
}

/** Dotted keys of maps and leaves alike. */
function schemaKeys(schema: Schema, prefix = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => [
    `${prefix}${key}`,
    ...schemaKeys(inner, `${prefix}${key}.`),
  ]);
}

/** Keys of the chart that its values.yaml only mentions in a comment. */
const commentedKeys = new Set(["policyAuditMode", "socketLB.hostNamespaceOnly"]);

describe("Cilium chart values", () => {
  for (const version of versions) {
    const folder = fixture(`charts/cilium-${version}`);
    it(`S3-20 writes only keys that chart ${version} has, with values its schema takes`, function () {
      if (folder === undefined) return this.skip();
      const schema = JSON.parse(readFileSync(path.join(folder, "values.schema.json"), "utf8")) as Schema;
      const text = readFileSync(path.join(folder, "values.yaml"), "utf8");
      const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
      for (const options of optionsFor(version)) {
        const { values } = ciliumValues(options);
        assert.ok(validate(values), JSON.stringify(validate.errors));
        for (const key of leafKeys(values)) {
          if (commentedKeys.has(key)) {
            assert.match(text, new RegExp(`^ *# *${key.split(".").at(-1)}:`, "m"));
            continue;
          }
          let current: Schema | undefined = schema;
          for (const part of key.split(".")) current = current?.properties?.[part];
          assert.ok(current !== undefined, `chart ${version} has no key ${key}`);
        }
      }
    });
  }

  const present = versions.filter((version) => fixture(`charts/cilium-${version}`) !== undefined);
  for (const [index, newer] of present.slice(1).entries()) {
    const older = present[index] ?? "";
    it(`refuses every key that went away between the charts ${older} and ${newer}`, () => {
      const keys = (version: string): ReadonlySet<string> => {
        const file = path.join(fixture(`charts/cilium-${version}`) ?? "", "values.schema.json");
        return new Set(schemaKeys(JSON.parse(readFileSync(file, "utf8")) as Schema));
      };
      const [before, after] = [keys(older), keys(newer)];
      const listed = new Set(
        ciliumAbsentKeys.filter(({ versions: range }) => semver.satisfies(newer, range)).map(({ key }) => key),
      );
      // what is listed for a version is really not in its chart
      for (const key of listed) assert.ok(!after.has(key), `${key} is in ${newer}`);
      const leaves = [...before].filter((key) => ![...before].some((other) => other.startsWith(`${key}.`)));
      for (const key of leaves.filter((leaf) => !after.has(leaf))) {
        // the chart declares it in a comment
        if (key === "kubeProxyReplacement") continue;
        assert.ok(isListed(key, listed), `${key} went away with ${newer}`);
      }
    });
  }

  it("S3-12 turns WireGuard, Hubble, relay and UI on by default", () => {
    const { values } = ciliumValues({});
    assert.deepEqual(values["encryption"], { enabled: true, type: "wireguard" });
    const hubble = values["hubble"] as Record<string, unknown>;
    assert.deepEqual([hubble["enabled"], hubble["relay"], hubble["ui"]], [true, { enabled: true }, { enabled: true }]);
  });

  it("has Hubble's certificates renew themselves where Helm can wait for it, unless told otherwise", () => {
    const method = (version: string, values: ChartValues = {}): unknown =>
      (ciliumValues({ version }, values).values["hubble"] as { tls?: { auto: { method: string } } }).tls?.auto.method;
    assert.deepEqual([method("1.18.12"), method("1.19.0"), method("1.20.2")], [undefined, "cronJob", "cronJob"]);
    assert.equal(method("1.20.2", { hubble: { tls: { auto: { method: "certmanager" } } } }), "certmanager");
  });

  it("writes strict encryption where each version looks for it", () => {
    const strict = (version: string): unknown =>
      (ciliumValues({ version, strictEncryptionCidr: "10.0.0.0/8" }).values["encryption"] as Record<string, unknown>)[
        "strictMode"
      ];
    assert.deepEqual(strict("1.18.5"), { enabled: true, cidr: "10.0.0.0/8" });
    assert.deepEqual(strict("1.20.0"), { egress: { enabled: true, cidr: "10.0.0.0/8" } });
  });

  it("refuses a key that the version no longer has, and names its successor", () => {
    const values = { encryption: { strictMode: { enabled: true } } };
    assert.ok(ciliumValues({ version: "1.18.5" }, values));
    assert.throws(() => ciliumValues({ version: "1.20.0" }, values), /encryption\.strictMode\.egress\.enabled/);
    assert.throws(() => ciliumValues({ version: "1.18.5" }, { k8sClusterNetworkPolicy: {} }), /1\.20 or newer/);
  });

  for (const [title, options] of [
    ["a version below 1.13 (S0-05)", { version: "1.12.19" }],
    ["a version that is none", { version: "latest" }],
    ["the UI without the relay", { hubble: { ui: true, relay: false } }],
    ["the relay without Hubble", { hubble: { enabled: false, relay: true } }],
    ["node encryption without WireGuard", { encryption: CiliumEncryption.None, nodeEncryption: true }],
    ["deny responses before 1.19", { version: "1.18.5", denyResponse: true }],
    ["ClusterNetworkPolicy before 1.20", { version: "1.19.6", clusterNetworkPolicy: true }],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.throws(() => ciliumValues(options), ChartValuesError);
    });
  }

  it("warns about versions without security fixes and about modes that enforce nothing (S3-21)", () => {
    assert.match(ciliumValues({ version: "1.17.18" }).warnings.join(), /no longer gets security fixes/);
    assert.match(ciliumValues({ version: "1.21.0" }).warnings.join(), /newer/);
    assert.match(ciliumValues({ version: "1.16.5" }).warnings.join(), /older than the charts/);
    assert.match(ciliumValues({ encryption: CiliumEncryption.None }).warnings.join(), /can be read on the way/);
    assert.match(ciliumValues({}, { policyEnforcementMode: "never" }).warnings.join(), /no policy is enforced/);
    assert.deepEqual(ciliumValues({}).warnings, []);
  });

  it("S2-04: lets resolvers go on past names that policies refuse, where names are limited and nowhere else", () => {
    const { values } = ciliumValues({ limitedDns: true });
    assert.deepEqual(values["dnsProxy"], { dnsRejectResponseCode: "nameError" });
    assert.equal(ciliumValues({}).values["dnsProxy"], undefined);
    const own = ciliumValues({ limitedDns: true }, { dnsProxy: { dnsRejectResponseCode: "refused" } });
    assert.deepEqual(own.values["dnsProxy"], { dnsRejectResponseCode: "refused" });
  });

  it("refuses values that would take Istio's plugin away or send traffic past its proxies", () => {
    const { values } = ciliumValues({ istio: true });
    assert.deepEqual([values["cni"], values["socketLB"]], [{ exclusive: false }, { hostNamespaceOnly: true }]);
    for (const [override, text] of [
      [{ cni: { exclusive: true } }, /cni\.exclusive/],
      [{ cni: { exclusive: {} } }, /cni\.exclusive/],
      [{ socketLB: { hostNamespaceOnly: false } }, /socketLB\.hostNamespaceOnly/],
      [{ encryption: { type: "ztunnel" } }, /encryption\.type/],
    ] as const) {
      assert.throws(() => ciliumValues({ istio: true }, override), text);
      assert.ok(ciliumValues({}, override));
    }
    assert.match(ciliumValues({ istio: true }, { bpf: { masquerade: true } }).warnings.join(), /health checks fail/);
  });

  it("has the user's word at every key that the user writes, and its own at every other", () => {
    const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.integer()));
    const keys = fc.constantFrom("a", "b", "c");
    const tree = fc.letrec<{ tree: ChartValues; value: unknown }>((tie) => ({
      tree: fc.dictionary(keys, tie("value"), { maxKeys: 3 }) as fc.Arbitrary<ChartValues>,
      value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaf, tie("tree")),
    })).tree;
    const at = (values: ChartValues, key: string): unknown =>
      key.split(".").reduce<unknown>((map, part) => (map as ChartValues | null | undefined)?.[part], values);
    fc.assert(
      fc.property(tree, tree, (base, over) => {
        const merged = mergeValues(base, over);
        for (const key of leafKeys(over)) assert.deepEqual(at(merged, key), at(over, key), key);
        const written = new Set(leafKeys(over));
        for (const key of leafKeys(base)) {
          const isTouched = hasKey(over, key) || isListed(key, written);
          if (!isTouched) assert.deepEqual(at(merged, key), at(base, key), key);
        }
      }),
    );
  });

  it("merges user values last, key by key, and leaves its own untouched", () => {
    const base = { a: { b: 1, c: [1, 2] }, d: 1 };
    const merged = mergeValues(base, { a: { c: [3], e: null }, d: { f: 1 } });
    assert.deepEqual(merged, { a: { b: 1, c: [3], e: null }, d: { f: 1 } });
    assert.deepEqual(base, { a: { b: 1, c: [1, 2] }, d: 1 });
  });
});
