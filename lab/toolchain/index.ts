import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { build, usableGo } from "./build";
import { CacheEntry, cacheFolder } from "./cache";
import type { Cached } from "./cache";
import type { Platform, Release, ToolName, ToolSpec } from "./catalog";
import { releaseOf, thisPlatform, toolSpec } from "./catalog";
import { download, fetchChecksum } from "./download";
import { ToolchainError } from "./errors";
import { executableIn, findOnPath } from "./lookup";
import type { Progress } from "./progress";
import { silentProgress, streamProgress } from "./progress";
import { run } from "./run";

export { cacheFolder } from "./cache";
export type { LanguageHostName, ToolName } from "./catalog";
export { releaseOf, toolNames } from "./catalog";
export { ToolchainError } from "./errors";
export type { Progress } from "./progress";
export { silentProgress, streamProgress } from "./progress";

/** Where a tool came from in this run: found on the machine ("path", also for an installed plugin), downloaded now, built now, or kept from an earlier run. */
export type ToolOrigin = "path" | "download" | "built" | "cache";

/** A program that runs here. */
export interface Tool {
  readonly name: ToolName;
  /** Absolute path. */
  readonly path: string;
  /** As the program itself says it, without a leading "v"; for the lab's own program a hash of its source. */
  readonly version: string;
  readonly origin: ToolOrigin;
}

/** The tools asked for. Only kube-controller-manager may be missing, see `provideTools`. */
export type ProvidedTools<N extends ToolName = ToolName> = Record<Exclude<N, "kube-controller-manager">, Tool> &
  ("kube-controller-manager" extends N ? { "kube-controller-manager"?: Tool } : unknown);

/** Settings; each has a default that suits a person at a terminal. */
export interface ToolchainOptions {
  /** Environment to look into: PATH, KUBEBUILDER_ASSETS, CLUSTER_SECURITY_CACHE … Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: lines on standard error once something takes long; nothing where all is there. */
  readonly progress?: Progress;
  /** Folder of the lab's sources with the go.mod files. Default: this checkout's. */
  readonly labFolder?: string;
  /** Turn a publisher's release into where it is really fetched from; for mirrors and tests. */
  readonly mirror?: (release: Release) => Release;
  /** Milliseconds a publisher has to answer. Default 4000. */
  readonly answerWithin?: number;
}

interface Context {
  readonly env: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly labFolder: string;
  readonly mirror: (release: Release) => Release;
  readonly answerWithin: number | undefined;
  readonly cache: string;
  readonly platform: Platform | undefined;
}

/**
 * Finds or makes each tool, in this order: KUBEBUILDER_ASSETS (control plane only) and PATH; the cache; the publisher's
 * release; built from its Go module. What is found on the machine is used as it is and nothing is built in its place.
 *
 * kube-controller-manager belongs to the API server it runs with: where the API server was found on the machine, the
 * manager is found there too, or fetched in exactly that version – it is never built beside an API server that is not
 * ours. Where there is none (the folders that KUBEBUILDER_ASSETS usually names hold none), nothing would ever be rolled
 * out: both are the lab's own then, or the manager is left out where those cannot be had.
 * @throws ToolchainError
 */
export async function provideTools<N extends ToolName>(
  names: readonly N[],
  options: ToolchainOptions = {},
): Promise<ProvidedTools<N>> {
  const context = contextOf(options);
  const found: Partial<Record<ToolName, Tool>> = {};
  // one after the other: each build uses every core by itself
  for (const name of names) {
    if (name === "kube-controller-manager") {
      const server = found["kube-apiserver"] ?? (await findOnMachine(toolSpec("kube-apiserver"), context));
      if (server?.origin !== "path") found[name] = await provide(name, context);
      else Object.assign(found, await managed(server, context));
    } else {
      found[name] = await provide(name, context);
    }
  }
  return found as ProvidedTools<N>;
}

/**
 * Where each tool would come from, without making anything: "path", "cache", or undefined where it would have to be
 * downloaded or built.
 */
export async function findTools(
  names: readonly ToolName[],
  options: ToolchainOptions = {},
): Promise<Partial<Record<ToolName, Tool>>> {
  const context = contextOf(options);
  const found: Partial<Record<ToolName, Tool>> = {};
  for (const name of names) {
    const spec = toolSpec(name);
    const tool = (await findOnMachine(spec, context)) ?? (await findInCache(spec, context));
    if (tool) found[name] = tool;
  }
  return found;
}

/** A found API server with its manager; without one the lab's own pair, or the server alone where that cannot be had. */
async function managed(server: Tool, context: Context): Promise<Partial<Record<ToolName, Tool>>> {
  const beside = await managerBeside(server, context);
  if (beside) return { "kube-controller-manager": beside };
  try {
    const pair = {
      "kube-apiserver": await provide("kube-apiserver", context, "own"),
      "kube-controller-manager": await provide("kube-controller-manager", context, "own"),
    };
    context.progress.note(`${server.path} has no kube-controller-manager of its version: the lab's own pair is used`);
    return pair;
  } catch (error) {
    if (error instanceof ToolchainError && error.code === "no-way") return {};
    throw error;
  }
}

