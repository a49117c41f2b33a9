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

const opened = new Map<string, Promise<Lab>>();
const folders: string[] = [];

/** The lab, with Cilium's custom resource definitions and a freshly bundled policy pack. */
export function sharedLab(): Promise<Lab> {
  return lab("first");
}

/** Another cluster beside the shared lab's, with the same definitions. */
export function secondLab(): Promise<Lab> {
  return lab("second");
}

function lab(name: string): Promise<Lab> {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const opening = open(name === "first");
  opened.set(name, opening);
  return opening;
}

async function open(withPack: boolean): Promise<Lab> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-engine-"));
  folders.push(folder);
  const started = await openLab({ dataDir: folder, quiet: true, fresh: true });
  await installCrds(started.controlPlane, ["cilium"]);
  if (withPack) await bundlePack();
  return started;
}

/** Bundles the policy pack of the sources. */
export async function bundlePack(): Promise<void> {
  // `npm test` has built it, for all of its lanes
  if (process.env["TEST_PACK_IS_BUILT"] !== undefined) return;
  const bundled = await run(process.execPath, [path.join(repository, "scripts", "bundle-pack.mjs")]);
  if (bundled.code !== 0) throw new Error(`the policy pack could not be bundled: ${bundled.output}`);
}

/** Ends the labs and removes what they kept. */
export async function closeSharedLab(): Promise<void> {
  for (const opening of opened.values()) {
    const started = await opening.catch(() => undefined);
    await started?.close();
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
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
