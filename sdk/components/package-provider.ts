/** The components as a provider: what Pulumi's engine asks for programs in other languages. */
import type { ComponentResourceOptions, Inputs, provider } from "@pulumi/pulumi";
import { ComponentResource } from "@pulumi/pulumi";
import type { SchemaType } from "./whole-arguments";
import { withShapes } from "./whole-arguments";

/** A component of this package, as the engine constructs it. */
type ComponentConstructor = new (name: string, inputs: Inputs, options: ComponentResourceOptions) => ComponentResource;

/** The components among what a module exports, by name. */
export function componentsAmong(exported: object): Readonly<Record<string, ComponentConstructor>> {
  const named: Record<string, ComponentConstructor> = {};
  for (const [name, value] of Object.entries(exported)) if (isComponent(value)) named[name] = value;
  return named;
}

function isComponent(value: unknown): value is ComponentConstructor {
  return typeof value === "function" && value.prototype instanceof ComponentResource;
}

/** What the provider reads of a package schema (https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema). */
interface PackageSchema {
  readonly resources: Readonly<
    Record<string, { readonly inputProperties?: SchemaObject; readonly properties?: object }>
  >;
  readonly types?: Readonly<Record<string, { readonly properties?: SchemaObject }>>;
}

type SchemaObject = Readonly<Record<string, SchemaType>>;

/**
 * Serves the components of this package. Its schema is written when the package is made: Pulumi's own host for components
 * compiles the sources at each start, which takes longer than a small update.
 */
export class PackageProvider implements provider.Provider {
  readonly #described: PackageSchema;

  /**
   * @param version Version of the package.
   * @param schema The package schema, JSON.
   * @param components The components by the name in their type token; each has a resource in the schema.
   */
  constructor(
    readonly version: string,
    readonly schema: string,
    private readonly components: Readonly<Record<string, ComponentConstructor>>,
  ) {
    this.#described = JSON.parse(schema) as PackageSchema;
  }

  /** @throws Error where the package has no such component, and whatever the component throws */
  async construct(
    name: string,
    type: string,
    inputs: Inputs,
    options: ComponentResourceOptions,
  ): Promise<provider.ConstructResult> {
    const { resources, types } = this.#described;
    const described = resources[type];
    const component = this.components[type.split(":").at(-1) ?? ""];
    if (described === undefined || component === undefined) {
      throw new Error(`${type} is no component of this package; it has ${Object.keys(resources).join(", ")}`);
    }
    const objects = (reference: string): SchemaObject | undefined =>
      types?.[reference.replace("#/types/", "")]?.properties;
    const shaped = await withShapes(inputs, described.inputProperties ?? {}, objects);
    const instance = new component(name, shaped, options);
    const outputs = Object.keys(described.properties ?? {});
    const state = Object.fromEntries(outputs.map((key) => [key, instance[key as keyof typeof instance]]));
    return { urn: instance.urn, state };
  }
}
