/** Verifies a live cluster with short-lived pods: listeners that stand for destinations, probers that stand for sources. */
import type { Reachability, Workload } from "../../reachability";
import { metadataEndpoints } from "../../reachability";
import type { Connection } from "../api-client";
import type { CanaryResult, ProbeExecutor, ProbeOutcome } from "../verify";
import type { Probe } from "../verify-probes";
import type { JobName } from "./jobs";
import { ProbeJobs } from "./jobs";
import type { ProberState } from "./pod-state";
import type { ProberImage, ProberPort, StandsFor } from "./pods";
import { canaryNamespace, canaryPolicy, isProbeJob, jobNameOf, proberJob } from "./pods";
import type { ProberSettings, ProberTask, ProbeWay } from "./protocol";
import { readReport, tasksPerProber } from "./protocol";

export interface LiveOptions {
  /** How the cluster is called in reports. */
  readonly context: string;
  readonly prober: ProberImage;
  /** Namespaces in which no pod is made, besides those of Kubernetes itself: tier 0. */
  readonly exemptNamespaces?: readonly string[];
  /** Addresses outside the cluster that answer on TCP 80, or on the port of a declared flow. */
  readonly outside?: readonly string[];
  /** Pods at the same time. Default 40. */
  readonly maxPods?: number;
  /** Milliseconds of silence that mean "blocked". Default 3000. */
  readonly timeout?: number;
  /** Milliseconds during which an outcome that is not as expected is tried again. Default 15000. */
  readonly settle?: number;
  /** Milliseconds that a pod may take to start. Default 120000. */
  readonly startWithin?: number;
  /** What name servers are asked for. Default `kubernetes.default.svc.cluster.local`. */
  readonly name?: string;
  /** Told what happens, a sentence at a time. */
  readonly progress?: (text: string) => void;
}

/** Namespaces of Kubernetes itself. A pod with the labels of a system component there would do harm. */
const systemNamespaces = ["kube-system", "kube-public", "kube-node-lease"] as const;

/** Probes at the same time in one pod. */
const parallel = 32;

/** Seconds that a listener stays at the most: the longest that a wave of probes may take. */
const listenerDeadline = 1800;

const canaryPort: ProberPort = { port: 8080, protocol: "TCP" };

/** Where a probe goes. */
type Target =
  /** A listener that stands for this workload. */
  | { readonly kind: "listener"; readonly workload: Workload }
  /** Something that is there already. */
  | { readonly kind: "fixed"; readonly way: ProbeWay; readonly address: string }
  | { readonly kind: "none"; readonly why: string };

/** A probe with what carries it out. */
interface Assignment {
  /** Place among all probes. */
  readonly index: number;
  readonly probe: Probe;
  readonly source: Workload;
  readonly target: Exclude<Target, { readonly kind: "none" }>;
}

export class LiveExecutor implements ProbeExecutor {
  readonly name: string;
  readonly outside: readonly string[];
  readonly outsideOnlyAnswers = true;
  private readonly jobs: ProbeJobs;
  private readonly workloads: ReadonlyMap<string, Workload>;
  private readonly settings: Required<Omit<LiveOptions, "exemptNamespaces" | "outside" | "context">>;
  /** Why no pod is made that stands for a workload, by its id. */
  private readonly reasons = new Map<string, string>();
  private reasonsFound: Promise<void> | undefined;
  /** An address of a ready pod, by workload. */
  private readyPods: Promise<ReadonlyMap<string, string>> | undefined;
  private count = 0;

  /** Touches nothing yet. {@link close} must be called in the end, whatever happens. */
  constructor(
    connection: Connection,
    reachability: Reachability,
    private readonly options: LiveOptions,
  ) {
    this.name = `context ${options.context}`;
    this.settings = {
      prober: options.prober,
      maxPods: Math.max(2, options.maxPods ?? 40),
      timeout: options.timeout ?? 3000,
      settle: options.settle ?? 15_000,
      startWithin: options.startWithin ?? 120_000,
      name: options.name ?? "kubernetes.default.svc.cluster.local",
      progress: options.progress ?? (() => undefined),
    };
    this.jobs = new ProbeJobs(connection, this.settings.startWithin);
    const pods = reachability.snapshot.workloads.filter(({ hostNetwork }) => !hostNetwork);
    // a pod that another run has made looks like its workload, and is none
    for (const { id } of pods.filter(isProbeJob)) this.reasons.set(id, "it belongs to another verification");
    this.workloads = new Map(pods.filter((each) => !isProbeJob(each)).map((each) => [each.id, each]));
    this.outside = [...metadataAddresses([...this.workloads.values()]), ...(options.outside ?? [])];
  }

