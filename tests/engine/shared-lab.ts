/** One lab for all suites of this folder: a real engine and a real API server, opened once and closed at the end. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../../sdk/cluster/index";
import type { SourcedObject } from "../../sdk/reachability/index";
import { labContext } from "../../lab/control-plane/index";
import { installCrds } from "../../lab/crds/index";
import type { Lab } from "../../lab/index";
import { openLab } from "../../lab/index";

export const repository = path.resolve(__dirname, "..", "..");
export const pack = path.join(repository, "policypack");

let opened: Promise<Lab> | undefined;
let folder: string | undefined;

/** The lab, with Cilium's custom resource definitions and a freshly bundled policy pack. */
export function sharedLab(): Promise<Lab> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Lab> {
  folder = mkdtempSync(path.join(tmpdir(), "cluster-security-engine-"));
  const lab = await openLab({ dataDir: folder, quiet: true, fresh: true, ownProvider: true });
  await installCrds(lab.controlPlane, ["cilium"]);
  const bundled = await run(process.execPath, [path.join(repository, "scripts", "bundle-pack.mjs")]);
  if (bundled.code !== 0) throw new Error(`the policy pack could not be bundled: ${bundled.output}`);
  return lab;
}

/** Ends the lab and removes what it kept. */
export async function closeSharedLab(): Promise<void> {
  const lab = await opened?.catch(() => undefined);
  await lab?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
}

/** What the API server holds now, one object a workload. */
export async function liveObjects(lab: Lab): Promise<readonly SourcedObject[]> {
  const client = new ApiClient(await connect({ context: labContext, kubeconfig: lab.controlPlane.kubeconfigPath }));
  return withoutOwned((await readLiveObjects(client, { cluster: "lab" })).objects);
}

/** Runs a program without a shell and gathers what it prints. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const chunks: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => void chunks.push(text));
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output: chunks.join("") }));
  });
}