function contextOf(options: ToolchainOptions): Context {
  const env = options.env ?? process.env;
  return {
    env,
    progress: options.progress ?? streamProgress(),
    labFolder: options.labFolder ?? path.resolve(__dirname, ".."),
    mirror: options.mirror ?? ((release) => release),
    answerWithin: options.answerWithin,
    cache: cacheFolder(env),
    platform: thisPlatform(),
  };
}

/** A plugin that Pulumi has installed for this user, in exactly this version: its folder says which one it is. */
function findPlugin(spec: ToolSpec, context: Context): Tool | undefined {
  if (!spec.pluginFolder) return undefined;
  const { PULUMI_HOME, HOME } = context.env;
  const home = PULUMI_HOME ?? path.join(HOME || homedir(), ".pulumi");
  const version = releaseOf(spec.version(context.labFolder));
  const file = executableIn(path.join(home, "plugins", spec.pluginFolder(version)), spec.name);
  if (!file || liesIn(context.cache, file)) return undefined;
  return { name: spec.name, path: file, version, origin: "path" };
}

async function findOnMachine(spec: ToolSpec, context: Context): Promise<Tool | undefined> {
  const plugin = findPlugin(spec, context);
  if (plugin) return plugin;
  const assets = context.env.KUBEBUILDER_ASSETS;
  const candidates = [
    spec.kubebuilderAsset && assets ? executableIn(assets, spec.name) : undefined,
    spec.onPath ? findOnPath(spec.name, context.env.PATH) : undefined,
  ];
  for (const candidate of candidates) {
    // a link into our own cache (a lab's bin folder on PATH) is the cache's to verify
    if (!candidate || liesIn(context.cache, candidate)) continue;
    const version = await versionOf(spec, candidate, context.env);
    if (version) return { name: spec.name, path: candidate, version, origin: "path" };
    context.progress.note(`${candidate} does not tell its version and is passed over`);
  }
  return undefined;
}

async function findInCache(spec: ToolSpec, context: Context, version?: string): Promise<Tool | undefined> {
  const wanted = version ?? spec.version(context.labFolder);
  const cached = await new CacheEntry(context.cache, "tools", spec.name, wanted).find();
  if (cached === "absent" || cached === "altered") return undefined;
  return { name: spec.name, path: path.join(cached.folder, spec.name), version: wanted, origin: "cache" };
}

async function provide(name: ToolName, context: Context, which: "any" | "own" = "any"): Promise<Tool> {
  const spec = toolSpec(name);
  const found = which === "any" ? await findOnMachine(spec, context) : undefined;
  if (found) return found;
  const version = spec.version(context.labFolder);
  const entry = new CacheEntry(context.cache, "tools", name, version);
  const cached = await entry.find();
  if (typeof cached === "object") return { name, path: path.join(cached.folder, spec.name), version, origin: "cache" };
  return await entry.locked(
    async (lost) => {
      // another start may have made it while this one waited
      const meanwhile = await entry.find();
      if (typeof meanwhile === "object")
        return { name, path: path.join(meanwhile.folder, name), version, origin: "cache" };
      if (meanwhile === "altered") {
        context.progress.note(`${entry.folder} is not what was put there (sha256 differs): it is made again`);
      }
      const made = (await tryDownload(spec, entry, context, lost)) ?? (await tryBuild(spec, entry, context, lost));
      return { name, path: path.join(made.folder, spec.name), version, origin: made.origin };
    },
    () => context.progress.note(`another start is providing ${name} ${version}: waiting for it`),
  );
}

/** kube-controller-manager for an API server that was found on the machine: found, cached or fetched, never built. */
async function managerBeside(server: Tool, context: Context): Promise<Tool | undefined> {
  const spec = toolSpec("kube-controller-manager");
  const beside = executableIn(path.dirname(server.path), spec.name);
  const besideVersion = beside ? await versionOf(spec, beside, context.env) : undefined;
  if (beside && besideVersion) return { name: spec.name, path: beside, version: besideVersion, origin: "path" };
  const found = await findOnMachine(spec, context);
  // another minor version is not supported beside this API server when it is newer; exactly the same is always right
  if (found?.version === server.version) return found;
  const cached = await findInCache(spec, context, server.version);
  if (cached) return cached;
  const entry = new CacheEntry(context.cache, "tools", spec.name, server.version);
  const made = await entry.locked(
    (lost) => tryDownload(spec, entry, context, lost),
    () => context.progress.note(`another start is providing ${spec.name} ${server.version}: waiting for it`),
  );
  return (
    made && { name: spec.name, path: path.join(made.folder, spec.name), version: server.version, origin: made.origin }
  );
}

