/**
 * Tries in a cluster what break glass relies on: a timer of 30 seconds and an object of each kind that bypasses are written in,
 * owned by it. Where the cluster does not remove both by itself, no bypass would end.
 */
import { createHash, randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { GrantedPolicy, NamespaceGrants } from "../../plan";
import { readGrants, trialJob, trialName, trialPolicy, trialSeconds } from "../../plan";
import { ApiError, ClusterError } from "../errors";
import type { BreakGlassApi, LiveObject } from "./api";
import { jobs } from "./api";
import { kindOf } from "./grants";
import { keepsOwner, pollEvery, startOf } from "./timer";

/** The admission policy that holds the grants of a namespace: its uid tells its cluster from any other. */
export interface Guard {
  readonly name: string;
  readonly uid: string;
}

/** What came of a trial. */
export type TrialResult =
  /** The cluster removed everything by itself, so many seconds after the end of the timer. */
  | { readonly kind: "ended"; readonly namespace: string; readonly seconds: number }
  /** It did so before, with the same kinds and the same API server, less than 30 days ago. */
  | { readonly kind: "known"; readonly namespace: string }
  /** This is another cluster than that of the guard, or the guard is gone. */
  | { readonly kind: "elsewhere" }
  /** Bypasses would not end here: sentences, what stayed, why, and what to do. */
  | { readonly kind: "failed"; readonly namespace: string; readonly problem: string };

/** Annotation of the guard: what was tried, and when. */
const triedAnnotation = "pulumi-cluster-security/break-glass-tried";

/** So long a trial counts, in milliseconds: the cluster's controllers may be changed at any time. */
const lasts = 30 * 86_400_000;

/** So long each step of the end may take, in milliseconds: the garbage collector learns of a new kind within 30 seconds. */
const grace = 60_000;
const startWithin = 30_000;

/**
 * Tries the end of bypasses in the namespace of a guard, unless that is known. Removes what the cluster leaves.
 *
 * @throws ClusterError where the cluster cannot be asked, or refuses something.
 */
export async function tryBreakGlass(api: BreakGlassApi, { name, uid }: Guard): Promise<TrialResult> {
  const guard = await api.admissionPolicy(name);
  if (guard === undefined || guard.metadata.uid !== uid) return { kind: "elsewhere" };
  const grants = readGrants(guard.metadata.annotations ?? {});
  if (grants === undefined) throw new ClusterError(`ValidatingAdmissionPolicy ${name} holds no grants`);
  const { namespace } = grants;
  const policies = oneOfEachKind(grants);
  const subject = subjectOf(uid, await api.version(), namespace, policies);
  if (isKnown(guard, subject)) return { kind: "known", namespace };
  const tried = await new Trial(api, namespace, policies).run();
  if (typeof tried === "string") return { kind: "failed", namespace, problem: tried };
  const mark = JSON.stringify({ of: subject, at: new Date().toISOString() });
  await api.annotateAdmissionPolicy(name, triedAnnotation, mark);
  return { kind: "ended", namespace, seconds: tried };
}

/** What a trial is about, as a hash: the same cluster, API server and kinds give the same result. */
function subjectOf(uid: string, version: string, namespace: string, policies: readonly GrantedPolicy[]): string {
  const kinds = policies.map(({ apiVersion, resource }) => `${apiVersion}/${resource}`).sort();
  return createHash("sha256")
    .update(JSON.stringify([uid, version, namespace, kinds]))
    .digest("hex")
    .slice(0, 16);
}

function isKnown({ metadata }: LiveObject, subject: string): boolean {
  try {
    const mark = JSON.parse(metadata.annotations?.[triedAnnotation] ?? "{}") as { of?: unknown; at?: unknown };
    const age = Date.now() - Date.parse(String(mark.at));
    return mark.of === subject && age >= 0 && age < lasts;
  } catch {
    return false;
  }
}

function oneOfEachKind({ grants }: NamespaceGrants): readonly GrantedPolicy[] {
  const all = grants.flatMap(({ subjects }) => subjects.flatMap(({ policies }) => policies));
  return [...new Map(all.map((policy) => [`${policy.apiVersion}/${policy.resource}`, policy])).values()];
}

/** One trial in one namespace. */
class Trial {
  private readonly timer = trialName(Array.from({ length: 10 }, () => randomInt(36).toString(36)).join(""));
  private readonly made: { readonly policy: GrantedPolicy; readonly name: string }[] = [];

  constructor(
    private readonly api: BreakGlassApi,
    private readonly namespace: string,
    private readonly policies: readonly GrantedPolicy[],
  ) {}

  /** @returns seconds from the end of the timer until everything was gone, or what is wrong */
  async run(): Promise<number | string> {
    let problem: string | undefined;
    try {
      const outcome = await this.tried();
      if (typeof outcome === "number") return outcome;
      problem = outcome;
    } catch (error) {
      await this.clear();
      throw error instanceof ApiError && error.status === 403 ? this.withRights(error) : error;
    }
    const left = await this.clear();
    return left.length === 0 ? `${problem} What was tried is removed.` : `${problem} Left behind: ${left.join(", ")}.`;
  }

  private async tried(): Promise<number | string> {
    const { api, namespace, timer } = this;
    await api.create(jobs, namespace, trialJob(namespace, timer));
    const { job, why } = await startOf(api, namespace, timer, startWithin);
    if (job === undefined) return this.notStarted(why);
    const { uid = "" } = job.metadata;
    for (const policy of this.policies) {
      const made = await api.create(kindOf(policy), namespace, trialPolicy(namespace, timer, policy, uid));
      this.made.push({ policy, name: made.metadata.name });
      if (!(await keepsOwner(api, policy, made, uid))) return this.withoutOwner(policy, made.metadata.name);
    }
    const ends = Date.parse(String(job.status?.["startTime"])) + trialSeconds * 1000;
    return (await this.untilTimerIsGone()) ?? (await this.untilCollected()) ?? (Date.now() - ends) / 1000;
  }

  private async untilTimerIsGone(): Promise<string | undefined> {
    const deadline = Date.now() + trialSeconds * 1000 + grace;
    for (;;) {
      const job = await this.api.get(jobs, this.namespace, this.timer);
      if (job === undefined) return undefined;
      if (Date.now() >= deadline) return hasEnded(job) ? this.notDeleted(job) : this.notEnded();
      await sleep(1000);
    }
  }

  private async untilCollected(): Promise<string | undefined> {
    const deadline = Date.now() + grace;
    for (const { policy, name } of this.made) {
      while ((await this.api.get(kindOf(policy), this.namespace, name)) !== undefined) {
        if (Date.now() >= deadline) return this.notCollected(policy, name);
        await sleep(pollEvery);
      }
    }
    return undefined;
  }

  /** Removes what is left. @returns what could not be removed */
  private async clear(): Promise<string[]> {
    const left: string[] = [];
    const objects = [
      ...this.made.map(({ policy, name }) => ({ what: policy.kind, kind: kindOf(policy), name })),
      { what: "Job", kind: jobs, name: this.timer },
    ];
    for (const { what, kind, name } of objects) {
      try {
        await this.api.delete(kind, this.namespace, name);
      } catch {
        left.push(`${what} ${this.namespace}/${name}`);
      }
    }
    return left;
  }

  private owned(): string {
    return this.made.map(({ policy, name }) => `${policy.kind} ${this.namespace}/${name}`).join(" and ");
  }

  private get job(): string {
    return `Job ${this.namespace}/${this.timer}`;
  }

  private notStarted(why: "deleted" | "suspended" | "not seen"): string {
    if (why === "deleted")
      return `${this.job} was deleted before it started. Exempt Jobs of this name from what deletes them.`;
    return why === "suspended"
      ? `${this.job} is suspended, so it never ends. Exempt Jobs of break glass from what suspends them, such as Kueue.`
      : `${this.job} has not started within ${startWithin / 1000} s, because no controller of Jobs has seen it. ${manager("the Job controller")}`;
  }

  private withoutOwner({ kind }: GrantedPolicy, name: string): string {
    return (
      `${kind} ${this.namespace}/${name} has lost its ownerReferences, because the API server does not keep them, so nothing removes it. ` +
      "Exempt it from the webhook or MutatingAdmissionPolicy that takes them away, or, with an older release of Calico's API server, upgrade that."
    );
  }

  private notEnded(): string {
    return `${this.job} runs past its activeDeadlineSeconds of ${trialSeconds}, because no controller of Jobs ends it. ${manager("the Job controller")}`;
  }

  private notDeleted({ metadata, spec }: LiveObject): string {
    // the TTL-after-finished controller deletes in the foreground: the Job waits for what it owns
    if (metadata.deletionTimestamp !== undefined) {
      return `${this.job} is being deleted and stayed with what it owns, ${this.owned()}, because no garbage collector removes them. ${manager("the garbage collector")}`;
    }
    return spec?.["ttlSecondsAfterFinished"] === 0
      ? `${this.job} has ended and stayed, because no TTL-after-finished controller deletes it. ${manager("the TTL-after-finished controller")}`
      : `${this.job} has ended and stayed, because its ttlSecondsAfterFinished was taken away. Exempt it from the webhook or MutatingAdmissionPolicy that does so.`;
  }

  private notCollected({ kind }: GrantedPolicy, name: string): string {
    return `${kind} ${this.namespace}/${name} stayed after its owner, ${this.job}, was gone, because no garbage collector removes it. ${manager("the garbage collector")}`;
  }

  private withRights(error: ApiError): ClusterError {
    const kinds = ["Job", ...this.policies.map(({ kind }) => kind)].join(", ");
    return new ClusterError(
      `${error.message}. To try the end of bypasses, the update has to get, create and delete ${kinds} in namespace ${this.namespace} ` +
        `(cluster-security rbac --bypass-trial ${this.namespace} prints the role).`,
      { cause: error },
    );
  }
}

function hasEnded({ status }: LiveObject): boolean {
  const conditions = (status?.["conditions"] ?? []) as readonly { readonly type?: string; readonly status?: string }[];
  return conditions.some(({ type, status: is }) => (type === "Failed" || type === "Complete") && is === "True");
}

function manager(what: string): string {
  return `Have kube-controller-manager run with ${what} (its --controllers).`;
}
