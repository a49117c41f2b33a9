/** Programs whose values are outputs of resources that are made with them. */
import * as pulumi from "@pulumi/pulumi";
import type { Leaf } from "../plan/places";
import type { Registration } from "./monitor";
import { register } from "./monitor";

/** What a cloud makes: its value is known once it is there. */
class Thing extends pulumi.CustomResource {
  declare public readonly value: pulumi.Output<unknown>;

  constructor(name: string, made: unknown) {
    super("cloud:index:Thing", name, { made, value: undefined });
  }
}

/** Unknown in Pulumi's own protocol. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const make = (preview: boolean) => (type: string, inputs: Record<string, unknown>) =>
  type === "cloud:index:Thing" && !preview ? { ...inputs, value: inputs["made"] } : inputs;

/** Runs a program whose leaves are the outputs of resources that are made with it. */
export async function deploy(
  program: (leaf: Leaf) => unknown,
  options: { preview?: boolean; known?: boolean; leaf?: (value: unknown) => unknown } = {},
): Promise<readonly Registration[]> {
  const { preview = false, known = !preview } = options;
  let count = 0;
  const leaf: Leaf = (value) => {
    count += 1;
    const made = new Thing(`thing-${count}`, value).value;
    return (options.leaf?.(made) ?? made) as never;
  };
  return register(() => program(leaf), { preview, state: make(!known) });
}

export const isPolicy = ({ type }: Registration): boolean => /Polic(y|ies)$/.test(type) && !type.startsWith("pulumi-");

/** Policies by name, without what Pulumi adds to them. */
export function policiesOf(all: readonly Registration[]): Map<string, Readonly<Record<string, unknown>>> {
  return new Map(all.filter(isPolicy).map(({ name, inputs }) => [name, inputs]));
}
