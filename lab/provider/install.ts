/**
 * Makes the lab's Kubernetes provider a program that the engine can start. It is bundled into one file, which starts in
 * 0.2 s instead of the second that the sources take; a bundle of the same sources is used again.
 */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";

const sourceFolder = __dirname;
const labFolder = path.resolve(__dirname, "..");
const root = path.resolve(labFolder, "..");

/** The version of the installed @pulumi/kubernetes, which is the version that the provider reports. */
export function kubernetesVersion(): string {
  const manifest = readFileSync(require.resolve("@pulumi/kubernetes/package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version.replace(/^v/, "");
}

/**
 * The bundled program: run it as `node <file> <engine address>`. Made when it is missing (0.8 s), in
 * `node_modules/.cache`; safe to call from several processes at once.
 */
export function providerBundle(folder = path.join(root, "node_modules", ".cache", "pulumi-cluster-security")): string {
  const version = kubernetesVersion();
  const bundle = path.join(folder, `provider-${sourceHash(version)}.cjs`);
  if (!existsSync(bundle)) {
    mkdirSync(folder, { recursive: true });
    writeBundle(bundle, version);
  }
  return bundle;
}

export interface InstalledProvider {
  version: string;
  /** The plugin's folder inside `PULUMI_HOME`. */
  folder: string;
  executable: string;
}

/** Puts the provider into the plugin folder of an engine's home (`PULUMI_HOME`). */
export function installProvider(pulumiHome: string): InstalledProvider {
  const version = kubernetesVersion();
  const folder = path.join(pulumiHome, "plugins", `resource-kubernetes-v${version}`);
  mkdirSync(folder, { recursive: true });
  const executable = path.join(folder, "pulumi-resource-kubernetes");
  replaceFile(executable, `#!/bin/sh\nexec ${quoted(process.execPath)} ${quoted(providerBundle())} "$@"\n`, 0o755);
  return { version, folder, executable };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The folders of the lab whose sources go into the bundle. */
const bundledFolders = ["provider", "crds", "toolchain"];

/** A bundle is good for as long as the sources and the installed packages stay what they are. */
function sourceHash(version: string): string {
  const hash = createHash("sha256").update(`${version}\0${labFolder}\0`);
  for (const folder of bundledFolders) {
    const names = readdirSync(path.join(labFolder, folder)).filter((name) => name.endsWith(".ts"));
    for (const name of names.sort()) {
      hash.update(`${folder}/${name}\0`).update(readFileSync(path.join(labFolder, folder, name)));
    }
  }
  const lock = path.join(root, "package-lock.json");
  if (existsSync(lock)) hash.update(readFileSync(lock));
  return hash.digest("hex").slice(0, 16);
}

function writeBundle(target: string, version: string): void {
  const result = buildSync({
    entryPoints: [path.join(sourceFolder, "main.ts")],
    bundle: true,
    write: false,
    platform: "node",
    target: "node20",
    format: "cjs",
    define: { KUBERNETES_VERSION: JSON.stringify(version), LAB_FOLDER: JSON.stringify(labFolder) },
    logLevel: "silent",
  });
  const text = result.outputFiles[0]?.text;
  if (text === undefined) throw new Error("the provider could not be bundled");
  replaceFile(target, text, 0o644);
}

/** Writes beside the target and renames, so that nobody ever runs half a file. */
function replaceFile(target: string, text: string, mode: number): void {
  const temporary = `${target}.${process.pid}.new`;
  writeFileSync(temporary, text);
  chmodSync(temporary, mode);
  renameSync(temporary, target);
}
