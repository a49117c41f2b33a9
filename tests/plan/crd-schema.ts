import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import type { ValidateFunction } from "ajv";
import Ajv from "ajv";
import { loadAll } from "js-yaml";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

interface Definition {
  readonly kind: string;
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

interface Known {
  readonly schema: Schema;
  /** Compiled when it is first needed. */
  validate?: ValidateFunction;
}

/** Patterns in published definitions are Go's, whose `(?i)` JavaScript writes as a flag. */
const goPattern = Object.assign(
  (pattern: string, flags: string): RegExp =>
    pattern.includes("(?i)") ? new RegExp(pattern.replace("(?i)", ""), `${flags}i`) : new RegExp(pattern, flags),
  { code: "goPattern" },
);

const folders = new Map<string, ReadonlyMap<string, Known>>();

function schemasIn(folder: string): ReadonlyMap<string, Known> {
  const known = folders.get(folder);
  if (known !== undefined) return known;
  const found = new Map<string, Known>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
    for (const document of loadAll(readFileSync(path.join(folder, file), "utf8")) as (Definition | null)[]) {
      if (document?.kind !== "CustomResourceDefinition") continue;
      for (const version of document.spec.versions) {
        const { openAPIV3Schema: schema } = version.schema;
        const key = `${document.spec.group}/${version.name} ${document.spec.names.kind}`;
        found.set(key, { schema });
      }
    }
  }
  folders.set(folder, found);
  return found;
}

/** An object is valid and has no field that the API server would prune. */
export function assertValid(folder: string, object: { apiVersion: string; kind: string }): void {
  const known = schemasIn(folder).get(`${object.apiVersion} ${object.kind}`);
  assert.ok(known !== undefined, `no definition of ${object.kind} ${object.apiVersion}`);
  known.validate ??= new Ajv({
    strict: false,
    allErrors: true,
    validateFormats: false,
    code: { regExp: goPattern },
  }).compile(known.schema);
  assert.ok(known.validate(object), JSON.stringify(known.validate.errors?.slice(0, 3)));
  const { apiVersion: _version, kind, ...rest } = object;
  assertNoUnknownField(known.schema, rest, kind);
}

function assertNoUnknownField(schema: Schema, value: unknown, at: string): void {
  if (schema["x-kubernetes-preserve-unknown-fields"] === true) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      if (schema.items !== undefined) assertNoUnknownField(schema.items, item, `${at}[${index}]`);
    });
    return;
  }
  if (typeof value !== "object" || value === null || schema.properties === undefined) return;
  for (const [key, item] of Object.entries(value)) {
    // every object has metadata, whether its schema says so or not
    if (key === "metadata") continue;
    const property = schema.properties[key];
    assert.ok(property !== undefined, `${at}.${key} is not in the schema`);
    assertNoUnknownField(property, item, `${at}.${key}`);
  }
}
