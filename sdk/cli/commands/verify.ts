import { once } from "node:events";
import type { VerificationFormat } from "../../cluster";
import {
  connect,
  defaultProberImage,
  formatVerification,
  LiveExecutor,
  plannedProbes,
  verify,
  type Probe,
  type ProberImage,
  type ScenarioFlow,
  type Verification,
  type VerifyOptions,
} from "../../cluster";
import type { Flow, Peer } from "../../reachability";
import { parseAddress } from "../../reachability";
import { describeScenario } from "../../scenarios";
import { planOf } from "../declaration-file";
import { knownNamespace, knownWorkload } from "../ends";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { listening, type Heard } from "../interruption";
import { foundScenarios, scenarioFile, type ScenarioFile } from "../scenarios-file";
import { load, note, type InputOptions, type Loaded } from "../snapshot";
import { outputOf } from "./options";

export interface VerifyCommandOptions extends Omit<InputOptions, "as"> {
  readonly context: string;
  readonly declaration?: string;
  /** A file of scenarios: these connections are tried, in place of what is derived. */
  readonly scenarios?: string;
  /** Consent: without it nothing is created. */
  readonly createProbePods: boolean;
  readonly sample: string;
  readonly all: boolean;
  readonly namespace: readonly string[];
  readonly workload: readonly string[];
  readonly outside: readonly string[];
  readonly probeImage?: string;
  readonly probeCommand?: string;
  readonly probePullSecret: readonly string[];
  readonly maxPods: string;
  /** Seconds. */
  readonly timeout: string;
  readonly settle: string;
  readonly startTimeout: string;
  readonly format: VerificationFormat;
  readonly output?: string;
}

const exitCodeOfVerdict: Readonly<Record<Verification["verdict"], ExitCode>> = {
  holds: exitCodes.ok,
  violated: exitCodes.no,
  incomplete: exitCodes.incomplete,
  "no-evidence": exitCodes.incomplete,
};

/** `cluster-security verify`: proves with packets in a live cluster. Creates nothing without consent. */
export async function verifyCommand(options: VerifyCommandOptions): Promise<ExitCode> {
  const live = liveOptions(options);
  const sample = options.all ? "all" : positive(options.sample, "--sample", { whole: true });
  // opened first: what cannot be written is no reason to have created pods
  const output = outputOf(options);
  const declared = options.declaration === undefined ? undefined : await planOf(options.declaration);
  const file = options.scenarios === undefined ? undefined : scenarioFile(options.scenarios);
  const loaded = await load([`context=${options.context}`], { ...options, as: "auto" });
  const only = filterOf(options, loaded);
  const wanted: VerifyOptions = {
    ...(declared ? { plan: declared } : {}),
    ...(file === undefined ? {} : { scenarios: scenarioFlows(file, loaded).filter(({ flow }) => only(flow)) }),
    sample,
    only,
  };
  const { context, kubeconfig } = options;
  const executor = new LiveExecutor(
    await connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) }),
    loaded.reachability,
    {
      ...live,
      exemptNamespaces: declared?.exemptNamespaces ?? [],
      progress: (text) => note(text, options),
    },
  );
  for (const line of await intent(executor, loaded, wanted)) note(line, options);
  if (!options.createProbePods) {
    throw usageError("nothing was created: add --create-probe-pods if this may be created in the cluster");
  }
  const verification = await ended(executor, async () => {
    for (const leftover of await executor.sweep()) note(`removed what an earlier run left: ${leftover}`, options);
    return await verify(loaded.reachability, executor, wanted);
  });
  output.write(formatVerification({ ...verification, at: new Date().toISOString() }, options.format));
  await output.end();
  const code = exitCodeOfVerdict[verification.verdict];
  return code === exitCodes.ok && loaded.holes ? exitCodes.incomplete : code;
}

