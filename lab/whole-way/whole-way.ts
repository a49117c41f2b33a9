/**
 * One example end to end on the lab's datapath: previewed, deployed by a real engine, verified by packets, its drops
 * looked up in Hubble, a policy deleted behind the engine's back and restored, and destroyed again – with probes that run
 * all the while.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import type { Probe, Verification } from "../../sdk/cluster/index";
import { describeProbe, formatVerification, verify } from "../../sdk/cluster/index";
import { probesFor } from "../../sdk/cluster/verify-probes";
import type { Dialect } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { Reachability } from "../../sdk/reachability/index";
import type { ApiClient } from "../control-plane/index";
import { apiClient } from "../control-plane/index";
import { computedReachability, LabExecutor, world } from "../datapath/index";
import { objectPath } from "../datapath/objects";
import type { LabObject, LabCluster } from "../datapath/index";
import type { Example } from "../examples/index";
import { makeNamespaces, removeNamespaces } from "../examples/index";
import type { Lab } from "../index";
import type { Report } from "../start/engine-run";
import { openStack, report } from "../start/engine-run";
import { StoryError } from "../start/stage";
import type { Drift, PolicyThatMatters } from "./by-hand";
import { driftOf, policyThatMatters } from "./by-hand";
import type { ToldDrops } from "./drops";
import { dropsToldByHubble } from "./drops";
import { expectedReachability, liveObjects } from "./expected";
import type { LiveReport } from "./live-probes";
import { LiveProbes } from "./live-probes";

export interface WholeWayOptions {
  readonly lab: Lab;
  readonly cluster: LabCluster;
  /** The `hubble` program; none where another than Cilium enforces: then nobody is asked for the drops. */
  readonly hubble?: string;
  /** The API in which the example's policies are written. Default: the one that the example names. */
  readonly dialect?: Dialect;
  readonly signal: AbortSignal;
  /** Undeclared paths that are tried from each workload. Default 5; "all" for each of them. */
  readonly sample?: number | "all";
  /** Where the table of probes is written. */
  readonly tables: string;
  /** Told when a stage begins. */
  readonly onStage?: (stage: string) => void;
}

/** What was found on the way; see `problemsOf`. */
export interface WholeWayResult {
  readonly example: string;
  readonly up: LiveReport;
  readonly verification: Verification;
  /** Absent where there is no Hubble. */
  readonly hubble?: ToldDrops;
  readonly byHand: RemovalByHand;
  readonly destroy: LiveReport;
  /** File with every probe of the verification. */
  readonly table: string;
  readonly milliseconds: number;
}

/** A policy was deleted behind the engine's back. */
export interface RemovalByHand {
  readonly policy: string;
  /** Verifying named it among the declared policies that are missing. */
  readonly named: boolean;
  /** Probes that must end otherwise now, as computed. */
  readonly changed: readonly string[];
  /** Those of them that verifying again did not complain about. */
  readonly unseen: readonly string[];
  /** `cluster-security diff` of the stack's state and the cluster: before, while it is gone, and after the next up. */
  readonly drift: { readonly before: Drift; readonly gone: Drift; readonly restored: Drift };
  /** What verifying said after `up --refresh`. */
  readonly restored: Verification["verdict"];
}

/** Deploys, verifies and destroys one example. @throws StoryError where the engine fails */
export async function runWholeWay(example: Example, options: WholeWayOptions): Promise<WholeWayResult> {
  const client = apiClient(options.lab.controlPlane);
  try {
    return await new WholeWay(example, options, client).run();
  } finally {
    client.close();
  }
}

