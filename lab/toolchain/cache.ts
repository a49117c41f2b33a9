import { createHash, randomBytes } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { lock } from "proper-lockfile";

/** How something cached came into the cache. */
export type CachedOrigin = "download" | "built";

/** `manifest.json`, beside the files of one version. */
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly origin: CachedOrigin;
  /** sha256 of each file, by its path below the folder. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** An entry of the cache whose files are what was put there. */
export interface Cached {
  readonly folder: string;
  readonly origin: CachedOrigin;
}

const manifestName = "manifest.json";
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
async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Paths of all files below a folder, relative to it, sorted. A link counts as a file. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

/** One version of one thing: `<cache>/tools/<name>/<version>/` for programs, `<cache>/manifests/…` for documents. */
export class CacheEntry {
  readonly folder: string;

  constructor(
    cache: string,
    kind: "tools" | "manifests",
    readonly name: string,
    readonly version: string,
  ) {
    this.folder = path.join(cache, kind, name, version);
  }

  /**
   * What is cached, or why it cannot be used: "absent", or "altered" where a file is not what was put there. Every file of
   * the version is read and compared, since a program may load the ones beside it.
   */
  async find(): Promise<Cached | "absent" | "altered"> {
    const manifest = this.readManifest();
    if (!manifest) return "absent";
    const present = filesBelow(this.folder).filter((file) => file !== manifestName);
    const expected = Object.entries(manifest.sha256);
    if (expected.length === 0 || present.length !== expected.length) return "altered";
    for (const [file, sum] of expected) {
      if (!present.includes(file) || (await sha256(path.join(this.folder, file))) !== sum) return "altered";
    }
    return { folder: this.folder, origin: manifest.origin };
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
   * Makes it with `make`, which puts its files into the folder it is given, and adds it to the cache in one
   * step: a version folder exists whole or not at all. What an interrupted run left is removed. Call it under `locked`.
   */
  async put(origin: CachedOrigin, make: (folder: string) => Promise<void>): Promise<Cached> {
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
      const files = filesBelow(folder);
      const sums = await Promise.all(files.map(async (file) => [file, await sha256(path.join(folder, file))] as const));
      const manifest: Manifest = { name: this.name, version: this.version, origin, sha256: Object.fromEntries(sums) };
      writeFileSync(path.join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
      rmSync(this.folder, { recursive: true, force: true });
      renameSync(folder, this.folder);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return { folder: this.folder, origin };
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
          stale: 10_000,
          update: 2_000,
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
