import { readFileSync, statSync } from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { load, YAMLException } from "js-yaml";
import type { ClusterSecurityDeclaration, Plan } from "../plan";
import { DeclarationError, plan } from "../plan";
import { inputError } from "./errors";
import { isModule } from "./module-file";

/**
 * The plan of a declaration in a file: YAML, JSON, or a JavaScript module that exports it as `declaration`.
 *
 * @throws CliError where it cannot be read, or with everything that is wrong with it.
 */
export async function planOf(file: string): Promise<Plan> {
  return planned(file, (await readDeclaration(file)) as ClusterSecurityDeclaration);
}

/**
 * A declaration in a file as it holds today, and its plan: exceptions and bypasses that ended are over, unless the
 * declaration states the day itself.
 *
 * @throws CliError as {@link planOf} does.
 */
export async function planOfToday(
  file: string,
): Promise<{ readonly declaration: ClusterSecurityDeclaration; readonly plan: Plan }> {
  const read = (await readDeclaration(file)) as ClusterSecurityDeclaration;
  const declaration = { ...read, asOf: read.asOf ?? new Date().toISOString().slice(0, 10) };
  return { declaration, plan: planned(file, declaration) };
}

/** The plan of what a file holds. @throws CliError with everything that is wrong with it */
export function planned(file: string, declaration: ClusterSecurityDeclaration): Plan {
  try {
    return plan(declaration);
  } catch (error) {
    if (error instanceof DeclarationError) throw inputError(`${named(file)}: ${error.message}`);
    throw error;
  }
}

const named = (file: string): string => (file === "-" ? "standard input" : `"${file}"`);

/** What a declaration's file holds, as it stands. @throws CliError where it cannot be read. */
export async function readDeclaration(file: string): Promise<unknown> {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) throw inputError(`"${file}": there is no such file`);
  if (status.isDirectory()) throw inputError(`"${file}" is a folder: name the file that holds the declaration`);
  if (isModule(file)) return await fromModule(file);
  return declarationIn(file, () => readFileSync(file, "utf8"));
}

/** What a declaration's text holds. @param text The text, or what reads it. @throws CliError where it is none */
export function declarationIn(file: string, text: string | (() => string)): unknown {
  let value: unknown;
  try {
    value = load(typeof text === "string" ? text : text());
  } catch (error) {
    const reason = error instanceof YAMLException ? error.reason : (error as NodeJS.ErrnoException).code;
    throw inputError(`"${file}" cannot be read: ${reason ?? "it is neither YAML nor JSON"}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw inputError(`"${file}" holds no declaration: an object with namespaces, workloads and flows`);
  }
  return value;
}

async function fromModule(file: string): Promise<unknown> {
  let module: { declaration?: unknown; default?: { declaration?: unknown } };
  try {
    module = (await import(pathToFileURL(path.resolve(file)).href)) as typeof module;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw inputError(
      `"${file}" cannot be loaded by this Node.js: ${reason}; compile it, or write the declaration as JSON`,
    );
  }
  const declaration = module.declaration ?? module.default?.declaration;
  if (declaration === undefined) throw inputError(`"${file}" exports no \`declaration\``);
  return declaration;
}
