import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ToolSpec } from "./catalog";
import { requiredVersion } from "./catalog";
import { ToolchainError } from "./errors";
import { downloadGoModule } from "./go-modules";
import { findOnPath } from "./lookup";
import type { Step } from "./progress";
import { run } from "./run";

export interface BuildOptions {
  readonly labFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly step: Step;
}

/** The environment of every build: what is compiled depends on our go.mod and go.sum only. */
function goEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off" };
}

/**
 * The Go program that can build the tool, or why there is none. A Go older than the go.mod asks for fetches the newer
 * one by itself where it may; asking for GOVERSION inside the module finds out.
 */
export async function usableGo(
  spec: ToolSpec,
  options: { labFolder: string; env: NodeJS.ProcessEnv },
): Promise<{ go: string } | { reason: string }> {
  const go = findOnPath("go", options.env.PATH);
  if (!go) return { reason: "no go on PATH" };
  const folder = path.join(options.labFolder, spec.moduleFolder);
  const result = await run(go, ["env", "GOVERSION"], {
    cwd: folder,
    env: goEnvironment(options.env),
    timeout: 120_000,
  });
  if (result.code !== 0) return { reason: `${go} cannot build it: ${lastLine(result.stderr)}` };
  return { go };
}

/**
 * Compiles the tool into `folder`. Go keeps each compiled package, so an interrupted build goes on where it was.
 * @throws ToolchainError "build-failed" with the compiler's last lines
 */
export async function build(
  spec: ToolSpec,
  version: string,
  go: string,
  folder: string,
  options: BuildOptions,
): Promise<void> {
  const scratch = mkdtempSync(path.join(tmpdir(), "cluster-security-"));
  try {
    const overlay = await overlayOf(spec, scratch, options);
    await compile(spec, version, go, folder, overlay, options);
    await addScript(spec, version, folder, options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Go's own way to compile files that lie elsewhere: the arguments that lay them over the package's folder. */
async function overlayOf(spec: ToolSpec, scratch: string, options: BuildOptions): Promise<string[]> {
  const { embeds } = spec;
  if (!embeds) return [];
  const folder = path.join(options.labFolder, spec.moduleFolder);
  const version = requiredVersion(readFileSync(path.join(folder, "go.mod"), "utf8"), embeds.module);
  const source = await downloadGoModule(embeds.module, version, folder, options.env);
  const laid = Object.entries(embeds.files).map(([name, there]) => [path.join(folder, name), path.join(source, there)]);
  const file = path.join(scratch, "overlay.json");
  writeFileSync(file, JSON.stringify({ Replace: Object.fromEntries(laid) as Record<string, string> }));
  return ["-overlay", file];
}

async function addScript({ script, moduleFolder }: ToolSpec, version: string, folder: string, options: BuildOptions) {
  if (!script) return;
  const pins = path.join(options.labFolder, moduleFolder);
  const source = await downloadGoModule(script.module, version, pins, options.env);
  const file = path.join(folder, path.basename(script.file));
  copyFileSync(path.join(source, script.file), file);
  // a module's files are read-only
  chmodSync(file, 0o755);
}

async function compile(
  spec: ToolSpec,
  version: string,
  go: string,
  folder: string,
  overlay: readonly string[],
  options: BuildOptions,
): Promise<void> {
  let downloaded = 0;
  let compiled = 0;
  const tags = spec.tags === undefined ? [] : ["-tags", spec.tags];
  const target = ["-ldflags", spec.ldflags(version), "-o", path.join(folder, spec.name), spec.goPackage];
  const result = await run(go, ["build", "-v", "-trimpath", ...overlay, ...tags, ...target], {
    cwd: path.join(options.labFolder, spec.moduleFolder),
    env: goEnvironment(options.env),
    signal: options.signal,
    onStderrLine: (line) => {
      if (line.startsWith("go: downloading")) downloaded += 1;
      else if (/^[\w.\-/]+$/.test(line)) compiled += 1;
      options.step.update(compiled > 0 ? `${compiled} packages compiled` : `${downloaded} modules fetched`);
    },
  });
  if (result.signal) throw new ToolchainError("interrupted", `the build of ${spec.name} was stopped`);
  if (result.code !== 0) {
    const lines = result.stderr.split("\n").filter((line) => line && !/^[\w.\-/]+$/.test(line));
    const said = lines.filter((line) => !line.startsWith("go: downloading")).slice(-5);
    throw new ToolchainError("build-failed", `building ${spec.name} ${version} failed:\n  ${said.join("\n  ")}`);
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
