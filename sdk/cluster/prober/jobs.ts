/** The Jobs of one run of a verification on a live cluster: made, waited for, and taken away whatever happens. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../../reachability";
import { ApiClient, change, type Connection } from "../api-client";
import { ApiError, ClusterError } from "../errors";
import { listAll } from "../list-all";
import type { ProberPod, ProberState } from "./pod-state";
import { proberState } from "./pod-state";
import { runLabel, untilAnnotation } from "./pods";

/** A Job of this run. */
export interface JobName {
  readonly namespace: string;
  readonly name: string;
}

const collections: Readonly<Record<string, string>> = {
  Job: "/apis/batch/v1/namespaces/NAMESPACE/jobs",
  NetworkPolicy: "/apis/networking.k8s.io/v1/namespaces/NAMESPACE/networkpolicies",
  Namespace: "/api/v1/namespaces",
};

/** Milliseconds between two looks at the pods. */
const pause = 300;

export class ProbeJobs {
  /** Of this run; part of all names. */
  readonly run = randomBytes(4).toString("hex");
  private readonly client: ApiClient;
  /** Paths of what this run has created, or may have. */
  private readonly made = new Set<string>();
  /** Requests that create something and have no answer yet. */
  private readonly underWay = new Set<Promise<unknown>>();
  private closing = false;

  /** @param startWithin Milliseconds that a pod may take to start. */
  constructor(
    private readonly connection: Connection,
    private readonly startWithin: number,
  ) {
    this.client = new ApiClient(connection);
  }

  /** GET of one collection as a whole. @throws ApiError, ClusterError */
  list(path: string): Promise<Record<string, unknown>[]> {
    return listAll(this.client, path, 500);
  }

  /** @throws ApiError where the cluster refuses it, ClusterError once the run is being ended. */
  async create(object: KubeObject): Promise<void> {
    if (this.closing) throw new ClusterError("the verification is being ended");
    const collection = collectionOf(object);
    const path = `${collection}/${object.metadata?.name ?? ""}`;
    // remembered first: a request whose answer is lost may have been carried out
    this.made.add(path);
    const request = change(this.connection, "POST", collection, object);
    this.underWay.add(request);
    try {
      await request;
    } finally {
      this.underWay.delete(request);
    }
  }

  /** Deletes what is there of these; pods go with their Job. */
  async remove(objects: readonly KubeObject[]): Promise<void> {
    await this.removePaths(objects.map((object) => `${collectionOf(object)}/${object.metadata?.name ?? ""}`));
  }

  /** Resolves once each of these listens or will never do so. States are in the order of the Jobs. */
  async untilListening(jobs: readonly JobName[]): Promise<ProberState[]> {
    return await this.until(jobs, this.startWithin, ({ state }) => state !== "starting");
  }

  /** Resolves once each of these has ended; `within` are milliseconds besides those for starting. */
  async untilEnded(jobs: readonly JobName[], within: number): Promise<ProberState[]> {
    return await this.until(jobs, this.startWithin + within, ({ state }) => state === "ended" || state === "failed");
  }

  /** What they do in this moment. */
  async states(jobs: readonly JobName[]): Promise<ProberState[]> {
    const pods = new Map<string, ProberPod>();
    for (const namespace of new Set(jobs.map((job) => job.namespace))) {
      const selector = encodeURIComponent("batch.kubernetes.io/job-name");
      for (const item of await this.list(`/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`)) {
        const pod = item as ProberPod;
        pods.set(`${namespace}/${pod.metadata?.labels?.["batch.kubernetes.io/job-name"] ?? ""}`, pod);
      }
    }
    return jobs.map(({ namespace, name }) => {
      const pod = pods.get(`${namespace}/${name}`);
      return pod ? proberState(pod) : { state: "starting" };
    });
  }

