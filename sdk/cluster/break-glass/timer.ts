/** What has to be true of a timer and of what it owns, as the cluster shows it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { GrantedPolicy } from "../../plan";
import type { BreakGlassApi, LiveObject } from "./api";
import { jobs } from "./api";
import { kindOf } from "./grants";

/** How often is looked, in milliseconds. */
export const pollEvery = 200;

/** A timer that runs, or why it does not. */
export type TimerStart =
  { readonly job: LiveObject; readonly why?: never } | { readonly job?: never; readonly why: TimerHalt };

/** Gone; held back, as Kueue does with Jobs; or not seen by a controller of Jobs. */
type TimerHalt = "deleted" | "suspended" | "not seen";

/**
 * Waits until a timer runs.
 *
 * @param within Milliseconds.
 * @param signal Ends the waiting with its reason.
 */
export async function startOf(
  api: BreakGlassApi,
  namespace: string,
  timer: string,
  within: number,
  signal?: AbortSignal,
): Promise<TimerStart> {
  const deadline = Date.now() + within;
  for (;;) {
    signal?.throwIfAborted();
    const job = await api.get(jobs, namespace, timer);
    if (job === undefined) return { why: "deleted" };
    const isSuspended = job.spec?.["suspend"] === true;
    if (typeof job.status?.["startTime"] === "string" && !isSuspended) return { job };
    if (Date.now() >= deadline) return { why: isSuspended ? "suspended" : "not seen" };
    await sleep(pollEvery);
  }
}

/**
 * Whether the API server has kept an object's owner. Calico's API dropped owners once (projectcalico/calico#5715, #9574), and
 * admission may take them away; an object without its owner stays.
 */
export async function keepsOwner(
  api: BreakGlassApi,
  policy: GrantedPolicy,
  made: LiveObject,
  uid: string,
): Promise<boolean> {
  const { name, namespace } = made.metadata;
  const stored = await api.get(kindOf(policy), namespace, name);
  return stored?.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}