/** Does the work, then removes everything: also where it fails, and where the user or a CI system ends the command. */
async function ended<T>(executor: LiveExecutor, work: () => Promise<T>): Promise<T> {
  const words = {
    first: "removing what was created; once more to leave at once",
    second: "left at once: what was created ends by itself, and the next run removes it",
  };
  return await listening(words, async (heard) => {
    const stopped = once(heard.abort, "abort").then((): never => assertStopped(heard));
    // only who waits for it is told that it has come
    stopped.catch(() => undefined);
    try {
      return await Promise.race([work(), stopped]);
    } finally {
      for (const complaint of await executor.close()) process.stderr.write(`left behind: ${complaint}\n`);
    }
  });
}

function assertStopped(heard: Heard): never {
  heard.stopHere(() => "there is no answer; what was created is removed, but for what is named above");
  throw new Error("no signal has come");
}

/** @throws CliError where an end of one is not in the cluster. */
function scenarioFlows(file: ScenarioFile, { snapshot }: Loaded): ScenarioFlow[] {
  return foundScenarios(file, snapshot).map(({ scenario, flow }) => ({
    flow,
    expected: scenario.expect,
    reason: scenario.because,
    text: describeScenario(scenario),
    packets: scenario.packets ?? true,
  }));
}

/** What will be created, a line each. */
async function intent(executor: LiveExecutor, { reachability }: Loaded, wanted: VerifyOptions): Promise<string[]> {
  const sources = await executor.sources();
  const { probes } = await plannedProbes(reachability, executor, wanted);
  const perNamespace = new Map<string, { readonly listeners: Set<string>; readonly senders: Set<string> }>();
  const count = (end: Probe["source"], role: "listeners" | "senders"): void => {
    if (end.kind !== "workload" || !sources.has(end.id)) return;
    const namespace = end.id.split("/")[0] ?? "";
    const counts = perNamespace.get(namespace) ?? { listeners: new Set(), senders: new Set() };
    counts[role].add(end.id);
    perNamespace.set(namespace, counts);
  };
  for (const { source, destination } of probes) {
    count(source, "senders");
    count(destination, "listeners");
  }
  return [
    `${probes.length} probes, with image ${executor.image}. Pods for a time, each in a Job of its own:`,
    "  a namespace cluster-security-canary-… with 3 pods, an allow-all and a deny-all NetworkPolicy",
    ...[...perNamespace]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(
        ([namespace, { listeners, senders }]) =>
          `  in ${namespace}: ${listeners.size} that listen, ${senders.size} that probe`,
      ),
  ];
}

function liveOptions(options: VerifyCommandOptions): ConstructorParameters<typeof LiveExecutor>[2] {
  for (const address of options.outside) {
    if (parseAddress(address) === undefined) throw usageError(`--outside: "${address}" is no address`);
  }
  const seconds = (text: string, option: string): number => positive(text, option, { whole: false }) * 1000;
  const prober: ProberImage = {
    image: options.probeImage ?? defaultProberImage,
    ...(options.probeCommand === undefined ? {} : { command: options.probeCommand }),
    ...(options.probePullSecret.length === 0 ? {} : { pullSecrets: options.probePullSecret }),
  };
  return {
    context: options.context,
    prober,
    outside: options.outside,
    maxPods: positive(options.maxPods, "--max-pods", { whole: true }),
    timeout: seconds(options.timeout, "--timeout"),
    settle: seconds(options.settle, "--settle"),
    startWithin: seconds(options.startTimeout, "--start-timeout"),
  };
}

function positive(text: string, option: string, { whole }: { readonly whole: boolean }): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    throw usageError(`${option}: "${text}" is no ${whole ? "whole number above 0" : "number above 0"}`);
  }
  return value;
}

type Ends = Pick<Flow, "source" | "destination">;

/** Paths with an end in one of the namespaces, or at one of the workloads. */
function filterOf(options: VerifyCommandOptions, { snapshot }: Loaded): (flow: Ends) => boolean {
  const namespaces = options.namespace.map((name) => knownNamespace(name, snapshot));
  const workloads = options.workload.map((name) => knownWorkload(name, snapshot).id);
  if (namespaces.length === 0 && workloads.length === 0) return () => true;
  const within = (end: Peer): boolean =>
    end.kind === "workload" && (workloads.includes(end.id) || namespaces.includes(end.id.split("/")[0] ?? ""));
  return ({ source, destination }) => within(source) || within(destination);
}
