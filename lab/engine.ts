import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bundleOf } from "./bundle";
import { writeLauncher } from "./launcher";
import { releaseOf } from "./toolchain/index";
import type { Tool, ToolOrigin } from "./toolchain/index";
import { executableIn, findOnPath } from "./toolchain/lookup";

/** Pulumi's own Kubernetes provider. */
export interface KubernetesProvider {
  /** The program. */
  readonly path: string;
  /** Its release, as @pulumi/kubernetes numbers them. */
  readonly version: string;
  /** Where it came from. */
  readonly origin: ToolOrigin;
}

/** A Pulumi engine with a home, a backend and secrets of its own. */
export interface Engine {
  /** The `pulumi` program. */
  readonly path: string;
  readonly version: string;
  readonly origin: ToolOrigin;
  /** For the Automation API: `PulumiCommand.get({ root: engine.root })`; holds bin/pulumi. */
  readonly root: string;
  readonly provider: KubernetesProvider;
  /** "own": the lab's language host runs Node programs and packs; "bundled": the one that came with pulumi does. */
  readonly languageHost: "own" | "bundled";
  /** Complete environment for a child `pulumi`: nothing of the user's Pulumi or Kubernetes settings reaches it. */
  readonly env: Readonly<Record<string, string>>;
}

export interface EngineOptions {
  /** Folder of its own; made where it is absent. */
  readonly dataDir: string;
  readonly pulumi: Tool;
  /** Pulumi's Kubernetes provider. */
  readonly kubernetesProvider: Tool;
  /** What KUBECONFIG says; a file that does not exist where there is no cluster. */
  readonly kubeconfigPath: string;
  /** Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Lays out home, backend, passphrase and plugins of an engine below `dataDir`. Safe to call again. */
export function prepareEngine(options: EngineOptions): Engine {
  const user = options.env ?? process.env;
  const dataDir = path.resolve(options.dataDir);
  const bin = path.join(dataDir, "bin");
  const home = path.join(dataDir, "home");
  const backend = path.join(dataDir, "state");
  for (const folder of [bin, home, backend]) mkdirSync(folder, { recursive: true, mode: 0o700 });

  const passphraseFile = path.join(dataDir, "passphrase");
  if (!existsSync(passphraseFile)) {
    writeFileSync(passphraseFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
  }

  leaveNoRoomForLogs(home);
  placeLink(options.pulumi.path, path.join(bin, "pulumi"));
  const languageHost = placeLanguageHost(home, options.pulumi.path, user);
  const provider = placeProvider(home, options.kubernetesProvider);
  return {
    path: options.pulumi.path,
    version: options.pulumi.version,
    origin: options.pulumi.origin,
    root: dataDir,
    provider,
    languageHost,
    env: {
      ...withoutUserSettings(user),
      PATH: [bin, user.PATH].filter(Boolean).join(path.delimiter),
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true",
      // engine and providers live for seconds: collecting their garbage often costs more than it frees
      GOGC: user["GOGC"] ?? "400",
      KUBECONFIG: options.kubeconfigPath,
    },
  };
}

/**
 * The engine writes a log of everything that it handles, encrypted, at every operation, and has no switch for that: with large
 * objects it is more than half of its work. It goes without where no folder for logs can be made.
 */
function leaveNoRoomForLogs(home: string): void {
  const logs = path.join(home, "logs");
  if (statSync(logs, { throwIfNoEntry: false })?.isFile() === true) return;
  rmSync(logs, { recursive: true, force: true });
  writeFileSync(logs, "");
}

/** The user's environment without what would steer Pulumi or a Kubernetes client elsewhere, tokens included. */
function withoutUserSettings(user: NodeJS.ProcessEnv): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(user)) {
    if (value === undefined || /^(PULUMI_|KUBECONFIG$|KUBERNETES_|HELM_)/.test(name)) continue;
    kept[name] = value;
  }
  return kept;
}

/**
 * The host that comes with pulumi is used where it is (beside the program or on PATH); elsewhere – an engine that was
 * built from its module has none – the lab's own stands in. It lies in the plugin cache and not on PATH, where the engine
 * would warn about it at every run.
 */
function placeLanguageHost(home: string, pulumi: string, user: NodeJS.ProcessEnv): "own" | "bundled" {
  const name = "pulumi-language-nodejs";
  const folder = path.join(home, "plugins", "language-nodejs-v0.1.0");
  if (executableIn(path.dirname(realpathSync(pulumi)), name) ?? findOnPath(name, user.PATH)) {
    rmSync(folder, { recursive: true, force: true });
    return "bundled";
  }
  const program = {
    ...{ name: "language-host", entry: "language-host/main.ts", folders: ["language-host"] },
    define: { loadedFirst: path.join(__dirname, "node-start.cjs") },
  };
  writeLauncher(path.join(folder, name), bundleOf(program));
  return "own";
}

function placeProvider(home: string, tool: Tool): KubernetesProvider {
  const version = releaseOf(tool.version);
  const folder = path.join(home, "plugins", `resource-kubernetes-v${version}`);
  // the tool may be what an earlier start has placed here
  const file = realpathSync(tool.path);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  symlinkSync(file, path.join(folder, tool.name));
  return { path: file, version, origin: tool.origin };
}

function placeLink(file: string, link: string): void {
  // the file may be this very link
  const target = realpathSync(file);
  rmSync(link, { force: true });
  symlinkSync(target, link);
}
