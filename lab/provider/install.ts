/** Makes the lab's Kubernetes provider a program that the engine can start. */
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { bundleOf, replaceFile } from "../bundle";

const labFolder = path.resolve(__dirname, "..");

/** The version of the installed @pulumi/kubernetes, which is the version that the provider reports. */
export function kubernetesVersion(): string {
  const manifest = readFileSync(require.resolve("@pulumi/kubernetes/package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version.replace(/^v/, "");
}

/** The bundled program: run it as `node <file> <engine address>`. */
export function providerBundle(folder?: string): string {
  return bundleOf(
    {
      name: "provider",
      entry: "provider/main.ts",
      folders: ["provider", "crds", "toolchain"],
      define: { KUBERNETES_VERSION: kubernetesVersion(), LAB_FOLDER: labFolder },
    },
    folder,
  );
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
