import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** Name and installed version of each direct dependency of a program's package.json, runtime ones first. */
export function programDependencies(directory: string): { name: string; version: string }[] {
  const manifest = readManifest(nearestManifest(directory));
  const names = Object.keys({ ...manifest?.dependencies, ...manifest?.devDependencies });
  return names.map((name) => ({ name, version: installedVersion(directory, name) ?? "not installed" }));
}

interface PackageManifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function nearestManifest(directory: string): string {
  let folder = path.resolve(directory);
  for (;;) {
    const file = path.join(folder, "package.json");
    if (readManifest(file) || folder === path.dirname(folder)) return file;
    folder = path.dirname(folder);
  }
}

function installedVersion(directory: string, name: string): string | undefined {
  for (const folder of createRequire(path.join(directory, "index.js")).resolve.paths(name) ?? []) {
    const manifest = readManifest(path.join(folder, name, "package.json"));
    if (manifest?.version) return manifest.version;
  }
  return undefined;
}

function readManifest(file: string): PackageManifest | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as PackageManifest;
  } catch {
    return undefined;
  }
}
