/** Programs in other languages than Node's: Pulumi's language hosts. */
import { mkdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import type { Engine } from "./engine";
import type { LanguageHostName, ToolchainOptions } from "./toolchain/index";
import { provideTools } from "./toolchain/index";
import { executableIn, findOnPath } from "./toolchain/lookup";

/** A language that Pulumi programs are written in. */
export type Language = "yaml";

const hosts: Readonly<Record<Language, LanguageHostName>> = {
  yaml: "pulumi-language-yaml",
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