  /** The image that probe pods run. */
  get image(): string {
    return this.settings.prober.image;
  }

  /** Removes what killed runs left behind; returns the names. */
  sweep(): Promise<string[]> {
    return this.jobs.sweep();
  }

  /** Removes everything that was created. Returns what could not be removed, as a sentence each. */
  close(): Promise<string[]> {
    return this.jobs.close();
  }

  async present(): Promise<ReadonlySet<string>> {
    const sources = await this.sources();
    const ready = await this.readyAddresses();
    return new Set([...this.workloads.keys()].filter((id) => sources.has(id) || ready.has(id)));
  }

  /** The workloads that pods can be made for. */
  async sources(): Promise<ReadonlySet<string>> {
    await (this.reasonsFound ??= this.findReasons());
    return new Set([...this.workloads.keys()].filter((id) => !this.reasons.has(id)));
  }

  whyAbsent(id: string): string | undefined {
    return this.reasons.get(id);
  }

  /** Two pods in a namespace of their own, under an allow-all and then under a deny-all. */
  async canary(): Promise<CanaryResult> {
    const { progress } = this.settings;
    // it is gone long before; a killed run's is swept by the next one
    const namespaceObject = canaryNamespace(this.jobs.run, new Date(Date.now() + (listenerDeadline + 300) * 1000));
    const namespace = namespaceObject.metadata?.name ?? "";
    const from = standsForCanary(namespace, "from");
    progress(`canary: namespace ${namespace}`);
    try {
      await this.jobs.create(namespaceObject);
      await this.jobs.create(canaryPolicy(namespace, "allow-all"));
      const listener = await this.startListener(standsForCanary(namespace, "to"), [canaryPort]);
      const [to] = await this.jobs.untilListening([listener]);
      if (to?.state !== "listening") {
        return { connectsBefore: false, blockedAfter: false, detail: whyNot(to) };
      }
      const before = await this.canaryProbe(from, to.address, "c");
      if (before.outcome !== "connected") {
        return { connectsBefore: false, blockedAfter: false, detail: before.detail ?? before.outcome };
      }
      await this.jobs.create(canaryPolicy(namespace, "deny-all"));
      await this.jobs.remove([canaryPolicy(namespace, "allow-all")]);
      const tried = await this.canaryProbe(from, to.address, "b");
      const [still] = await this.jobs.states([listener]);
      // a listener that ended would look like one that is shut off
      if (still?.state !== "listening") return { connectsBefore: true, blockedAfter: false, detail: whyNot(still) };
      const after = atListener(tried, true);
      const blocked = after.outcome === "blocked";
      return {
        connectsBefore: true,
        blockedAfter: blocked,
        ...(blocked || after.outcome === "connected" ? {} : { detail: after.detail ?? after.outcome }),
      };
    } finally {
      // what cannot be removed now is tried again, and told, by `close`
      await this.jobs.remove([namespaceObject]).catch(() => undefined);
    }
  }

  async run(probes: readonly Probe[]): Promise<readonly ProbeOutcome[]> {
    const outcomes: ProbeOutcome[] = probes.map(() => ({ outcome: "failed", detail: "it was not tried" }));
    const assignments: Assignment[] = [];
    const ready = await this.readyAddresses();
    for (const [index, probe] of probes.entries()) {
      const source = probe.source.kind === "workload" ? this.workloads.get(probe.source.id) : undefined;
      const target = this.targetOf(probe, ready);
      if (!source) outcomes[index] = { outcome: "failed", detail: "no probe can start there" };
      else if (target.kind === "none") outcomes[index] = { outcome: "failed", detail: target.why };
      else assignments.push({ index, probe, source, target });
    }
    const waves = this.wavesOf(assignments);
    for (const [number, wave] of waves.entries()) {
      const said = waves.length > 1 ? ` (${number + 1} of ${waves.length})` : "";
      this.settings.progress(`${wave.length} probes${said}`);
      for (const [index, outcome] of await this.runWave(wave)) outcomes[index] = outcome;
    }
    return outcomes;
  }

