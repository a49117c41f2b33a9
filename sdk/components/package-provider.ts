/** The components as a provider: what Pulumi's engine asks for programs in other languages. */
import type { ComponentResourceOptions, Inputs, provider } from "@pulumi/pulumi";
import { ComponentResource } from "@pulumi/pulumi";

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
  readonly resources: Readonly<Record<string, { readonly properties?: object }>>;
}

/**
 * Serves the components of this package. Its schema is written when the package is made: Pulumi's own host for components
 * compiles the sources at each start, which takes longer than a small update.
 */
export class PackageProvider implements provider.Provider {
  readonly #resources: PackageSchema["resources"];

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
    this.#resources = (JSON.parse(schema) as PackageSchema).resources;
  }

  /** @throws Error where the package has no such component, and whatever the component throws */
  construct(
    name: string,
    type: string,
    inputs: Inputs,
    options: ComponentResourceOptions,
  ): Promise<provider.ConstructResult> {
    const described = this.#resources[type];
    const component = this.components[type.split(":").at(-1) ?? ""];
    if (described === undefined || component === undefined) {
      return Promise.reject(
        new Error(`${type} is no component of this package; it has ${Object.keys(this.#resources).join(", ")}`),
      );
    }
    const instance = new component(name, inputs, options);
    const outputs = Object.keys(described.properties ?? {});
    const state = Object.fromEntries(outputs.map((key) => [key, instance[key as keyof typeof instance]]));
    return Promise.resolve({ urn: instance.urn, state });
  }
}
