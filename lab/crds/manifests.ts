import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CacheEntry, cacheFolder } from "../toolchain/cache";
import { requiredVersion } from "../toolchain/catalog";
import { ToolchainError } from "../toolchain/errors";
import { downloadGoModule } from "../toolchain/go-modules";
import type { Progress } from "../toolchain/index";
import { streamProgress } from "../toolchain/index";
import type { CrdSetName } from "./catalog";
import { crdSets } from "./catalog";
import checksums from "./checksums.json";
import { fetchPublishedFiles, publishedAt, verifyChecksum } from "./published-files";

/** Settings of everything that is read out of releases. */
export interface ManifestOptions {
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: lines on standard error. */
  readonly progress?: Progress;
  /** Where a release's files are really fetched from; for mirrors and tests. */
  readonly mirror?: (base: string) => string;
  /** Milliseconds that a publisher has to answer. Default 4000. */
  readonly answerWithin?: number;
}

/** Where the modules that manifests and charts come from are pinned. */
export const pinFolder = path.resolve(__dirname, "..", "modules", "manifests");
const ciliumModule = "github.com/cilium/cilium";
const calicoModule = "github.com/projectcalico/calico";
const fluxModule = "github.com/fluxcd/kustomize-controller";

/** The version of a module that the lab pins, without "v". */
export function pinnedVersion(module: string): string {
  return requiredVersion(readFileSync(path.join(pinFolder, "go.mod"), "utf8"), module);
}

/**
 * The folder with the documents of a set. Fetched once: from where the project publishes its release file by file, else
 * out of its Go module. Either way each file must be the one whose sha256 is in checksums.json.
 * @throws ToolchainError
 */
export async function crdFolder(name: CrdSetName, options: ManifestOptions = {}): Promise<string> {
  const { module, paths } = crdSets[name];
  const version = pinnedVersion(module);
  const known =
    (checksums as Readonly<Record<string, Readonly<Record<string, string>>>>)[`${module}@v${version}`] ?? {};
  const wanted = Object.entries(known).filter(([file]) =>
    paths.some((part) => file === part || file.startsWith(`${part}/`)),
  );
  if (wanted.length === 0) throw new Error(`checksums.json knows no file of ${module} ${version} for ${name}`);
  const files = Object.fromEntries(wanted);
  // the content belongs to the name of the entry: another choice of files is another entry
  const content = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 8);
  return await cached(`crds-${name}`, `${version}-${content}`, `${module} ${version}`, options, async (folder) => {
    const base = publishedAt(module, version);
    const from = base && (options.mirror ?? ((url: string) => url))(base);
    if (from && (await fetchPublishedFiles(from, files, folder, options.answerWithin ?? 4000))) return;
    const source = await downloadGoModule(module, version, pinFolder, options.env).catch((error: unknown) => {
      throw from === undefined ? error : withOtherWay(error, new URL(from).host);
    });
    for (const [file, sum] of wanted) {
      const content = readFileSync(path.join(source, file));
      verifyChecksum(`${module} ${version} ${file}`, content, sum);
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), content);
    }
  });
}

/**
 * A local folder with Cilium's Helm chart, out of the released Cilium module of that version ("1.20.2"; default: the one
 * that the lab pins). Versions that the lab's go.sum knows: 1.20.2, 1.19.1, 1.18.6; others are checked against the public
 * checksum database.
 * @throws ToolchainError where it cannot be had
 */
export async function ciliumChart(version?: string, options: ManifestOptions = {}): Promise<string> {
  const wanted = (version ?? pinnedVersion(ciliumModule)).replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(wanted)) throw new Error(`${version} is no version of a chart`);
  const inModule = "install/kubernetes/cilium";
  const folder = await cached("chart-cilium", wanted, `${ciliumModule} ${wanted}`, options, async (target) => {
    const source = await downloadGoModule(ciliumModule, wanted, pinFolder, options.env);
    copyWritable(path.join(source, inModule), path.join(target, "cilium"));
  });
  return path.join(folder, "cilium");
}