  private async canaryProbe(from: StandsFor, address: string, wanted: "c" | "b"): Promise<ProbeOutcome> {
    const tasks: ProberTask[] = [["tcp", address, canaryPort.port, wanted]];
    const job = await this.startProber(from, tasks);
    const [state] = await this.jobs.untilEnded([job], this.longest(tasks.length));
    return outcomesOf(state, tasks.length)[0] ?? { outcome: "failed" };
  }

  private targetOf({ destination, protocol, isDns }: Probe, ready: ReadonlyMap<string, string>): Target {
    if (destination.kind === "address") {
      if (protocol === "UDP") return { kind: "none", why: "silence proves nothing over UDP" };
      return { kind: "fixed", way: "connect", address: destination.address };
    }
    const workload = this.workloads.get(destination.id);
    if (!workload) return { kind: "none", why: "it is not there any more" };
    if (!this.reasons.has(workload.id)) return { kind: "listener", workload };
    const address = ready.get(workload.id);
    if (address === undefined) return { kind: "none", why: "none of its pods is ready" };
    // a proxy between the two understands nothing but DNS
    if (isDns === true) {
      return { kind: "fixed", way: protocol === "UDP" ? "dns" : "dns-tcp", address };
    }
    if (protocol === "UDP") return { kind: "none", why: "silence of a real pod proves nothing over UDP" };
    return { kind: "fixed", way: "connect", address };
  }

  /** So many that listeners never take more than half of the pods. Probes of what is there already go with the first. */
  private wavesOf(assignments: readonly Assignment[]): Assignment[][] {
    const atOnce = Math.floor(this.settings.maxPods / 2);
    const waveOfListener = new Map<string, number>();
    const waves: Assignment[][] = [];
    for (const assignment of assignments) {
      const { target } = assignment;
      let wave = 0;
      if (target.kind === "listener") {
        const known = waveOfListener.get(target.workload.id) ?? Math.floor(waveOfListener.size / atOnce);
        waveOfListener.set(target.workload.id, known);
        wave = known;
      }
      (waves[wave] ??= []).push(assignment);
    }
    return waves.filter((wave) => wave !== undefined);
  }

  private async runWave(wave: readonly Assignment[]): Promise<[number, ProbeOutcome][]> {
    const listeners = await this.startListeners(wave);
    const states = await this.jobs.untilListening([...listeners.values()]);
    const addresses = new Map<string, string>();
    const outcomes: [number, ProbeOutcome][] = [];
    const whyNoListener = new Map<string, string>();
    for (const [position, id] of [...listeners.keys()].entries()) {
      const state = states[position];
      if (state?.state === "listening") addresses.set(id, state.address);
      else whyNoListener.set(id, whyNot(state));
    }
    const bySource = new Map<Workload, { readonly index: number; readonly task: ProberTask; readonly to?: string }[]>();
    for (const { index, probe, source, target } of wave) {
      const to = target.kind === "listener" ? target.workload.id : undefined;
      const address = target.kind === "fixed" ? target.address : addresses.get(target.workload.id);
      if (address === undefined) {
        const why = whyNoListener.get(to ?? "") ?? "its listener is not there";
        outcomes.push([index, { outcome: "failed", detail: why }]);
        continue;
      }
      const way: ProbeWay = target.kind === "fixed" ? target.way : probe.protocol === "UDP" ? "udp" : "tcp";
      const task: ProberTask = [way, address, probe.port, probe.expected === "allowed" ? "c" : "b"];
      const tasks = bySource.get(source) ?? [];
      tasks.push({ index, task, ...(to === undefined ? {} : { to }) });
      bySource.set(source, tasks);
    }
    const batches = [...bySource].flatMap(([source, tasks]) =>
      chunks(tasks, tasksPerProber).map((batch) => ({ source, batch })),
    );
    for (const some of chunks(batches, Math.ceil(this.settings.maxPods / 2))) {
      const jobs: JobName[] = [];
      for (const { source, batch } of some) {
        jobs.push(
          await this.startProber(
            standsFor(source),
            batch.map(({ task }) => task),
          ),
        );
      }
      const longest = Math.max(...some.map(({ batch }) => this.longest(batch.length)));
      const ended = await this.jobs.untilEnded(jobs, longest);
      some.forEach(({ batch }, position) => {
        const found = outcomesOf(ended[position], batch.length);
        batch.forEach(({ index }, place) => outcomes.push([index, found[place] ?? { outcome: "failed" }]));
      });
      await this.removeJobs(jobs);
    }
    const lost = await this.lostListeners(listeners, addresses);
    await this.removeJobs([...listeners.values()]);
    const targets = new Map(wave.map(({ index, target }) => [index, target]));
    return outcomes.map(([index, outcome]) => {
      const target = targets.get(index);
      if (target?.kind !== "listener") return [index, outcome];
      return [index, atListener(outcome, !lost.has(target.workload.id))];
    });
  }

