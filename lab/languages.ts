/** Programs in other languages than Node's: Pulumi's language hosts, and SDKs of this package for them. */
import { mkdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import type { Engine } from "./engine";
import type { LanguageHostName, ToolchainOptions } from "./toolchain/index";
import { provideTools } from "./toolchain/index";
import { executableIn, findOnPath } from "./toolchain/lookup";
import { run } from "./toolchain/run";

/** A language that Pulumi programs are written in. */
export type Language = "yaml" | "python" | "go" | "java";

const hosts: Readonly<Record<Language, LanguageHostName>> = {
  yaml: "pulumi-language-yaml",
  python: "pulumi-language-python",
  go: "pulumi-language-go",
  java: "pulumi-language-java",
};

/**
 * Lets an engine run programs in these languages. The host that came with `pulumi` is used where there is one (beside the
 * program or on PATH); elsewhere it is built from its Go module, once.
 *
 * @throws ToolchainError where a host cannot be had
 */
export async function provideLanguages(
  engine: Engine,
  languages: readonly Language[],
  options: ToolchainOptions = {},
): Promise<void> {
  for (const language of languages) {
    const name = hosts[language];
    const beside = executableIn(path.dirname(realpathSync(engine.path)), name);
    if (beside ?? findOnPath(name, engine.env.PATH)) continue;
    const { [name]: host } = await provideTools([name], options);
    const folder = path.join(engine.env.PULUMI_HOME ?? "", "plugins", `language-${language}-v${host.version}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    symlinkSync(realpathSync(host.path), path.join(folder, name));
  }
}

/**
 * Writes the SDK of a package, as `pulumi package add` does; YAML needs none. For C# there is no host here.
 *
 * @param schema File with the package's schema, which refers to no other package.
 * @param folder Where the SDK goes.
 * @throws ToolchainError where the generator cannot be had, Error with what is wrong with the schema
 */
export async function generateSdk(
  language: Exclude<Language, "yaml"> | "csharp",
  schema: string,
  folder: string,
  options: ToolchainOptions = {},
): Promise<void> {
  const name = language === "java" || language === "csharp" ? "older-sdk-generator" : "sdk-generator";
  const { [name]: generator } = await provideTools([name], options);
  const { code, stderr } = await run(generator.path, [language, schema, folder]);
  if (code !== 0) throw new Error(`no SDK for ${language}: ${stderr.trim()}`);
}