/** Everything that is not as it must be, one line each; none where all is well. */
export function problemsOf(result: WholeWayResult): string[] {
  const { up, destroy, verification, hubble, byHand } = result;
  const live = (when: string, { violations, declared, undeclared }: LiveReport): string[] => [
    ...violations.map(({ at, what }) => `during ${when}, after ${at} ms: ${what}`),
    ...(declared === 0 || undeclared === 0 ? [`during ${when} nothing was probed`] : []),
  ];
  return [
    ...live("up", up),
    ...verification.probes
      .filter(({ holds }) => holds !== true)
      .map(({ probe, outcome }) => `${describeProbe(probe)} must be ${probe.expected}, is ${outcome.outcome}`),
    ...verification.findings.map(({ message }) => message),
    ...(verification.verdict === "holds" ? [] : [`the verification says ${verification.verdict}`]),
    ...(hubble?.missing ?? []).map((what) => `Hubble does not tell the drop of ${what}`),
    ...(hubble?.asked === 0 ? ["no drop was there for Hubble to tell"] : []),
    ...(byHand.named ? [] : [`${byHand.policy} is deleted and verifying does not miss it`]),
    ...byHand.unseen.map((what) => `${byHand.policy} is deleted and yet ${what} is as before`),
    ...(byHand.drift.before.code === 0
      ? []
      : [`state and cluster differ from the start: ${byHand.drift.before.output}`]),
    ...(byHand.drift.gone.code === 1 ? [] : [`\`diff\` does not see that ${byHand.policy} is gone`]),
    ...(byHand.drift.restored.code === 0 ? [] : [`after up --refresh: ${byHand.drift.restored.output}`]),
    ...(byHand.restored === "holds" ? [] : [`after up --refresh the verification reports ${byHand.restored}`]),
    ...live("destroy", destroy),
  ];
}

class WholeWay {
  private readonly plan;

  constructor(
    private readonly example: Example,
    private readonly options: WholeWayOptions,
    private readonly client: ApiClient,
  ) {
    const { dialect } = options;
    this.plan = plan({ ...example.declaration, ...(dialect === undefined ? {} : { dialect }) });
  }

  async run(): Promise<WholeWayResult> {
    const begun = Date.now();
    const { expects } = this.example;
    await makeNamespaces(this.client, expects);
    const stack = await this.openStack();
    try {
      const found = await this.story(stack);
      await removeNamespaces(this.client, expects);
      await this.options.cluster.untilEmpty();
      return { ...found, milliseconds: Date.now() - begun };
    } catch (error) {
      // interrupted: the cluster ends too
      if (this.options.signal.aborted) throw error;
      // the next example needs an empty cluster; what went wrong first is what counts
      await report(new AbortController().signal, (options) => stack.destroy(options)).catch(() => undefined);
      await removeNamespaces(this.client, expects);
      throw error;
    }
  }

  private async openStack(): Promise<Stack> {
    const { lab, dialect } = this.options;
    const { name, program } = this.example;
    return await openStack({
      project: `whole-way-${name}${dialect === undefined ? "" : `-${dialect}`}`,
      program: program(dialect === undefined ? {} : { dialect }),
      engineRoot: lab.engine.root,
      env: lab.env,
    });
  }

  private async story(stack: Stack): Promise<Omit<WholeWayResult, "milliseconds">> {
    const { lab, signal } = this.options;
    this.stage("preview");
    const probes = this.certainProbes(await expectedReachability(stack, lab.controlPlane, signal));
    this.stage("up");
    const up = await this.probing(probes, (options) => stack.up(options));
    this.stage("verify");
    const { verification, reachability } = await this.verified();
    const table = this.writeTable(verification);
    const told = await this.dropsTold(verification, reachability);
    this.stage("a policy deleted by hand");
    const byHand = await this.removeByHand(verification, {
      drift: () => driftOf(stack, lab.controlPlane),
      restore: async () => {
        this.stage("up --refresh");
        succeeded(await report(signal, (options) => stack.up({ ...options, refresh: true })));
      },
    });
    this.stage("destroy");
    const destroy = await this.probing(probes, (options) => stack.destroy(options));
    const hubble = told === undefined ? {} : { hubble: told };
    return { example: this.example.name, up, verification, ...hubble, byHand, destroy, table };
  }

