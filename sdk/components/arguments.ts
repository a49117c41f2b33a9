/** What is asked of a component's arguments before anything is read from them: programs are not always typed. */
import type { PropertyPath } from "../property-path";
import type * as pulumi from "@pulumi/pulumi";
import type { DeclarationProblem } from "../plan/index";
import { ProblemCollector, kindOf } from "../plan/errors";
import { Reader } from "../plan/reader";
import { readNamespaceName } from "../plan/resolve/namespaces";
import { readArguments } from "./errors";

/** Checks one argument; a missing one is no mistake. */
export type ArgumentCheck = (reader: Reader, path: PropertyPath, value: unknown, problems: ProblemCollector) => unknown;

/** True or false. */
export const isFlag: ArgumentCheck = (reader, path, value) => reader.flag(path, value);
/** A string that is not empty, and known in preview. */
export const isText: ArgumentCheck = (reader, path, value) => reader.optionalText(path, value);
/** A string that has to be there. */
export const isRequiredText: ArgumentCheck = (reader, path, value) => reader.text(path, value);
/** A namespace's name. */
export const isNamespace: ArgumentCheck = (reader, path, value, problems) =>
  value === undefined ? undefined : readNamespaceName(reader, problems, path, value);
/** Whatever it is: it is read elsewhere, or handed on. */
export const isAnything: ArgumentCheck = () => undefined;

/** An object with these fields and no others. */
export function isObject(fields: Readonly<Record<string, ArgumentCheck>>): ArgumentCheck {
  return (reader, path, value, problems) => {
    const read = reader.fields(path, value, Object.keys(fields));
    for (const [key, check] of Object.entries(fields)) {
      if (read !== undefined) check(reader, [...path, key], read[key], problems);
    }
  };
}

/** What is said of every chart. A version decides which values there are: it has to be known in preview. */
export const chartArguments = {
  existing: isFlag,
  version: isText,
  namespace: isText,
  repository: isText,
  timeoutSeconds: isAnything,
  skipAwait: isFlag,
  values: isAnything,
};

/**
 * Checks that the arguments are an object, those of them that the component does not hand to the planner, and that a provider
 * is one for Kubernetes: Pulumi would pass over another and take the default provider, which may be of another cluster.
 *
 * @param own Arguments that are the component's own; all that it has where `isWhole`, so that no other is taken.
 * @throws DeclarationError with everything that is wrong with them, as Pulumi's input error.
 */
export function checkArguments(
  args: unknown,
  opts: pulumi.ComponentResourceOptions | undefined,
  own: Readonly<Record<string, ArgumentCheck>>,
  isWhole = false,
): void {
  readArguments(() => {
    const problems = new ProblemCollector();
    const reader = new Reader(problems);
    if (kindOf(args) === "object" && !(args instanceof Promise)) {
      const given = args as Readonly<Record<string, unknown>>;
      const others = isWhole ? {} : Object.fromEntries(Object.keys(given).map((key) => [key, isAnything]));
      isObject({ ...others, ...own })(reader, [], given, problems);
    } else {
      problems.add(["args"], args, "is not an object", "Pass the declaration as an object, as the second argument.");
    }
    problems.problems.push(...providerProblems(opts));
    problems.throwIfAny();
  });
}

function providerProblems(opts: pulumi.ComponentResourceOptions | undefined): readonly DeclarationProblem[] {
  const provider: (pulumi.ProviderResource & { readonly getPackage?: () => string }) | undefined = opts?.provider;
  const name = provider?.getPackage?.();
  if (name === undefined || name === "kubernetes" || opts?.providers !== undefined) return [];
  if (opts?.parent?.getProvider("kubernetes:core/v1:Namespace") !== undefined) return [];
  return [
    {
      path: ["opts", "provider"],
      kind: `provider of ${name}`,
      message: "is not a Kubernetes provider",
      fix: "Pass a kubernetes.Provider of the cluster, or leave it out for the default one.",
    },
  ];
}
