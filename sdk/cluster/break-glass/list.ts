/** What is open, until when, and by whom. */
import { bypassAnnotations, timerLabel } from "../../plan";
import type { BreakGlassApi, LiveObject, ObjectKind } from "./api";
import { jobs, pods } from "./api";

/** The state of a bypass. */
type BypassState =
  /** Its policy is in place, and its timer runs. */
  | "open"
  /** Its policy is in place, and its end is over or its timer gone: nothing has removed it. */
  | "overdue"
  /** A timer without a policy, or pods with the label of a timer that is gone: nothing is open. */
  | "closed";

/** One bypass of break glass. */
export interface ListedBypass {
  readonly namespace: string;
  readonly timer: string;
  /** Whose pods it is for: `shop/api`, or `namespace shop`. */
  readonly of: string;
  readonly state: BypassState;
  /** When it ends, RFC 3339 in UTC; empty where nothing says it. */
  readonly until: string;
  readonly requester: string;
  readonly owner: string;
  readonly reason: string;
  /** Names of the policies, with their resource. */
  readonly policies: readonly string[];
  /** Pods with its label. */
  readonly pods: readonly string[];
}

/** Controllers need a moment after the end; so long a bypass is not called overdue. */
const grace = 60_000;

/**
 * Every bypass of break glass that the cluster holds anything of, by namespace and timer.
 *
 * @param namespace Only those of this namespace. Default: all.
 * @throws ClusterError where something may not be listed: nothing is passed over.
 */
export async function listBypasses(
  api: BreakGlassApi,
  kinds: readonly ObjectKind[],
  namespace: string | undefined,
  now = Date.now(),
): Promise<ListedBypass[]> {
  const found = new Map<string, Found>();
  const add = (object: LiveObject, change: (entry: Found) => void): void => {
    const timer = object.metadata.labels?.[timerLabel] ?? "";
    const key = `${object.metadata.namespace}/${timer}`;
    const entry = found.get(key) ?? { namespace: object.metadata.namespace, timer, policies: [], names: [], pods: [] };
    change(entry);
    found.set(key, entry);
  };
  for (const job of (await api.list(jobs, namespace, timerLabel)) ?? []) add(job, (entry) => (entry.job = job));
  for (const kind of kinds) {
    for (const policy of (await api.list(kind, namespace, timerLabel)) ?? []) {
      add(policy, ({ policies, names }) => {
        policies.push(policy);
        names.push(`${kind.resource}/${policy.metadata.name}`);
      });
    }
  }
  for (const pod of (await api.list(pods, namespace, timerLabel)) ?? []) {
    add(pod, (entry) => entry.pods.push(pod.metadata.name));
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => listed(entry, now));
}

/** What was found of one bypass. */
interface Found {
  readonly namespace: string;
  readonly timer: string;
  job?: LiveObject;
  readonly policies: LiveObject[];
  readonly names: string[];
  readonly pods: string[];
}

function listed({ namespace, timer, job, policies, names, pods: labelled }: Found, now: number): ListedBypass {
  const [source] = [...policies, ...(job === undefined ? [] : [job])];
  const stated = (key: keyof typeof bypassAnnotations): string =>
    source?.metadata.annotations?.[bypassAnnotations[key]] ?? "";
  const until = stated("until");
  const isOver = !(Date.parse(until) + grace > now);
  const state = policies.length === 0 ? "closed" : isOver || job === undefined ? "overdue" : "open";
  return {
    namespace,
    timer,
    of: stated("of"),
    state,
    until,
    requester: stated("requester"),
    owner: stated("owner"),
    reason: stated("reason"),
    policies: names,
    pods: labelled,
  };
}
