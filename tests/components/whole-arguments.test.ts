/** SDKs that know no outputs inside of an argument send it as one output: Java's does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { componentsAmong, PackageProvider } from "../../sdk/components/package-provider";
import * as exported from "../../sdk/index";
import { Dialect } from "../../sdk/index";
import type { Leaf } from "../plan/places";
import { base, places } from "../plan/places";
import { deploy, isPolicy, policiesOf, unknown } from "./late-programs";
import type { Registration } from "./monitor";

const schema = readFileSync(path.resolve(__dirname, "..", "..", "schema.json"), "utf8");
const provider = new PackageProvider("1.0.0", schema, componentsAmong(exported));

/** An argument as one output, where an output is in it. */
function whole(value: unknown): unknown {
  return hasOutput(value) ? pulumi.output(value) : value;
}

function hasOutput(value: unknown): boolean {
  if (pulumi.Output.isInstance(value)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasOutput);
}

/** Constructs a component as the engine does for a program in another language. */
async function construct(type: string, args: object, wrap: (value: unknown) => unknown): Promise<unknown> {
  const inputs = Object.fromEntries(Object.entries(args).map(([key, value]) => [key, wrap(value)]));
  const { urn } = await provider.construct("late", `pulumi-cluster-security:index:${type}`, inputs, {});
  return urn;
}

describe("arguments that arrive as one output each", function () {
  this.timeout(60_000);

  for (const { name, declare } of places) {
    it(`S4-03: ${name}: the same policies as with an output at the leaf, in an update and in a preview`, async () => {
      const program = (wrap: (value: unknown) => unknown) => (leaf: Leaf) =>
        construct("ClusterSecurity", { ...declare(leaf), dialect: Dialect.Cilium }, wrap);
      for (const options of [{}, { preview: true }, { preview: true, known: true }]) {
        const [found, wanted] = [
          await deploy(program(whole), options),
          await deploy(
            program((value) => value),
            options,
          ),
        ];
        assert.deepEqual(policiesOf(found), policiesOf(wanted), JSON.stringify(options));
        assert.ok(found.some(isPolicy));
      }
    });
  }

  it("values of a chart keep the outputs that they have at any depth", async () => {
    const program = (leaf: Leaf): unknown =>
      construct(
        "CiliumCni",
        { values: { k8sServiceHost: leaf("10.0.0.1"), ipam: { operator: { pools: ["a"] } } } },
        whole,
      );
    const valuesOf = (all: readonly Registration[]): Record<string, unknown> =>
      all.find(({ type }) => type === "kubernetes:helm.sh/v3:Release")?.inputs["values"] as Record<string, unknown>;
    const { k8sServiceHost, ipam } = valuesOf(await deploy(program));
    assert.deepEqual({ k8sServiceHost, ipam }, { k8sServiceHost: "10.0.0.1", ipam: { operator: { pools: ["a"] } } });
    const early = valuesOf(await deploy(program, { preview: true }));
    assert.equal(early["k8sServiceHost"], unknown);
    assert.deepEqual(early["ipam"], ipam);
  });

  it("a secret in an argument keeps secret what its leaves decide", async () => {
    const all = await deploy(
      (leaf) => construct("ClusterSecurity", { ...base, flows: [flowBecause(leaf("the vault's path"))] }, whole),
      { leaf: (value) => pulumi.secret(value) },
    );
    const egress = all.find(({ name }) => name === "late-shop/allow-web-egress");
    const sign = "4dabf18193072939515e22adb298388d";
    const plainly = JSON.stringify(egress?.inputs, (_key, value: unknown) =>
      typeof value === "object" && value !== null && sign in value ? "[secret]" : value,
    );
    assert.match(plainly, /\[secret\]/);
    assert.doesNotMatch(plainly, /the vault's path/);
  });

  it("an argument whose shape is not known is refused with its path", async () => {
    const flows = pulumi.output(new Promise<unknown>(() => undefined));
    Object.assign(flows, { promise: () => Promise.resolve(pulumi.unknown) });
    await assert.rejects(
      deploy(() => construct("ClusterSecurity", { ...base, flows }, (value) => value)),
      /flows: is not a list \(found: output\)/,
    );
  });
});

const flowBecause = (reason: unknown): object => ({
  from: { workload: "shop/web" },
  to: { workload: "data/db" },
  ports: [{ port: 5432 }],
  reason,
  owner: "shop",
});
