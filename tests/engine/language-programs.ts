/** Programs in other languages as their users have them: a folder with a Pulumi.yaml, run by the language's own host. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab/index";
import type { Language } from "../../lab/languages";
import { generateSdk, provideLanguages } from "../../lab/languages";
import { ToolchainError } from "../../lab/toolchain/index";
import { findOnPath } from "../../lab/toolchain/lookup";
import { withoutQueries } from "../support/engine-stack";
import { JavaBuild, javaBinary } from "./java-builds";
import type { AttachedPlugin } from "./language-plugin";
import { attachedPlugin } from "./language-plugin";
import { pythonPackages } from "./python-packages";
import { repository, run } from "./shared-lab";

/** A replacement in a program's text. */
export type Replacement = readonly [what: string, by: string];

/** What a program needs to run beside its own text. */
interface Setting {
  readonly env?: Readonly<Record<string, string>>;
  /** Makes the folder ready, once. */
  readonly prepare?: (program: LanguageProgram) => void;
  /** Compiles what is in the folder. */
  readonly build?: (folder: string) => Promise<void>;
}

/** The file of an example that holds its program. */
const files: Readonly<Record<Language, string>> = {
  yaml: "Pulumi.yaml",
  python: "__main__.py",
  go: "main.go",
  java: "src/main/java/bookshop/App.java",
};

/** A program in a folder of its own. */
export class LanguageProgram {
  readonly folder: string;
  private readonly original: string;

  constructor(
    readonly language: Language,
    private readonly setting: Setting,
  ) {
    this.folder = mkdtempSync(path.join(os.tmpdir(), `cluster-security-${language}-`));
    cpSync(path.join(repository, "examples", "languages", language), this.folder, { recursive: true });
    this.replace("Pulumi.yaml", checkout);
    setting.prepare?.(this);
    this.original = readFileSync(path.join(this.folder, files[language]), "utf8");
  }

  /** Has later operations run the example with something else in it. Throws where it has none of what is replaced. */
  async becomes(...replacements: readonly Replacement[]): Promise<void> {
    await this.write(this.original, replacements);
  }

  /** Has later operations run the program of this language that lies in a folder. */
  async becomesThatOf(folder: string): Promise<void> {
    const text = readFileSync(path.join(folder, path.basename(files[this.language])), "utf8");
    await this.write(text, this.language === "yaml" ? [checkout] : []);
  }

  /** Replaces a part of a file. */
  replace(file: string, [what, by]: Replacement): void {
    const place = path.join(this.folder, file);
    const text = readFileSync(place, "utf8");
    if (!text.includes(what)) throw new Error(`${this.language}: ${file} has no ${what}`);
    writeFileSync(
      place,
      text.replace(what, () => by),
    );
  }

  /** The stack of this folder. */
  async open(lab: Lab, stackName: string, env: Readonly<Record<string, string>> = {}): Promise<Stack> {
    const pulumiCommand = await PulumiCommand.get({ root: lab.engine.root });
    const envVars = { ...lab.engine.env, ...this.setting.env, ...env };
    return withoutQueries(
      await LocalWorkspace.createOrSelectStack({ stackName, workDir: this.folder }, { envVars, pulumiCommand }),
    );
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async write(text: string, replacements: readonly Replacement[]): Promise<void> {
    writeFileSync(path.join(this.folder, files[this.language]), text);
    for (const replacement of replacements) this.replace(files[this.language], replacement);
    await this.setting.build?.(this.folder);
  }
}

/**
 * How Go compiles a program, for Pulumi's host and for the check that it compiles: the SDK of Kubernetes in half the time, since
 * it is left as it is, and what was compiled in one folder is found in any other.
 */
const goFlags = [
  ...["-trimpath", "-buildvcs=false", "'-ldflags=-s -w'"],
  "'-gcflags=github.com/pulumi/pulumi-kubernetes/sdk/v4/...=-N -l'",
].join(" ");

/** Where the package is. */
const checkout: Replacement = ["path: ../../..", `path: ${repository}`];

/** Makes the examples' programs ready to run: language hosts, SDKs of the package, what they are compiled with. */
export class LanguageWorkshop {
  private constructor(
    private readonly lab: Lab,
    readonly plugin: AttachedPlugin,
    private readonly folder: string,
  ) {}