  /** A listener for each workload of the wave, on its own ports and on those that are probed. */
  private async startListeners(wave: readonly Assignment[]): Promise<ReadonlyMap<string, JobName>> {
    const wanted = new Map<Workload, ProberPort[]>();
    for (const { probe, target } of wave) {
      if (target.kind !== "listener") continue;
      const ports = wanted.get(target.workload) ?? [...portsOf(target.workload)];
      const { port, protocol } = probe;
      if (!ports.some((each) => each.port === port && each.protocol === protocol)) ports.push({ port, protocol });
      wanted.set(target.workload, ports);
    }
    const started = new Map<string, JobName>();
    for (const [workload, ports] of wanted) {
      started.set(workload.id, await this.startListener(standsFor(workload), ports));
    }
    return started;
  }

  /** Ids of workloads whose listener does not listen any more, or elsewhere. */
  private async lostListeners(
    listeners: ReadonlyMap<string, JobName>,
    addresses: ReadonlyMap<string, string>,
  ): Promise<ReadonlySet<string>> {
    const states = await this.jobs.states([...listeners.values()]);
    return new Set(
      [...listeners.keys()].filter((id, position) => {
        const state = states[position];
        return state?.state !== "listening" || state.address !== addresses.get(id);
      }),
    );
  }

  private async startListener(whom: StandsFor, ports: readonly ProberPort[]): Promise<JobName> {
    return await this.start(
      "listen",
      { ...whom, ports },
      {
        ...this.common(listenerDeadline),
        listen: ports.map(({ protocol, port }) => [protocol, port] as const),
        ready: freePort(ports),
        probes: [],
      },
    );
  }

  private async startProber(whom: StandsFor, tasks: readonly ProberTask[]): Promise<JobName> {
    const deadline = Math.ceil(this.longest(tasks.length) / 1000);
    return await this.start("probe", { ...whom, ports: [] }, { ...this.common(deadline), listen: [], probes: tasks });
  }

  private async start(what: "listen" | "probe", whom: StandsFor, settings: ProberSettings): Promise<JobName> {
    const name = jobNameOf(this.jobs.run, what, ++this.count);
    await this.jobs.create(proberJob(this.jobs.run, name, whom, this.settings.prober, settings));
    return { namespace: whom.namespace, name };
  }

  private async removeJobs(jobs: readonly JobName[]): Promise<void> {
    await this.jobs.remove(
      jobs.map((metadata) => ({ apiVersion: "batch/v1", kind: "Job", metadata: { ...metadata } })),
    );
  }

  private common(deadline: number): Pick<ProberSettings, "timeout" | "settle" | "parallel" | "name" | "deadline"> {
    const { timeout, settle, name } = this.settings;
    return { timeout, settle, name, parallel, deadline };
  }

  /** Milliseconds that a prober may take: each task once after everything has settled, and some for starting Node. */
  private longest(tasks: number): number {
    const { timeout, settle } = this.settings;
    return settle + (Math.ceil(tasks / parallel) + 1) * (timeout + 500) + 30_000;
  }

