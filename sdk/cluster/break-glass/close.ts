/** Closes a bypass before its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { timerLabel } from "../../plan";
import { ClusterError } from "../errors";
import type { BreakGlassApi, ObjectKind } from "./api";
import { jobs, pods } from "./api";
import type { ListedBypass } from "./list";

/** What belongs to a bypass. A pod of the timer's name was made for it. */
interface Parts {
  readonly namespace: string;
  readonly timer: string;
  /** Pods that may carry the label. */
  readonly pods: readonly string[];
  /** Kinds of its policies. */
  readonly kinds: readonly ObjectKind[];
}

/**
 * Removes everything of a bypass: its policies, its timer, its debug pod, and the label of other pods.
 *
 * @returns What could not be removed, a line each. Does not throw for it: the rest is removed all the same.
 */
export async function removeBypass(
  api: BreakGlassApi,
  { namespace, timer, pods: labelled, kinds }: Parts,
): Promise<string[]> {
  const complaints: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      complaints.push(`${what} (${error instanceof Error ? error.message : String(error)})`);
    }
  };
  for (const kind of kinds) {
    await attempt(`${kind.resource} of ${namespace}/${timer}`, async () => {
      const found = (await api.list(kind, namespace, `${timerLabel}=${timer}`)) ?? [];
      for (const { metadata } of found) await api.delete(kind, namespace, metadata.name);
    });
  }
  await attempt(`Job ${namespace}/${timer}`, () => api.delete(jobs, namespace, timer));
  for (const pod of labelled) {
    if (pod === timer) await attempt(`Pod ${namespace}/${pod}`, () => api.delete(pods, namespace, pod));
    else await attempt(`the label of Pod ${namespace}/${pod}`, () => api.label(namespace, pod, timerLabel, null));
  }
  return complaints;
}

/**
 * Closes a bypass and waits until its policies are gone.
 *
 * @param within Milliseconds.
 * @throws ClusterError with what is left.
 */
export async function closeBypass(
  api: BreakGlassApi,
  { namespace, timer, pods: labelled }: ListedBypass,
  kinds: readonly ObjectKind[],
  within: number,
): Promise<void> {
  const complaints = await removeBypass(api, { namespace, timer, pods: labelled, kinds });
  if (complaints.length > 0) throw new ClusterError(`not removed: ${complaints.join(", ")}`);
  const deadline = Date.now() + within;
  for (;;) {
    const left = await Promise.all(kinds.map((kind) => api.list(kind, namespace, `${timerLabel}=${timer}`)));
    if (left.flatMap((found) => found ?? []).length === 0) return;
    if (Date.now() >= deadline) throw new ClusterError(`${namespace}/${timer}: its policies are not gone yet`);
    await sleep(200);
  }
}
