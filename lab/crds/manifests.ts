import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { CacheEntry, cacheFolder } from "../toolchain/cache";
import { requiredVersion } from "../toolchain/catalog";
import { downloadGoModule } from "../toolchain/go-modules";
import type { Progress } from "../toolchain/index";
import { streamProgress } from "../toolchain/index";
import type { CrdSetName } from "./catalog";
import { crdSets } from "./catalog";

/** Settings of everything that is read out of released modules. */
export interface ManifestOptions {
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: lines on standard error. */
  readonly progress?: Progress;
}

const pinFolder = path.resolve(__dirname, "..", "modules", "manifests");
const ciliumModule = "github.com/cilium/cilium";

/** The version of a module that the lab pins. */
export function pinnedVersion(module: string): string {
  return requiredVersion(readFileSync(path.join(pinFolder, "go.mod"), "utf8"), module);
}

/** The folder with the documents of a set, fetched once. */
export async function crdFolder(name: CrdSetName, options: ManifestOptions = {}): Promise<string> {
  const set = crdSets[name];
  return await fromModule(`crds-${name}`, set.module, pinnedVersion(set.module), set.paths, options);
}

/**
 * A local folder with Cilium's Helm chart, from the released Cilium module of that version ("1.20.2"; default: the one
 * that the lab pins). Versions that the lab's go.sum knows: 1.20.2, 1.19.1, 1.18.6; others are held against the public
 * checksum database.
 * @throws ToolchainError where it cannot be had
 */
export async function ciliumChart(version?: string, options: ManifestOptions = {}): Promise<string> {
  const wanted = (version ?? pinnedVersion(ciliumModule)).replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(wanted)) throw new Error(`${version} is no version of a chart`);
  const chart = "install/kubernetes/cilium";
  return path.join(await fromModule("chart-cilium", ciliumModule, wanted, [chart], options), chart);
}

async function fromModule(
  name: string,
  module: string,
  version: string,
  paths: readonly string[],
  options: ManifestOptions,
): Promise<string> {
  const env = options.env ?? process.env;
  const progress = options.progress ?? streamProgress();
  // which parts are kept belongs to the name: an entry with other parts is another entry
  const parts = createHash("sha256").update(paths.join("\n")).digest("hex").slice(0, 8);
  const entry = new CacheEntry(cacheFolder(env), "manifests", `${name}-${parts}`, version);
  const cached = await entry.find();
  if (typeof cached === "object") return cached.folder;
  return await entry.locked(
    async () => {
      const meanwhile = await entry.find();
      if (typeof meanwhile === "object") return meanwhile.folder;
      const step = progress.step(`fetching ${module} ${version}`);
      try {
        const made = await entry.put("download", async (folder) => {
          const source = await downloadGoModule(module, version, pinFolder, env);
          for (const part of paths) copyWritable(path.join(source, part), path.join(folder, part));
        });
        step.done();
        return made.folder;
      } catch (error) {
        step.fail();
        throw error;
      }
    },
    () => progress.note(`another start is fetching ${module} ${version}: waiting for it`),
  );
}

/** Go keeps module sources read-only; a copy that cannot be removed again would be a nuisance. */
function copyWritable(from: string, to: string): void {
  mkdirSync(path.dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: false });
  makeWritable(to);
}

function makeWritable(file: string): void {
  const stats = statSync(file);
  chmodSync(file, stats.mode | 0o200);
  if (stats.isDirectory()) for (const entry of readdirSync(file)) makeWritable(path.join(file, entry));
}
