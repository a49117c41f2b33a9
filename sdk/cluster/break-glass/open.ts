/** Opens a bypass: the timer first, then what it owns, then the label that turns it on. */
import type { BypassStatement, DebugPod, GrantedPolicy } from "../../plan";
import { bypassPolicy, timerJob, timerLabel, timerOwner } from "../../plan";
import { ApiError, ClusterError } from "../errors";
import type { BreakGlassApi, LiveObject } from "./api";
import { jobs, pods } from "./api";
import { removeBypass } from "./close";
import type { Choice } from "./grants";
import { kindOf } from "./grants";
import { keepsOwner, startOf } from "./timer";

/** What is opened, by whom and for how long. */
export interface OpenRequest extends Choice {
  readonly statement: BypassStatement;
  readonly seconds: number;
  /** Names of the pods that get the label. */
  readonly pods: readonly string[];
  /** A pod that is made for the bypass, named like its timer. Default: none. */
  readonly debugPod?: Pick<DebugPod, "pod" | "needsController"> | undefined;
  /** Milliseconds until the timer must have started. */
  readonly startWithin: number;
  /** Ends the work; what was made is removed. */
  readonly signal: AbortSignal;
}

/** An open bypass. */
export interface OpenedBypass {
  readonly timer: string;
  readonly namespace: string;
  /** When it ends, RFC 3339 in UTC. */
  readonly until: string;
  /** Pods with the label; those that were gone by then are left out. */
  readonly pods: readonly string[];
}

/**
 * Opens a bypass, and leaves nothing half made: where a step fails, everything before it is removed.
 *
 * @throws ClusterError with the reason, and with what could not be removed.
 */
export async function openBypass(api: BreakGlassApi, request: OpenRequest): Promise<OpenedBypass> {
  const { namespace, timer } = request.statement;
  const labelled: string[] = [];
  let hasTimer = false;
  try {
    await api.create(jobs, namespace, timerJob(request.statement, request.seconds));
    hasTimer = true;
    const until = await openUnder(api, request, labelled);
    return { timer, namespace, until, pods: labelled };
  } catch (error) {
    if (!(error instanceof ClusterError) && !request.signal.aborted) throw error;
    const kinds = request.subject.policies.map(kindOf);
    // refused: there is nothing yet; where no answer came, there may be
    const isNothing = !hasTimer && error instanceof ApiError;
    const complaints = isNothing ? [] : await removeBypass(api, { namespace, timer, pods: labelled, kinds });
    const end = complaints.length === 0 ? "nothing was opened" : `left behind: ${complaints.join(", ")}`;
    const reason = request.signal.aborted ? "it was interrupted" : (error as Error).message;
    throw new ClusterError(`${reason}; ${end}`, { cause: error });
  }
}

/** Opens what the timer owns. @param labelled Takes the pods that have the label. @returns when it ends */
async function openUnder(api: BreakGlassApi, request: OpenRequest, labelled: string[]): Promise<string> {
  const { statement, subject, seconds, signal } = request;
  const { namespace, timer } = statement;
  const job = await started(api, request);
  const { uid = "", creationTimestamp = "" } = job.metadata;
  // by the API server's clock, which judges the end, too; the timer starts a moment later
  const until = new Date(Date.parse(creationTimestamp) + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  const owners: Owner[] = [timerOwner(timer, uid)];
  for (const policy of subject.policies) {
    signal.throwIfAborted();
    const made = await api.create(kindOf(policy), namespace, bypassPolicy(statement, policy, uid, until));
    await refuseWithoutOwner(api, policy, made, uid);
    if (owners.length === 1) owners.push(controllerOf(policy, made));
  }
  if (request.debugPod !== undefined) {
    const { pod, needsController } = request.debugPod;
    const metadata = { ...pod.metadata, ownerReferences: needsController ? owners : owners.slice(0, 1) };
    signal.throwIfAborted();
    labelled.push((await api.create(pods, namespace, { ...pod, metadata })).metadata.name);
    return until;
  }
  for (const pod of request.pods) {
    signal.throwIfAborted();
    if (await api.label(namespace, pod, timerLabel, timer)) labelled.push(pod);
  }
  if (labelled.length === 0) throw new ClusterError("all pods are gone by now: try again");
  return until;
}

type Owner = Readonly<Record<string, unknown>>;

/** The policy as the controller of a pod, which no other controller then adopts. It goes with the timer. */
function controllerOf({ apiVersion, kind }: GrantedPolicy, { metadata: { name, uid } }: LiveObject): Owner {
  return { apiVersion, kind, name, uid, controller: true };
}

/** Waits until the timer runs. One that is held back (Kueue suspends Jobs) would never end. */
async function started(api: BreakGlassApi, { statement, startWithin, signal }: OpenRequest): Promise<LiveObject> {
  const { namespace, timer } = statement;
  const found = await startOf(api, namespace, timer, startWithin, signal);
  if (found.job !== undefined) return found.job;
  if (found.why === "deleted") {
    throw new ClusterError(`the timer ${namespace}/${timer} was deleted`);
  }
  const why = found.why === "suspended" ? "it is suspended" : "no controller of Jobs has started it";
  throw new ClusterError(`the timer does not run (${why}), so nothing would end the bypass`);
}

async function refuseWithoutOwner(
  api: BreakGlassApi,
  policy: GrantedPolicy,
  made: LiveObject,
  uid: string,
): Promise<void> {
  if (await keepsOwner(api, policy, made, uid)) return;
  const { name, namespace } = made.metadata;
  throw new ClusterError(
    `the API server does not keep the owner of ${policy.kind} ${namespace}/${name}, so nothing would end the bypass: it was removed again`,
  );
}
