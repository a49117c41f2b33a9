/**
 * Types of values that may come from outputs.
 *
 * The types are Pulumi's own, imported as types only: nothing of the SDK is in this room when it runs. A type of our own of
 * the same shape would do for the compiler, but not for the plugin: Pulumi reads its schema off the sources and knows an
 * input by Pulumi's types.
 */
import type { Input, OutputInstance } from "@pulumi/pulumi";

export type { Input };

/** The same shape with plain values: what is left of a declaration once its outputs are known. */
export type Known<T> = T extends Promise<unknown> | OutputInstance<unknown>
  ? never
  : T extends readonly (infer Item)[]
    ? Known<Item>[]
    : T extends object
      ? { [Key in keyof T]: Known<T[Key]> }
      : T;