  /** Probes of which the declaration and the computed matrix say the same: where they differ, the verification tells. */
  private certainProbes(expected: Reachability): readonly Probe[] {
    const { sample = 5 } = this.options;
    const { probes } = probesFor(expected, this.plan, {
      outside: world.addresses,
      present: new Set(expected.snapshot.workloads.map(({ id }) => id)),
      // a round must be short: what passes for a moment is seen only while it passes
      sample: sample === "all" ? 5 : sample,
    });
    return probes.filter(({ expected: wanted, computed }) => wanted === computed);
  }

  /** What Hubble tells of the probes that were blocked; nothing where there is none. */
  private async dropsTold({ probes }: Verification, reachability: Reachability): Promise<ToldDrops | undefined> {
    const { cluster, hubble } = this.options;
    if (hubble === undefined) return undefined;
    this.stage("hubble");
    const blocked = probes.flatMap(({ probe, outcome }) => (outcome.outcome === "blocked" ? [probe] : []));
    return await dropsToldByHubble(cluster, hubble, reachability, blocked);
  }

  private stage(name: string): void {
    this.options.signal.throwIfAborted();
    this.options.onStage?.(name);
  }

  /** Runs an operation of the engine with probes all the while. */
  private async probing(
    probes: readonly Probe[],
    operation: (options: Parameters<Parameters<typeof report>[1]>[0]) => Promise<unknown>,
  ): Promise<LiveReport> {
    const live = new LiveProbes(this.options.cluster, probes);
    let done: Report;
    try {
      done = await report(this.options.signal, operation);
    } finally {
      await live.stop().catch(() => undefined);
    }
    succeeded(done);
    return await live.stop();
  }

  private async verified(): Promise<{ verification: Verification; reachability: Reachability }> {
    const reachability = await computedReachability(this.options.lab.controlPlane);
    const executor = new LabExecutor(this.options.cluster, reachability);
    const { sample = 5 } = this.options;
    return { verification: await verify(reachability, executor, { plan: this.plan, sample }), reachability };
  }

  private writeTable(verification: Verification): string {
    mkdirSync(this.options.tables, { recursive: true });
    const file = path.join(
      this.options.tables,
      `${[this.example.name, this.options.dialect].filter(Boolean).join("-")}.txt`,
    );
    writeFileSync(file, formatVerification(verification, "table"));
    return file;
  }

  private async removeByHand(
    verification: Verification,
    engine: { readonly drift: () => Promise<Drift>; readonly restore: () => Promise<void> },
  ): Promise<RemovalByHand> {
    const probes = verification.probes.map(({ probe }) => probe);
    const chosen = policyThatMatters(await liveObjects(this.options.lab.controlPlane), probes);
    if (!chosen) throw new StoryError("no policy of the cluster matters for a single probe");
    const before = await engine.drift();
    await this.options.cluster.remove([asLabObject(chosen)]);
    const { verification: without } = await this.verified();
    const complaints = new Set(
      without.probes.filter(({ holds }) => holds === false).map(({ probe }) => describeProbe(probe)),
    );
    const changed = chosen.probes.map(describeProbe);
    const gone = await engine.drift();
    await engine.restore();
    await this.untilThere(asLabObject(chosen));
    const { verification: again } = await this.verified();
    return {
      policy: describePolicy(chosen),
      named: without.policies.missing.includes(describePolicy(chosen)),
      changed,
      unseen: changed.filter((what) => !complaints.has(what)),
      drift: { before, gone, restored: await engine.drift() },
      restored: again.verdict,
    };
  }

  /** Fails where the policy is not on the API server again. */
  private async untilThere(policy: LabObject): Promise<void> {
    const { status } = await this.client.call("GET", objectPath(policy));
    if (status !== 200) throw new StoryError(`${objectPath(policy)} is not restored: status ${status}`);
  }
}

function succeeded(done: Report): void {
  if (!done.succeeded) throw new StoryError("the engine failed", done.output);
}

function asLabObject({ object }: PolicyThatMatters): LabObject {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata?.name ?? "",
      ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    },
  };
}

function describePolicy({ object: { kind, metadata } }: PolicyThatMatters): string {
  const home = metadata?.namespace === undefined ? "" : `${metadata.namespace}/`;
  return `${kind} ${home}${metadata?.name ?? ""}`;
}