  static async open(lab: Lab): Promise<LanguageWorkshop> {
    const plugin = await attachedPlugin();
    const folder = mkdtempSync(path.join(os.tmpdir(), "cluster-security-sdks-"));
    writeFileSync(path.join(folder, "schema.json"), plugin.schema);
    return new LanguageWorkshop(lab, plugin, folder);
  }

  /**
   * The example in a language, in a folder of its own.
   *
   * @throws ToolchainError "no-way" with what is missing on this machine
   */
  async program(language: Language): Promise<LanguageProgram> {
    const settings = {
      yaml: () => Promise.resolve({}),
      python: () => this.python(),
      go: () => this.go(),
      java: () => this.java(),
    };
    const setting: Setting = await settings[language]();
    await provideLanguages(this.lab.engine, [language]);
    const program = new LanguageProgram(language, setting);
    // what cannot be had is known before the first test
    await setting.build?.(program.folder);
    return program;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Writes the SDK of the package, and returns its folder. @throws ToolchainError "no-way" where no generator can be had */
  async sdk(language: Exclude<Language, "yaml"> | "csharp"): Promise<string> {
    const folder = path.join(this.folder, language);
    await generateSdk(language, path.join(this.folder, "schema.json"), folder);
    return folder;
  }

  private async python(): Promise<Setting> {
    const sdk = await this.sdk("python");
    const requirements = path.join(repository, "examples", "languages", "python", "requirements.txt");
    return { env: await pythonPackages(requirements, sdk) };
  }

  /** Pulumi's host builds the program at each operation; here what takes long in it is compiled before, and not linked. */
  private async go(): Promise<Setting> {
    const go = findOnPath("go", process.env["PATH"]);
    if (go === undefined) throw new ToolchainError("no-way", "no go on PATH");
    const sdk = await this.sdk("go");
    const env = { GOFLAGS: goFlags };
    const build = async (folder: string): Promise<void> => {
      const options = { cwd: folder, env: { ...process.env, ...env } };
      const { code, output } = await run(go, ["list", "-export", "."], options);
      if (code !== 0) throw new Error(`the program does not compile: ${output}`);
    };
    return { env, prepare: withSdk(sdk), build };
  }

  /** Pulumi's host has Maven compile the program at each operation; here it gets one that is compiled. */
  private async java(): Promise<Setting> {
    const java = new JavaBuild(files.java);
    const withPackage = withSdk(await this.sdk("java"));
    const prepare = (program: LanguageProgram): void => {
      withPackage(program);
      program.replace("Pulumi.yaml", [
        "runtime: java\n",
        `runtime:\n  name: java\n  options:\n    binary: ${javaBinary}\n`,
      ]);
      // Java's SDK asks for the provider of its own version, 4.0.0; the lab has the one that the others run on
      const list = "  providers:\n";
      program.replace("Pulumi.yaml", [
        list,
        `${list}    - name: kubernetes\n      path: ${kubernetesPlugin(this.lab.engine)}\n`,
      ]);
    };
    return { prepare, build: (folder) => java.build(folder) };
  }
}

/** Folder of Pulumi's Kubernetes provider, whose version is that of its SDK for Node. */
function kubernetesPlugin({ env }: Lab["engine"]): string {
  const manifest = readFileSync(require.resolve("@pulumi/kubernetes/package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  return path.join(env.PULUMI_HOME ?? "", "plugins", `resource-kubernetes-v${version}`);
}

/** Puts an SDK where `pulumi package add` writes it. */
function withSdk(sdk: string): (program: LanguageProgram) => void {
  return ({ folder }) => cpSync(sdk, path.join(folder, "sdks", "pulumi-cluster-security"), { recursive: true });
}

/** What `make` returns; where this machine lacks what it needs, the suite is skipped and says what that is. */
export async function orSkip<T>(context: Mocha.Context, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof ToolchainError) || error.code !== "no-way") throw error;
    console.log(`      skipped: ${error.message}`);
    return context.skip();
  }
}
