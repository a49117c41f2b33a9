/**
 * Arguments that an SDK sends as one output each.
 *
 * Java's SDK knows no outputs inside of an argument: where a flow takes its range from a resource, all flows arrive as one
 * output. Here each gets back its shape, which a plan needs, and its leaves become outputs, as other SDKs send them.
 */
import * as pulumi from "@pulumi/pulumi";
import { isMap } from "../reachability/model/plain";

/** A type in a package schema (https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema). */
export interface SchemaType {
  readonly $ref?: string;
  readonly items?: SchemaType;
  readonly additionalProperties?: SchemaType;
  /** It takes no output. Defaults to false. */
  readonly plain?: boolean;
}

/** The properties of object types, by the reference to them. */
export type SchemaObjects = (reference: string) => Readonly<Record<string, SchemaType>> | undefined;

/** What Pulumi's SDK keeps from its public types: values with what is unknown in them. */
type OpenOutput = pulumi.Output<unknown> & {
  promise(withUnknowns: true): Promise<unknown>;
  apply(read: (value: unknown) => unknown, withUnknowns: true): pulumi.Output<unknown>;
};

/**
 * Arguments with outputs at no place that the schema calls plain, as far as their shape is known: a leaf of an output that was
 * opened is secret where that is, and depends on what that depends on.
 *
 * @param properties The arguments in the schema.
 */
export async function withShapes(
  inputs: pulumi.Inputs,
  properties: Readonly<Record<string, SchemaType>>,
  objects: SchemaObjects,
): Promise<pulumi.Inputs> {
  const shaped = Object.entries(inputs).map(async ([key, input]) => [
    key,
    await opened(input, properties[key], objects),
  ]);
  return Object.fromEntries(await Promise.all(shaped)) as pulumi.Inputs;
}

async function opened(input: unknown, type: SchemaType | undefined, objects: SchemaObjects): Promise<unknown> {
  if (type?.plain !== true) return input;
  if (!pulumi.Output.isInstance(input))
    return mapped(input, type, (value, part) => opened(value, part, objects), objects);
  const output = input as OpenOutput;
  const value = await output.promise(true);
  if (pulumi.isUnknown(value)) return input;
  return leaves(value, type, [], output, objects);
}

/** What an output holds, with an output for each leaf. */
async function leaves(
  value: unknown,
  type: SchemaType | undefined,
  path: readonly (string | number)[],
  output: OpenOutput,
  objects: SchemaObjects,
): Promise<unknown> {
  const isShape = isMap(value) || Array.isArray(value) || type?.plain === true;
  if (!isShape || pulumi.isUnknown(value)) return output.apply((whole) => at(whole, path), true);
  return mapped(value, type, (part, partType, key) => leaves(part, partType, [...path, key], output, objects), objects);
}

/** A value with something else in the place of each of its parts. */
async function mapped(
  value: unknown,
  type: SchemaType | undefined,
  map: (part: unknown, type: SchemaType | undefined, key: string | number) => Promise<unknown>,
  objects: SchemaObjects,
): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item, index) => map(item, type?.items, index)));
  if (!isMap(value)) return value;
  const properties = type?.$ref === undefined ? undefined : objects(type.$ref);
  const entries = Object.entries(value).map(async ([key, part]) => [
    key,
    await map(part, properties?.[key] ?? type?.additionalProperties, key),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as unknown;
}

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((part, key) => (part as Readonly<Record<string | number, unknown>>)[key], value);
}
