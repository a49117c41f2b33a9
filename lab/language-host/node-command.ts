import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** `runtime.options` of a Pulumi.yaml or PulumiPolicy.yaml, as far as Node programs know them. */
export interface RuntimeOptions {
  /** Compile TypeScript while loading. Default true, as everywhere in Pulumi. */
  readonly typescript: boolean;
  /** Arguments for Node itself. */
  readonly nodeArgs: readonly string[];
}

/** Reads the options; what is not understood is refused, since a silently dropped option changes what runs. */
export function runtimeOptions(options: Readonly<Record<string, unknown>>): RuntimeOptions {
  const { typescript = true, nodeargs = "" } = options;
  if (typeof typescript !== "boolean") throw new Error("runtime.options.typescript must be true or false");
  if (typeof nodeargs !== "string") throw new Error("runtime.options.nodeargs must be a string");
  return { typescript, nodeArgs: splitWords(nodeargs) };
}

/** Splits at blanks; single or double quotes keep blanks inside a word. */
export function splitWords(text: string): string[] {
  const words = [...text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)];
  return words.map(([word]) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single ?? ""));
}

/**
 * Finds a runner of the program's own @pulumi/pulumi, so that the program and what runs it are of one version.
 * @throws Error that says what to do where the program's dependencies are not installed
 */
export function findRunner(name: "run" | "run-plugin" | "run-policy-pack", programDirectory: string): string {
  const require = createRequire(path.join(programDirectory, "index.js"));
  try {
    return require.resolve(`@pulumi/pulumi/cmd/${name}`);
  } catch {
    throw new Error(
      `${programDirectory} has no @pulumi/pulumi: its dependencies are not installed. Run npm install there.`,
    );
  }
}

/** Environment that tells the runner whether it compiles TypeScript, and with which tsconfig. */
export function typescriptEnvironment(options: RuntimeOptions, rootDirectory: string): Record<string, string> {
  if (!options.typescript) return {};
  const tsconfig = path.join(rootDirectory, "tsconfig.json");
  return {
    PULUMI_NODEJS_TYPESCRIPT: "true",
    ...(existsSync(tsconfig) ? { PULUMI_NODEJS_TSCONFIG_PATH: tsconfig } : {}),
  };
}
