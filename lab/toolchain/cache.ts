import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { lock } from "proper-lockfile";
import { executableIn } from "./lookup";

/** How a cached tool came into the cache. */
export type CachedOrigin = "download" | "built";

/** `tool.json`, beside the files of one version. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly origin: CachedOrigin;
  /** sha256 of each file, by its name. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** A tool found in the cache whose files are what was put there. */
export interface CachedTool {
  readonly path: string;
  readonly origin: CachedOrigin;
}

const manifestName = "tool.json";
const halfMade = ".making-";

/**
 * Where downloads and builds are kept: CLUSTER_SECURITY_CACHE, else pulumi-cluster-security below XDG_CACHE_HOME, else
 * below ~/.cache. Relative values are taken from the current folder.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.CLUSTER_SECURITY_CACHE) return path.resolve(env.CLUSTER_SECURITY_CACHE);
  // the XDG rules: a relative path there is to be ignored
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg && path.isAbsolute(xdg) ? xdg : path.join(env.HOME || homedir(), ".cache");
  return path.join(base, "pulumi-cluster-security");
}

/** sha256 of a file's content, in hex. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** One version of one tool: `<cache>/tools/<name>/<version>/`. */
export class CacheEntry {
  readonly folder: string;

  constructor(
    cache: string,
    readonly name: string,
    readonly version: string,
  ) {
    this.folder = path.join(cache, "tools", name, version);
  }

  /**
   * The cached tool, or why it cannot be used: "absent", or "altered" where a file is not what was put there. Every file
   * of the version is read and compared, since a program may load the ones beside it.
   */
  async find(): Promise<CachedTool | "absent" | "altered"> {
    const manifest = this.readManifest();
    if (!manifest) return "absent";
    if (!manifest.sha256[this.name]) return "altered";
    const expected = Object.entries(manifest.sha256);
    const present = readdirSync(this.folder).filter((file) => file !== manifestName);
    if (present.length !== expected.length) return "altered";
    const same = await Promise.all(
      expected.map(async ([file, sum]) => present.includes(file) && (await sha256(path.join(this.folder, file))) === sum),
    );
    const program = executableIn(this.folder, this.name);
    return same.every(Boolean) && program ? { path: program, origin: manifest.origin } : "altered";
  }

  private readManifest(): Manifest | undefined {
    try {
      return JSON.parse(readFileSync(path.join(this.folder, manifestName), "utf8")) as Manifest;
    } catch {
      // the manifest is written before the folder gets its name: without one there is nothing to use
      return undefined;
    }
  }

  /**
   * Makes the tool with `make`, which puts its files into the folder it is given, and puts it into the cache in one
   * step: a version folder exists whole or not at all. What an interrupted run left is removed. Call it under `locked`.
   */
  async put(origin: CachedOrigin, make: (folder: string) => Promise<void>): Promise<CachedTool> {
    const parent = path.dirname(this.folder);
    mkdirSync(parent, { recursive: true });
    const prefix = `${halfMade}${this.version}-`;
    for (const left of readdirSync(parent)) {
      if (left.startsWith(prefix)) rmSync(path.join(parent, left), { recursive: true, force: true });
    }
    const folder = path.join(parent, `${prefix}${randomBytes(4).toString("hex")}`);
    mkdirSync(folder);
    try {
      await make(folder);
      const files = readdirSync(folder);
      const sums = await Promise.all(files.map(async (file) => [file, await sha256(path.join(folder, file))] as const));
      const manifest: Manifest = { name: this.name, version: this.version, origin, sha256: Object.fromEntries(sums) };
      writeFileSync(path.join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
      rmSync(this.folder, { recursive: true, force: true });
      renameSync(folder, this.folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return { path: path.join(this.folder, this.name), origin };
  }

  /**
   * Runs `work` while no other process provides this version. `waiting` is called once when another one does. The signal
   * given to `work` aborts when the lock is lost (a machine that slept, a deleted folder).
   */
  async locked<T>(work: (lost: AbortSignal) => Promise<T>, waiting: () => void): Promise<T> {
    const parent = path.dirname(this.folder);
    mkdirSync(parent, { recursive: true });
    const lost = new AbortController();
    let told = false;
    for (;;) {
      let release: () => Promise<void>;
      try {
        release = await lock(parent, {
          lockfilePath: `${this.folder}.lock`,
          stale: 20_000,
          update: 4_000,
          onCompromised: (error) => lost.abort(error),
        });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
        if (!told) waiting();
        told = true;
        await new Promise((resolve) => setTimeout(resolve, 500));
        continue;
      }
      try {
        return await work(lost.signal);
      } finally {
        // a lock that was lost cannot be released; that error would hide the real one
        await release().catch(() => undefined);
      }
    }
  }
}