async function tryDownload(
  spec: ToolSpec,
  entry: CacheEntry,
  context: Context,
  lost: AbortSignal,
): Promise<Cached | undefined> {
  const offered = context.platform && spec.release(entry.version, context.platform);
  if (!offered) return undefined;
  const release = context.mirror(offered);
  const expected = await fetchChecksum(release, { answerWithin: context.answerWithin, signal: lost });
  if (!expected) return undefined;
  const step = context.progress.step(`downloading ${spec.name} ${entry.version}`);
  const part = path.join(path.dirname(entry.folder), `${entry.version}.part`);
  try {
    await download(release, expected, part, { signal: lost, step });
    const made = await entry.put("download", async (folder) => {
      await unpack(release, part, folder, spec.name);
      await mustRun(spec, folder, context.env);
    });
    rmSync(part, { force: true });
    step.done();
    return made;
  } catch (error) {
    if (error instanceof ToolchainError || lost.aborted) {
      step.fail();
      throw error;
    }
    step.fail(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Puts the files of a downloaded release into `folder`: the program itself, or what the archive's folder holds. */
async function unpack(release: Release, file: string, folder: string, name: string): Promise<void> {
  if (release.archiveFolder === undefined) {
    cpSync(file, path.join(folder, name));
    chmodSync(path.join(folder, name), 0o755);
    return;
  }
  const inside = path.join(folder, ".archive");
  mkdirSync(inside);
  const result = await run("tar", ["-xzf", file, "-C", inside, "--no-same-owner"]);
  if (result.code !== 0) throw new Error(`tar could not unpack the release: ${result.stderr.trim()}`);
  const source = path.join(inside, release.archiveFolder);
  for (const entry of readdirSync(source, { withFileTypes: true })) {
    if (!entry.isFile() || (release.keep && !release.keep.includes(entry.name))) continue;
    renameSync(path.join(source, entry.name), path.join(folder, entry.name));
  }
  rmSync(inside, { recursive: true });
}

async function tryBuild(spec: ToolSpec, entry: CacheEntry, context: Context, lost: AbortSignal): Promise<Cached> {
  const go = await usableGo(spec, context);
  if ("reason" in go) throw new ToolchainError("no-way", threeWays(spec, entry.version, go.reason));
  const step = context.progress.step(`building ${spec.name} ${entry.version} from its Go module, once`);
  try {
    const made = await entry.put("built", async (folder) => {
      await build(spec, entry.version, go.go, folder, {
        labFolder: context.labFolder,
        env: context.env,
        signal: lost,
        step,
      });
      await mustRun(spec, folder, context.env);
    });
    step.done();
    return made;
  } catch (error) {
    step.fail();
    throw error;
  }
}

/** What to do on a machine that has none of the ways. */
function threeWays(spec: ToolSpec, version: string, goReason: string): string {
  const plugin = spec.pluginFolder?.(version);
  const first = plugin
    ? `install it with Pulumi, as plugins/${plugin} in its home`
    : spec.onPath
      ? `put ${spec.name} on PATH` +
        (spec.kubebuilderAsset ? ", or name a folder with etcd and kube-apiserver in KUBEBUILDER_ASSETS" : "")
      : undefined;
  const platform = thisPlatform();
  const release = platform && spec.release(version, platform);
  const ways = [
    first,
    release ? `let this machine reach ${new URL(release.url).host}, where its publisher offers it` : undefined,
    `install Go 1.26 or newer, which builds it once from its module (${goReason})`,
  ].filter((way) => way !== undefined);
  const count = ["", "one way", "two ways", "three ways"][ways.length] ?? "";
  const list = ways.map((way, index) => `  ${index + 1}. ${way}`).join("\n");
  return `${spec.name} ${version} is not here. There ${ways.length === 1 ? "is" : "are"} ${count} to get it:\n${list}`;
}

async function mustRun(spec: ToolSpec, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (await versionOf(spec, path.join(folder, spec.name), env)) return;
  throw new ToolchainError("unusable", `${spec.name} was made but does not run on this machine`);
}

/** The version a program tells about itself, without "v"; undefined where it cannot be run or says none. */
async function versionOf(spec: ToolSpec, file: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const quiet = { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" };
    const result = await run(file, spec.versionArgs, { env: quiet, timeout: 120_000 });
    if (result.code !== 0) return undefined;
    const said = result[spec.versionStream ?? "stdout"];
    return /\bv?(\d+\.\d+\.\d+[\w.+-]*)/.exec(said)?.[1] ?? (spec.onPath ? undefined : said.trim());
  } catch {
    return undefined;
  }
}

function liesIn(folder: string, file: string): boolean {
  if (!existsSync(folder)) return false;
  const relative = path.relative(realpathSync(folder), realpathSync(file));
  return !relative.startsWith("..") && !path.isAbsolute(relative);
}

/** Progress that keeps quiet when told to. */
export function progressFor(quiet: boolean | undefined): Progress {
  return quiet ? silentProgress : streamProgress();
}
