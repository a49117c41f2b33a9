/** Compiles programs in Java: what they stand on once, with Maven, and each program into a JAR that Pulumi's host starts. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ToolchainError } from "../../lab/toolchain/index";
import { findOnPath } from "../../lab/toolchain/lookup";
import { run } from "./shared-lab";

/** What Pulumi's host starts, in a program's folder: `runtime.options.binary` of its Pulumi.yaml. */
export const javaBinary = "program.jar";

/** Builds programs of one folder. */
export class JavaBuild {
  #classPath: string | undefined;

  /** @throws ToolchainError "no-way" where there is no JDK or no Maven */
  constructor(private readonly source: string) {
    for (const name of ["mvn", "javac", "jar"]) {
      if (findOnPath(name, process.env["PATH"]) === undefined) throw new ToolchainError("no-way", `no ${name} on PATH`);
    }
  }

  /** @throws Error where the program does not compile, with what the compiler says */
  async build(folder: string): Promise<void> {
    // Maven starts a compiler for all of the SDK, which takes longer than everything else that a test does
    this.#classPath ??= await compiledWithMaven(folder);
    const classes = path.join(folder, "target", "classes");
    await must(folder, "javac", ["-nowarn", "-d", classes, "-cp", this.#classPath, path.join(folder, this.source)]);
    const manifest = path.join(folder, "manifest.txt");
    writeFileSync(manifest, manifestOf("bookshop.App", this.#classPath.split(path.delimiter)));
    await must(folder, "jar", ["--create", "--file", javaBinary, "--manifest", manifest]);
  }
}

/** Compiles what lies in a folder; what it is run with. @throws ToolchainError "no-way" where Maven does not get its packages */
async function compiledWithMaven(folder: string): Promise<string> {
  const compile = ["--batch-mode", "--quiet", "compile"];
  // the plugin that starts programs knows what they are started with
  const print = ["exec:exec", "-Dexec.executable=echo", "-Dexec.args=%classpath"];
  const { code, output } = await run("mvn", [...compile, ...print], { cwd: folder });
  const lines = output.split("\n");
  const classes = path.join(folder, "target", "classes");
  // Maven wraps what it prints in colours, whatever it prints to
  const printed = lines.map((line) => line.slice(line.indexOf(classes))).find((line) => line.startsWith(classes));
  if (code === 0 && printed !== undefined) return printed;
  const problem = lines.find((line) => line.includes("ERROR")) ?? "mvn fails";
  if (/Could not (?:resolve|transfer|find)/.test(output)) throw new ToolchainError("no-way", problem);
  throw new Error(output);
}

async function must(cwd: string, command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await run(command, args, { cwd });
  if (code !== 0) throw new Error(`${command}: ${output}`);
}

/** A manifest (https://docs.oracle.com/en/java/javase/17/docs/specs/jar/jar.html): lines of at most 72 bytes, continued by a space. */
function manifestOf(main: string, classPath: readonly string[]): string {
  const places = classPath.map((place) => `file:${place}${place.endsWith(".jar") ? "" : "/"}`);
  const [first = "", ...rest] = `Class-Path: ${places.join(" ")}`.match(/.{1,70}/g) ?? [];
  return `Main-Class: ${main}\n${[first, ...rest.map((line) => ` ${line}`)].join("\n")}\n`;
}