/**
 * A local folder with the C sources of Cilium's BPF programs, out of the released Cilium module of that version ("1.20.2"):
 * the agent compiles them for the machine it runs on.
 * @throws ToolchainError where they cannot be had
 */
export async function ciliumBpfSources(version: string, options: ManifestOptions = {}): Promise<string> {
  return await cached("bpf-cilium", version, `${ciliumModule} ${version}`, options, async (target) => {
    const source = await downloadGoModule(ciliumModule, version, pinFolder, options.env);
    for (const entry of readdirSync(path.join(source, "bpf"))) {
      // their own tests are a hundred times as large
      if (/^(tests|complexity-tests)$/.test(entry)) continue;
      copyWritable(path.join(source, "bpf", entry), path.join(target, "bpf", entry));
    }
  });
}

/**
 * A local folder with the definitions that Calico's Felix and API server keep their objects in (crd.projectcalico.org), and
 * those of the policies that it reads besides, out of the module that both are built from.
 * @throws ToolchainError where they cannot be had
 */
export async function calicoDefinitions(options: ManifestOptions = {}): Promise<string> {
  return await definitionsOf("calico", calicoModule, "libcalico-go/config/crd", options);
}

/**
 * A local folder with the definition of Flux's Kustomization, out of the module that the lab builds kustomize-controller
 * from. Those of its sources are in no module.
 * @throws ToolchainError where it cannot be had
 */
export async function fluxDefinitions(options: ManifestOptions = {}): Promise<string> {
  return await definitionsOf("flux", fluxModule, "config/crd/bases", options);
}

/** A folder of definitions in the module that a folder of the lab pins. */
async function definitionsOf(
  room: string,
  module: string,
  inModule: string,
  options: ManifestOptions,
): Promise<string> {
  const pins = path.resolve(pinFolder, "..", room);
  const version = requiredVersion(readFileSync(path.join(pins, "go.mod"), "utf8"), module);
  return await cached(`crds-${room}`, version, `${module} ${version}`, options, async (target) => {
    const source = await downloadGoModule(module, version, pins, options.env);
    copyWritable(path.join(source, inModule), path.join(target, "crd"));
  });
}

/** Where there is no Go the other way is worth naming. */
function withOtherWay(error: unknown, host: string): unknown {
  if (!(error instanceof ToolchainError) || error.code !== "no-way") return error;
  return new ToolchainError("no-way", `${error.message} – or a way to ${host}, where it is published`, {
    cause: error,
  });
}

/** What lies in the cache under this name and version; `make` fills the folder where nothing does. */
export async function cached(
  name: string,
  version: string,
  what: string,
  options: ManifestOptions,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const progress = options.progress ?? streamProgress();
  const entry = new CacheEntry(cacheFolder(options.env), "manifests", name, version);
  const found = await entry.find();
  if (typeof found === "object") return found.folder;
  return await entry.locked(
    async () => {
      const meanwhile = await entry.find();
      if (typeof meanwhile === "object") return meanwhile.folder;
      const step = progress.step(`fetching ${name} from ${what}`);
      try {
        const made = await entry.put("download", make);
        step.done();
        return made.folder;
      } catch (error) {
        step.fail();
        throw error;
      }
    },
    () => progress.note(`another start is fetching ${name} ${version}: waiting for it`),
  );
}

/** Go keeps module sources read-only; a copy that cannot be removed again would be a nuisance. */
export function copyWritable(from: string, to: string): void {
  mkdirSync(path.dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
  makeWritable(to);
}

function makeWritable(file: string): void {
  const stats = statSync(file);
  chmodSync(file, stats.mode | 0o200);
  if (stats.isDirectory()) for (const entry of readdirSync(file)) makeWritable(path.join(file, entry));
}
