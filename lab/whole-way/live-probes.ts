/**
 * Probes that run while a cluster changes: again and again every declared flow and a sample of the others, between the pods
 * that are there at that moment. A single pass of something that nobody declared, or a single failure of a declared flow
 * between two pods that stayed ready, is a violation.
 */
import type { Probe, ProbeEnd } from "../../sdk/cluster/index";
import { describeProbe } from "../../sdk/cluster/index";
import type { LabCluster, LabPod, LabProbe, RawOutcome } from "../datapath/index";
import { Prober } from "../datapath/probes";

export interface LiveProbeOptions {
  /** Milliseconds between two rounds. Default 150. */
  readonly interval?: number;
  /** Milliseconds of silence that close an undeclared path. Default 400: nothing here is more than a millisecond away. */
  readonly silence?: number;
  /**
   * Milliseconds that a declared flow gets. Default 4000: a connection whose first packet is lost is set up by the second
   * or third, 1 s and 3 s later (RFC 6298), and has not failed.
   */
  readonly patience?: number;
}

/** Something that must not have happened. */
export interface LiveViolation {
  /** Milliseconds since the probing began. */
  readonly at: number;
  readonly what: string;
}

/** What was seen until the probing ended. */
export interface LiveReport {
  /** Probes of declared flows, and of paths that nobody declared, whose outcome counts. */
  readonly declared: number;
  readonly undeclared: number;
  /** Outcomes that prove nothing: one of the pods went meanwhile, or the probe could not be sent. */
  readonly uncounted: number;
  /** Declared flows that were set up by a repeated packet. */
  readonly slow: number;
  /** Different paths that were tried at least once with an outcome that counts. */
  readonly paths: number;
  readonly violations: readonly LiveViolation[];
  /** Milliseconds since the probing began until the first probe that counts; undefined where there was none. */
  readonly first?: number;
  readonly milliseconds: number;
}

type Kind = "declared" | "undeclared";

/** A probing that goes on until it is stopped. */
export class LiveProbes {
  private readonly begun = Date.now();
  private readonly counts = { declared: 0, undeclared: 0, uncounted: 0, slow: 0 };
  private readonly paths = new Set<string>();
  private readonly violations: LiveViolation[] = [];
  private readonly loops: readonly Promise<void>[];
  private first: number | undefined;
  private ending = false;

  /** Starts at once. Ends of `probes` are workloads by the ids of a snapshot; their pods are found by name. */
  constructor(
    private readonly cluster: LabCluster,
    probes: readonly Probe[],
    private readonly options: LiveProbeOptions = {},
  ) {
    const declared = probes.filter(({ expected }) => expected === "allowed");
    const undeclared = probes.filter(({ expected }) => expected === "denied");
    this.loops = [this.loop("declared", declared), this.loop("undeclared", undeclared)];
    // `stop` tells
    for (const loop of this.loops) loop.catch(() => undefined);
  }

  /** Ends after the rounds that are under way. Rejects where a round could not be run at all. */
  async stop(): Promise<LiveReport> {
    this.ending = true;
    await Promise.all(this.loops);
    return {
      ...this.counts,
      paths: this.paths.size,
      violations: this.violations,
      ...(this.first === undefined ? {} : { first: this.first }),
      milliseconds: Date.now() - this.begun,
    };
  }

  private async loop(kind: Kind, probes: readonly Probe[]): Promise<void> {
    while (!this.ending) {
      await this.round(kind, probes);
      await new Promise((resolve) => setTimeout(resolve, this.options.interval ?? 150));
    }
  }

  private async round(kind: Kind, probes: readonly Probe[]): Promise<void> {
    const before = await this.cluster.pods();
    const tried = probes.flatMap((probe) => {
      const from = placed(probe.source, before, "source");
      const to = placed(probe.destination, before, "destination");
      return from && to ? [{ probe, from, to }] : [];
    });
    if (tried.length === 0) return;
    const timeout = kind === "declared" ? (this.options.patience ?? 4000) : (this.options.silence ?? 400);
    const at = Date.now() - this.begun;
    // with the pods of just now: one that has gone since is an outcome, not a mistake
    const outcomes = await new Prober(this.cluster.nodes, before).try(
      tried.map(({ probe, from, to }) => labProbe(probe, from, to)),
      { timeout },
    );
    // what this answers was true after the last outcome: a pod that is still there and ready was so all along
    const after = new Set((await this.cluster.pods()).filter(isLive).map(({ uid }) => uid));
    tried.forEach(({ probe, from, to }, index) => {
      const stayed = [from, to].every(({ pod }) => pod === undefined || after.has(pod.uid));
      this.judge(kind, probe, outcomes[index], stayed, at);
    });
  }

  private judge(kind: Kind, probe: Probe, outcome: RawOutcome | undefined, stayed: boolean, at: number): void {
    const passed = outcome?.verdict === "allowed";
    // a pass is a pass even where a pod went a moment later
    const counts = passed || (stayed && outcome !== undefined && outcome.verdict !== "error");
    if (!counts && !(kind === "declared" && stayed)) {
      this.counts.uncounted += 1;
      return;
    }
    this.counts[kind] += 1;
    this.paths.add(describeProbe(probe));
    this.first ??= at;
    if (kind === "declared" && passed && outcome.micros > 900_000) this.counts.slow += 1;
    if (passed === (kind === "declared")) return;
    const what = passed
      ? `${describeProbe(probe)} passes although it is not declared`
      : `${describeProbe(probe)} fails although it is declared: ${outcome?.reason ?? outcome?.verdict ?? "not tried"}`;
    this.violations.push({ at, what });
  }
}

interface Place {
  /** The end as the lab calls it. */
  readonly end: string;
  readonly pod?: LabPod;
}

/** Where an end is now; undefined where no pod of it is ready. */
function placed(end: ProbeEnd, pods: readonly LabPod[], side: "source" | "destination"): Place | undefined {
  if (end.kind === "address") return { end: side === "source" ? `world:${end.address}` : end.address };
  const pod = pods.find((each) => isLive(each) && belongsTo(each, end.id));
  return pod && { end: `${pod.namespace}/${pod.name}`, pod };
}

function isLive(pod: LabPod): boolean {
  return pod.ready && !pod.hostNetwork;
}

/** Whether a pod is one of a workload `namespace/name[Kind]`, by the names that its controllers give. */
function belongsTo({ namespace, name }: LabPod, id: string): boolean {
  const [, home, workload, kind] = /^([^/]+)\/(.+)\[(\w+)\]$/.exec(id) ?? [];
  if (workload === undefined || namespace !== home || !name.startsWith(workload)) return false;
  const rest = name.slice(workload.length);
  if (kind === "Pod") return rest === "";
  // ReplicaSet's hash and five letters; the letters alone under a DaemonSet; a number under a StatefulSet
  return kind === "Deployment" ? /^-[a-z0-9]+-[a-z0-9]{5}$/.test(rest) : /^-([a-z0-9]{5}|\d+)$/.test(rest);
}

function labProbe({ protocol, port, isDns }: Probe, from: Place, to: Place): LabProbe {
  const ends = { from: from.end, to: to.end, port };
  if (isDns !== true) return { ...ends, protocol: protocol === "UDP" ? "udp" : "tcp" };
  // a proxy between the two understands nothing but DNS
  const name = "kubernetes.default.svc.cluster.local";
  return { ...ends, protocol: protocol === "UDP" ? "dns" : "dns-tcp", name };
}
