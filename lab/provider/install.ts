/**
 * Puts the lab's Kubernetes provider where the engine looks for plugins. The program is bundled into one file (0.2 s to
 * start instead of 1 s from sources); a bundle of the same sources is used again.
 */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import path from "node:path";

const sourceFolder = __dirname;
const root = path.resolve(__dirname, "..", "..");
const executable = "pulumi-resource-kubernetes";

export interface InstalledProvider {
  /** Version that it reports: that of the installed @pulumi/kubernetes. */
  version: string;
  /** The plugin's folder inside `PULUMI_HOME`. */
  folder: string;
  executable: string;
}

export interface InstallOptions {
  /** The engine's home (`PULUMI_HOME`); the plugin goes to its `plugins` folder. */
  pulumiHome: string;
  /** The lab's Helm program (see lab/helm); without it Helm Releases are refused with a sentence that says so. */
  helm?: string | undefined;
  /** Folder of an unpacked Cilium chart by version, for when no repository can be reached: see `release.ts`. */
  ciliumChart?: string | undefined;
}

/** The version of the installed @pulumi/kubernetes, which is the provider's version too. */
export async function kubernetesVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(require.resolve("@pulumi/kubernetes/package.json"), "utf8")) as { version: string };
  return manifest.version;
}

/** Installs the provider into `pulumiHome`. Safe to call at the same time from several processes. */
export async function installProvider(options: InstallOptions): Promise<InstalledProvider> {
  const version = await kubernetesVersion();
  const folder = path.join(options.pulumiHome, "plugins", `resource-kubernetes-v${version}`);
  await mkdir(folder, { recursive: true });
  const bundle = path.join(folder, `provider-${await sourceHash(version)}.cjs`);
  if (!(await exists(bundle))) await writeBundle(bundle, version);
  const environment = { LAB_HELM: options.helm, LAB_CILIUM_CHART: options.ciliumChart };
  const assignments = Object.entries(environment)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=\${${name}:-${quote(value)}}\nexport ${name}\n`);
  const script = `#!/bin/sh\n${assignments.join("")}exec ${quote(process.execPath)} ${quote(bundle)} "$@"\n`;
  const target = path.join(folder, executable);
  await replaceFile(target, script, 0o755);
  return { version, folder, executable: target };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** A bundle is good for as long as the sources and the installed packages stay what they are. */
async function sourceHash(version: string): Promise<string> {
  const hash = createHash("sha256").update(version).update(process.version);
  const names = (await readdir(sourceFolder)).filter((name) => name.endsWith(".ts")).sort();
  for (const name of names) hash.update(name).update(await readFile(path.join(sourceFolder, name)));
  hash.update(await readFile(path.join(root, "package-lock.json")));
  return hash.digest("hex").slice(0, 16);
}

async function writeBundle(target: string, version: string): Promise<void> {
  // only needed when something changed, and slow to load
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [path.join(sourceFolder, "main.ts")],
    bundle: true,
    write: false,
    platform: "node",
    target: "node20",
    format: "cjs",
    define: { KUBERNETES_VERSION: JSON.stringify(version) },
    logLevel: "silent",
  });
  const text = result.outputFiles[0]?.text;
  if (text === undefined) throw new Error("the provider could not be bundled");
  await replaceFile(target, text, 0o644);
}

/** Writes beside the target and renames, so that nobody ever runs half a file. */
async function replaceFile(target: string, text: string, mode: number): Promise<void> {
  const temporary = `${target}.${process.pid}.${Date.now()}.tmp`;
  await writeFile(temporary, text);
  await chmod(temporary, mode);
  await rename(temporary, target);
}