  private async findReasons(): Promise<void> {
    const exempt = new Set<string>([...systemNamespaces, ...(this.options.exemptNamespaces ?? [])]);
    const publishing = (await this.jobs.list("/api/v1/services")).filter(publishesWhatIsNotReady);
    for (const workload of this.workloads.values()) {
      const { id, namespace } = workload;
      if (exempt.has(namespace)) {
        this.reasons.set(id, `no pods are made in ${namespace}`);
        continue;
      }
      const service = publishing.find((each) => selects(each, workload));
      if (service) {
        const { name } = service["metadata"] as { name?: string };
        this.reasons.set(
          id,
          `Service ${name ?? ""} publishes pods that are not ready: a probe pod would get its traffic`,
        );
      }
    }
  }

  private readyAddresses(): Promise<ReadonlyMap<string, string>> {
    this.readyPods ??= this.findReadyPods();
    return this.readyPods;
  }

  private async findReadyPods(): Promise<ReadonlyMap<string, string>> {
    const ready = new Set<string>();
    for (const item of await this.jobs.list("/api/v1/pods")) {
      const { podIP, conditions = [] } = (item["status"] ?? {}) as {
        podIP?: string;
        conditions?: { type: string; status: string }[];
      };
      const isReady = conditions.some(({ type, status }) => type === "Ready" && status === "True");
      if (podIP !== undefined && isReady) ready.add(podIP);
    }
    const found = new Map<string, string>();
    for (const { id, addresses } of this.workloads.values()) {
      const address = addresses.find((each) => ready.has(each));
      if (address !== undefined) found.set(id, address);
    }
    return found;
  }
}

/** The metadata addresses that pods of these address families can ask. Other forms of the same endpoint are left out. */
function metadataAddresses(workloads: readonly Workload[]): string[] {
  const hasIpv6 = workloads.some(({ addresses }) => addresses.some((each) => each.includes(":")));
  return metadataEndpoints
    .filter(
      ({ family, formOf, address }) => formOf === undefined && (family === 4 || hasIpv6) && !/^fe80/i.test(address),
    )
    .map(({ address }) => address);
}

function standsFor({ namespace, labels, serviceAccount }: Workload): StandsFor {
  return { namespace, labels, serviceAccount, ports: [] };
}

function standsForCanary(namespace: string, name: string): StandsFor {
  return { namespace, labels: { app: `canary-${name}` }, serviceAccount: "default", ports: [] };
}

function portsOf({ ports }: Workload): ProberPort[] {
  return ports.flatMap(({ name, port, protocol }) =>
    protocol === "TCP" || protocol === "UDP" ? [{ port, protocol, ...(name === undefined ? {} : { name }) }] : [],
  );
}

function publishesWhatIsNotReady(service: Record<string, unknown>): boolean {
  const { publishNotReadyAddresses } = (service["spec"] ?? {}) as { publishNotReadyAddresses?: boolean };
  return publishNotReadyAddresses === true;
}

function selects(service: Record<string, unknown>, { namespace, labels }: Workload): boolean {
  const { namespace: home } = service["metadata"] as { namespace?: string };
  const { selector = {} } = (service["spec"] ?? {}) as { selector?: Record<string, string> };
  const wanted = Object.entries(selector);
  return home === namespace && wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

/** A port of the loopback that is not among the workload's. */
function freePort(ports: readonly ProberPort[]): number {
  let port = 49_151;
  while (ports.some((each) => each.port === port)) port -= 1;
  return port;
}

function outcomesOf(state: ProberState | undefined, tasks: number): ProbeOutcome[] {
  if (state?.state === "ended") return readReport(state.report, tasks);
  return Array.from({ length: tasks }, () => ({ outcome: "failed", detail: whyNot(state) }));
}

/**
 * What an outcome at a listener of ours says. While it listens, a refusal comes from an enforcer that rejects in place of
 * dropping (kube-router, and so k3s, does); once it is gone, silence and refusals prove nothing.
 */
function atListener(outcome: ProbeOutcome, listens: boolean): ProbeOutcome {
  if (outcome.outcome === "connected") return outcome;
  if (!listens) return { outcome: "failed", detail: "its listener ended meanwhile" };
  return outcome.outcome === "refused" ? { outcome: "blocked", detail: "rejected" } : outcome;
}

function whyNot(state: ProberState | undefined): string {
  if (state?.state === "failed") return state.why;
  return state?.state === "starting" ? (state.why ?? "the probe pod did not start") : "the probe pod ended too early";
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  );
}
