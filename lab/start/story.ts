import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import pc from "picocolors";
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../../sdk/cluster/index";
import { markdownReport, textComparison, textSummary } from "../../sdk/reports/index";
import type { SourcedObject } from "../../sdk/reachability/index";
import { apiClient, labContext } from "../control-plane/index";
import { installCrds } from "../crds/index";
import { exampleProgram, loadExample, makeNamespaces } from "../examples/index";
import { openLab, prepareEngine } from "../index";
import { provideTools } from "../toolchain/index";
import { openStack, report } from "./engine-run";
import type { Report } from "./engine-run";
import type { Judged } from "./snapshots";
import { judge, withoutPolicies } from "./snapshots";
import { Stages, StoryError } from "./stage";

const root = path.resolve(__dirname, "..", "..");
const pack = path.join(root, "policypack");
const reportFile = path.join(root, "reports", "reachability.md");

export interface LabStory {
  /** Leave the cluster running at the end. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/**
 * End to end on the lab's own cluster.
 *
 * @throws StoryError where a stage ends otherwise than the story says; ToolchainError, ControlPlaneError.
 */
export async function tellInLab(options: LabStory): Promise<void> {
  const { signal } = options;
  const stages = new Stages();
  const lab = await stages.run("A Pulumi engine and a Kubernetes API server on this machine", async () =>
    openLab({ fresh: true, detached: options.keep }),
  );
  try {
    signal.throwIfAborted();
    await stages.run("Custom resource definitions and the policy pack", async () => {
      await installCrds(lab.controlPlane, ["cilium"]);
      await bundlePack();
    });
    signal.throwIfAborted();
    const open = async (name: "insecure" | "zero-trust-tiers"): Promise<Stack> => {
      const { program, expects } = await loadExample(name);
      const client = apiClient(lab.controlPlane);
      await makeNamespaces(client, expects).finally(() => client.close());
      return openStack({ project: name, program: program(), engineRoot: lab.engine.root, env: lab.env });
    };
    await stages.run("An insecure stack: what the policy pack reports in preview", async () =>
      showBlocked(await open("insecure"), signal),
    );
    await stages.run("The secure stack: up, under the same pack", async () =>
      showDeployed(await open("zero-trust-tiers"), signal),
    );
    await stages.run("What is reachable now", async () => {
      const objects = await liveObjects({ context: labContext, kubeconfig: lab.controlPlane.kubeconfigPath });
      showReachability(objects, "examples/zero-trust-tiers, read from the API server");
    });
    console.log(`\n${pc.green("✔")} ${pc.bold("The secure stack is up.")}\n\n${stages.summary()}\n`);
    console.log(options.keep ? howToLookAround(lab.controlPlane.kubeconfigPath) : howToKeep);
  } catch (error) {
    // what was asked to be kept is of no use half done
    if (options.keep) await lab.controlPlane.stop();
    throw error;
  } finally {
    await lab.close();
  }
}

export interface ClusterStory {
  /** The context of the user's kubeconfig. */
  readonly context: string;
  /** Really deploy; otherwise only previews run. */
  readonly deploy: boolean;
  /** Remove the example's stack from the cluster. */
  readonly down: boolean;
  readonly signal: AbortSignal;
}

/** The same story on a cluster that the user named. Nothing is created there unless `deploy` is set. */
export async function tellOnCluster(options: ClusterStory): Promise<void> {
  const { context, signal } = options;
  const stages = new Stages();
  const before = await stages.run(`What is reachable in ${context} today`, async () => {
    const objects = await liveObjects({ context });
    console.log(textSummary(judge(context, objects).summary));
    return objects;
  });
  const tools = await provideTools(["pulumi", "pulumi-resource-kubernetes"]);
  const engine = prepareEngine({
    dataDir: path.join(root, ".lab", "clusters", encodeURIComponent(context)),
    pulumi: tools.pulumi,
    kubernetesProvider: tools["pulumi-resource-kubernetes"],
    kubeconfigPath: process.env.KUBECONFIG ?? path.join(process.env.HOME ?? "", ".kube", "config"),
  });
  await bundlePack();
  const stack = await openStack({
    project: "zero-trust-tiers",
    // the cluster has its own workloads; who asks for the removal of the stack agrees to what that uncovers
    program: exampleProgram("zero-trust-tiers", { standIns: false, allowRemoval: options.down }),
    engineRoot: engine.root,
    env: engine.env,
    config: { "kubernetes:context": context },
  });
  if (options.down) {
    await stages.run(`Removing the example from ${context}`, async () => {
      const result = await report(signal, (run) => stack.destroy(run));
      if (!result.succeeded) throw new StoryError("the stack could not be removed", result.output);
    });
    return;
  }
  await stages.run("The secure stack: preview, under the policy pack", async () => {
    const result = await report(signal, (run) => stack.preview({ ...run, policyPacks: [pack], diff: false }));
    if (!result.succeeded) throw new StoryError("the preview did not pass", result.output);
    console.log(result.output);
  });
  if (!options.deploy) {
    console.log(
      `Nothing was created in ${context}. The stack holds a default deny for the whole cluster: pods outside ` +
        "kube-system, flux-system, cilium and cilium-secrets that it does not know lose their connections.\n" +
        `To deploy it anyway: npm start -- --cluster ${context} --yes`,
    );
    return;
  }
  await stages.run(`The secure stack: up in ${context}`, async () => showDeployed(stack, signal));
  await stages.run("What is reachable now", async () => {
    showReachability(await liveObjects({ context }), `context ${context}`, before);
  });
  console.log(`\n${pc.green("✔")} The secure stack is up. Remove it: npm start -- --cluster ${context} --down`);
}

/** Previews a stack that must not pass, and shows why it did not. */
async function showBlocked(stack: Stack, signal: AbortSignal): Promise<void> {
  const result = await report(signal, (run) => stack.preview({ ...run, policyPacks: [pack] }));
  if (result.succeeded) throw new StoryError("the insecure stack passed its preview: the policy pack did not block it");
  if (result.blocking.length === 0) throw new StoryError("the preview failed, but not for the pack", result.output);
  // what a policy causes elsewhere refers back to it; here the explanation is enough
  const explained = result.blocking.filter((violation) => violation.includes("because:"));
  for (const violation of explained) console.log(`${pc.red("✘")} ${violation}\n`);
  console.log(`Blocked by ${result.blocking.length} findings, ${explained.length} of them shown; nothing was created.`);
}

async function showDeployed(stack: Stack, signal: AbortSignal): Promise<void> {
  const result: Report = await report(signal, (run) => stack.up({ ...run, policyPacks: [pack] }));
  if (!result.succeeded) throw new StoryError("the secure stack could not be deployed", result.output);
  console.log(`${pc.green("✔")} ${result.changed} resources stand, every mandatory check passed.`);
}

async function liveObjects(target: { context: string; kubeconfig?: string }): Promise<readonly SourcedObject[]> {
  const client = new ApiClient(await connect(target));
  const live = await readLiveObjects(client, { cluster: target.context });
  for (const problem of live.problems) console.error(`${pc.yellow("!")} ${problem.message}`);
  return withoutOwned(live.objects);
}

function showReachability(
  objects: readonly SourcedObject[],
  subject: string,
  earlier: readonly SourcedObject[] = withoutPolicies(objects),
): void {
  const before: Judged = judge("before", earlier);
  const after: Judged = judge("after", objects);
  console.log(`${textSummary(after.summary)}\n\n${textComparison(before, after)}`);
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(path.dirname(reportFile), { recursive: true });
  writeFileSync(reportFile, markdownReport({ subject, date, before, after }));
  console.log(`\nThe report: ${path.relative(process.cwd(), reportFile)}`);
}

/** Bundles the pack into the one file that the engine loads. */
function bundlePack(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(root, "scripts", "bundle-pack.mjs")], { stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new StoryError("the policy pack could not be bundled")),
    );
  });
}

const howToKeep = [
  "The lab's cluster stops now. To look around in it:  npm start -- --keep",
  "To try a change: edit examples/zero-trust-tiers/index.ts and run npm start again.",
].join("\n");

function howToLookAround(kubeconfig: string): string {
  return [
    "The lab's cluster goes on running. To look around:",
    `  export KUBECONFIG=${kubeconfig}`,
    "  kubectl get ciliumclusterwidenetworkpolicies,ciliumnetworkpolicies -A",
    "To stop it:",
    "  npm start -- --down",
  ].join("\n");
}
