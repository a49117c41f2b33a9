/** The one file of an example, run as Pulumi's Node host runs it, but anew each time and with a component of the lab's. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { compileFunction } from "node:vm";
import type * as pulumi from "@pulumi/pulumi";
import { transformSync } from "esbuild";
import * as sdk from "../../sdk/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import type { ExampleFolder } from "./names";

const folder = path.resolve(__dirname, "..", "..", "examples");

/** What stands where the file says `ClusterSecurity`. */
export type ComponentClass = new (
  name: string,
  args: ClusterSecurityArgs,
  opts?: pulumi.ComponentResourceOptions,
) => object;

type Run = (exports: object, require: (id: string) => unknown, module: { exports: unknown }) => void;

const compiled = new Map<ExampleFolder, Run>();

/**
 * Runs the file; returns what it exports. Where that is a function, Pulumi calls it: so does {@link outputsOf}.
 *
 * @throws Error where the file imports a file beside it: a reader copies one file.
 */
export function runFile(example: ExampleFolder, component: ComponentClass): unknown {
  const file = path.join(folder, example, "index.ts");
  let run = compiled.get(example);
  if (run === undefined) {
    const { code } = transformSync(readFileSync(file, "utf8"), {
      loader: "ts",
      format: "cjs",
      target: "node20",
      sourcefile: file,
      sourcemap: "inline",
    });
    run = compileFunction(code, ["exports", "require", "module"], { filename: file }) as Run;
    compiled.set(example, run);
  }
  const require = createRequire(file);
  const module: { exports: unknown } = { exports: {} };
  run(
    module.exports as object,
    (id) => {
      if (id === "pulumi-cluster-security") return { ...sdk, ClusterSecurity: component };
      if (id.startsWith(".")) throw new Error(`${file} imports ${id}: an example is one file.`);
      return require(id) as unknown;
    },
    module,
  );
  return module.exports;
}

/** The stack outputs of a program, from what its file exports. */
export async function outputsOf(exported: unknown): Promise<object> {
  const outputs: unknown = typeof exported === "function" ? await (exported as () => unknown)() : exported;
  return { ...(outputs as object | undefined) };
}