  /**
   * Removes everything that this run has created. Never throws; returns what could not be removed, as a sentence each.
   * After this nothing is created any more.
   */
  async close(): Promise<string[]> {
    this.closing = true;
    // what is deleted before it is there would come about after all
    await Promise.allSettled(this.underWay);
    const complaints: string[] = [];
    for (const path of [...this.made]) {
      try {
        await this.removePaths([path]);
      } catch (error) {
        complaints.push(`${path} could not be deleted: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return complaints;
  }

  /** Removes what killed runs left behind: Jobs that outlived their time, and canary namespaces. Returns their names. */
  async sweep(now = new Date()): Promise<string[]> {
    const selector = `labelSelector=${encodeURIComponent(runLabel)}`;
    const leftovers: string[] = [];
    for (const item of await this.list(`/api/v1/namespaces?${selector}`)) {
      const { name, annotations, deletionTimestamp } = metadataOf(item);
      const until = annotations?.[untilAnnotation];
      if (name && until && !deletionTimestamp && Date.parse(until) < now.getTime()) {
        leftovers.push(`/api/v1/namespaces/${name}`);
      }
    }
    for (const item of await this.list(`/apis/batch/v1/jobs?${selector}`)) {
      const { name, namespace, creationTimestamp = "" } = metadataOf(item);
      const spec = item["spec"] as { activeDeadlineSeconds?: number; ttlSecondsAfterFinished?: number } | undefined;
      const seconds = (spec?.activeDeadlineSeconds ?? 0) + (spec?.ttlSecondsAfterFinished ?? 0);
      if (name && namespace && Date.parse(creationTimestamp) + seconds * 1000 < now.getTime()) {
        leftovers.push(`/apis/batch/v1/namespaces/${namespace}/jobs/${name}`);
      }
    }
    await this.removePaths(leftovers);
    return leftovers.map((path) => path.split("/namespaces/")[1] ?? path);
  }

  private async until(
    jobs: readonly JobName[],
    within: number,
    done: (state: ProberState) => boolean,
  ): Promise<ProberState[]> {
    const deadline = Date.now() + within;
    for (;;) {
      const states = await this.states(jobs);
      if (states.every(done)) return states;
      if (this.closing || Date.now() >= deadline) {
        return await Promise.all(
          states.map((state, index) => (done(state) ? state : this.late(state, jobs[index], within))),
        );
      }
      await sleep(pause);
    }
  }

  private async late(state: ProberState, job: JobName | undefined, within: number): Promise<ProberState> {
    const why = state.state === "starting" ? (state.why ?? (await this.whyNoPod(job))) : undefined;
    const what = state.state === "starting" ? "the probe pod did not start" : "the probe pod did not end";
    return { state: "failed", why: `${what} within ${within / 1000} s${why === undefined ? "" : `: ${why}`}` };
  }

  /** A pod that admission or a quota refuses leaves only an event at its Job. Whoever may not read events goes without. */
  private async whyNoPod(job: JobName | undefined): Promise<string | undefined> {
    if (!job) return undefined;
    const selector = encodeURIComponent(`involvedObject.name=${job.name},reason=FailedCreate`);
    try {
      const [event] = await this.list(`/api/v1/namespaces/${job.namespace}/events?fieldSelector=${selector}`);
      return typeof event?.["message"] === "string" ? event["message"] : undefined;
    } catch (error) {
      if (error instanceof ClusterError) return undefined;
      throw error;
    }
  }

  private async removePaths(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      try {
        await change(this.connection, "DELETE", `${path}?propagationPolicy=Background`, undefined);
      } catch (error) {
        // 409: a namespace that is being deleted already
        if (!(error instanceof ApiError && (error.status === 404 || error.status === 409))) throw error;
      }
      this.made.delete(path);
    }
  }
}

interface Metadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
}

function metadataOf(item: Record<string, unknown>): Metadata {
  return (item["metadata"] ?? {}) as Metadata;
}

function collectionOf(object: KubeObject): string {
  const collection = collections[object.kind];
  if (collection === undefined) throw new TypeError(`verification creates no ${object.kind}`);
  return collection.replace("NAMESPACE", object.metadata?.namespace ?? "");
}
