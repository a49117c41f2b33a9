import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Analyzer } from "@pulumi/pulumi/provider/experimental/analyzer";
import { getPulumiComponents } from "@pulumi/pulumi/provider/experimental/provider";
import { generateSchema } from "@pulumi/pulumi/provider/experimental/schema";
import * as entry from "../../sdk/index";
import { typeToken } from "../../sdk/components/type-tokens";

const root = path.resolve(__dirname, "..", "..");
/** What the plugin serves; package.json has it published. */
const schemaFile = path.join(root, "schema.json");

interface PackageManifest {
  name: string;
  version: string;
  description: string;
}

const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as PackageManifest;

/** What Pulumi's own host for components does (pulumi: cmd/run-plugin): find the components, analyse their types. */
function schemaOfThePackage(): ReturnType<typeof generateSchema> {
  const names = new Set(getPulumiComponents(entry).map((component: { name: string }) => component.name));
  // package.json names what is compiled, which holds no comments
  const analyzer = new Analyzer(root, manifest.name, { ...manifest, exports: "./sdk/index.ts" } as never, names);
  const { components, typeDefinitions, dependencies } = analyzer.analyze();
  return generateSchema(
    manifest.name,
    manifest.version,
    manifest.description,
    components,
    typeDefinitions,
    dependencies,
  );
}

describe("component schema for other languages", function () {
  this.timeout(120_000);
  let schema: ReturnType<typeof generateSchema>;

  before(() => {
    schema = schemaOfThePackage();
  });

  it("S4-03: schema.json is what Pulumi derives from the types (UPDATE_SNAPSHOTS=1 writes it anew after a wanted change)", () => {
    const text = `${JSON.stringify(schema, null, 2)}\n`;
    if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(schemaFile, text);
    assert.equal(text, readFileSync(schemaFile, "utf8"));
  });

  it("has one token for each exported component, the same as the URN's type", () => {
    const exported = getPulumiComponents(entry).map((component: { name: string }) => component.name);
    assert.ok(exported.length >= 4);
    assert.deepEqual(Object.keys(schema.resources).sort(), exported.map(typeToken).sort());
    assert.equal(typeToken("Name"), `${manifest.name}:index:Name`);
  });

  it("has the posture and what it is made of as outputs: private state does not leak", () => {
    for (const [token, resource] of Object.entries(schema.resources)) {
      const { posture, ...named } = resource.properties ?? {};
      assert.ok(Object.keys(named).length >= 2, token);
      const { $ref: reference = "" } = posture as { $ref?: string };
      const type = schema.types[reference.replace("#/types/", "")] ?? assert.fail(token);
      const known = new Set([...Object.keys(type.properties ?? {}), "namespaces"]);
      for (const name of Object.keys(named)) assert.ok(known.has(name), `${token}.${name}`);
    }
  });

  it("describes every argument and every field, in words", () => {
    const described: [string, Record<string, { description?: string }> | undefined][] = [
      ...Object.entries(schema.resources).map(([token, { inputProperties }]) => [token, inputProperties] as const),
      ...Object.entries(schema.types).map(([token, { properties }]) => [token, properties] as const),
    ].map(([token, properties]) => [token, properties]);
    for (const [token, properties] of described) {
      for (const [name, { description }] of Object.entries(properties ?? {})) {
        assert.ok(description, `${token}.${name} has no description`);
      }
    }
    // what the analyzer makes of an inline link
    assert.ok(!JSON.stringify(schema).includes("[object Object]"));
  });
});
