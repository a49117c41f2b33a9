/** Runs the real command line as a child process, as a user does. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildSync } from "esbuild";
import { scratchFolder } from "../../lab/scratch";

export const repoRoot = path.resolve(__dirname, "..", "..");

const built = new Map<string, string>();

const bundling = { bundle: true, platform: "node", format: "cjs", target: "node20", logLevel: "error" } as const;

/** A module with everything it imports as one file, made from the sources once per run: starting it often is then quick. */
export function bundled(entry: string): string {
  const name = `${entry.replace(/\.ts$/, "").replaceAll("/", "-")}.js`;
  const client = kubernetesClient();
  return onceBuilt(name, (outfile) => {
    const alias = { "@kubernetes/client-node": client };
    const entryPoints = [path.join(repoRoot, entry)];
    buildSync({ ...bundling, entryPoints, outfile, packages: "external", external: [client], alias });
  });
}

/**
 * The Kubernetes client as far as the command imports it: how a kubeconfig signs in. The package has a file for each type of
 * the API, and loading all of them takes a CPU second at every start.
 */
function kubernetesClient(): string {
  const entryPoints = [path.join(repoRoot, "node_modules", "@kubernetes", "client-node", "dist", "config.js")];
  return onceBuilt("kubernetes-client.js", (outfile) => buildSync({ ...bundling, entryPoints, outfile }));
}

function onceBuilt(name: string, build: (outfile: string) => void): string {
  const known = built.get(name);
  if (known !== undefined) return known;
  // Below the checkout, so that it finds its libraries and its own package.json.
  const folder = path.join(repoRoot, "node_modules", ".cache", `cluster-security-cli-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, name);
  build(file);
  built.set(name, file);
  return file;
}

/** The command as one file. */
export function commandFile(): string {
  return bundled("sdk/cli/main.ts");
}

/**
 * Arguments of Node that start the command as what V8 made of it before: compiling it again is a quarter of what a start
 * takes.
 */
function compiledCommand(): readonly string[] {
  const launcher = path.join(repoRoot, "lab", "run-bundle.cjs");
  const file = onceBuilt("command.js", (outfile) => {
    // what is not compiled anew may not import(): the launcher does it
    writeFileSync(outfile, readFileSync(commandFile(), "utf8").replaceAll("await import(", "await importModule("));
    // compiles what most tests need
    const policies = path.join(repoRoot, "examples", "manifests", "shop");
    spawnSync(process.execPath, [launcher, outfile, "matrix", policies], { stdio: "ignore" });
  });
  return [launcher, file];
}

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the command; the caller reads its output. */
export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [...compiledCommand(), ...args], {
    cwd: options.cwd ?? repoRoot,
    // A kubeconfig of whoever runs the tests must not matter.
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** Runs the command to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return finished(start(args, options), options.stdin);
}

/** Waits for the end of a command that has just been started. */
export function finished(child: ChildProcess, stdin = ""): Promise<Ran> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    // a command that does not read its input has closed it
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin);
  });
}

/** A folder with files for one test; `remove` takes it away. */
export function folderWith(files: Readonly<Record<string, string>>): { folder: string; remove(): void } {
  const folder = scratchFolder("cluster-security-cli-");
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
