/** What a bypass opens, computed before it is opened. */
import type { BreakGlassApi } from "../../cluster";
import type { BypassStatement, GrantedSubject } from "../../plan";
import { bypassPolicy, timerLabel } from "../../plan";
import type { KubeObject, Workload } from "../../reachability";
import { buildSnapshot, compile, diff } from "../../reachability";
import { describeCounts } from "../../reports/diff";
import { knownWorkload } from "../ends";
import { CliError } from "../errors";
import { exitCodes } from "../exit-codes";
import type { Output } from "../output";
import { printDiff } from "../print/diff";
import type { Loaded } from "../snapshot";

type Labels = Readonly<Record<string, string>>;

/** Labels of the pods that are opened. A grant for a namespace knows no workload: the cluster says what its pods carry. */
export function podSelector(
  subject: GrantedSubject,
  namespace: string,
  workload: string | undefined,
  { snapshot }: Loaded,
): Labels {
  if (subject.workload !== undefined || workload === undefined) return subject.labels;
  return knownWorkload(`${namespace}/${workload}`, snapshot).labels;
}

/**
 * Names of the pods with these labels that run; on the host network no policy applies to them.
 *
 * @param only Names. None: all.
 * @throws CliError where one of the names is none of them.
 */
export async function podsOf(
  api: BreakGlassApi,
  namespace: string,
  labels: Labels,
  only: readonly string[],
): Promise<readonly string[]> {
  const selector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const found = (await api.list({ apiVersion: "v1", resource: "pods" }, namespace, selector)) ?? [];
  const names = found
    .filter(({ metadata, spec, status }) => {
      const hasEnded = ["Succeeded", "Failed"].includes(String(status?.["phase"]));
      return metadata.deletionTimestamp === undefined && !hasEnded && spec?.["hostNetwork"] !== true;
    })
    .map(({ metadata }) => metadata.name);
  for (const name of only) {
    if (!names.includes(name)) throw new CliError(`--pod: "${name}" is none of ${names.join(", ")}`, exitCodes.usage);
  }
  return only.length > 0 ? only : names;
}

/**
 * Prints the paths that open, and those that close, if any.
 *
 * @param isOpened Whose pods get the timer's label.
 */
export async function pathsOpened(
  { objects, snapshot, reachability, holes }: Loaded,
  subject: GrantedSubject,
  statement: BypassStatement,
  isOpened: (workload: Workload) => boolean,
  output: Output,
  note: (text: string) => void,
): Promise<void> {
  const opened = new Set(snapshot.workloads.filter(isOpened).map(({ object }) => object));
  const policies = subject.policies.map((policy) => ({ object: bypassPolicy(statement, policy, "", "") }));
  const after = [
    ...objects.map((one) => (opened.has(one.object) ? { ...one, object: labelled(one.object, statement.timer) } : one)),
    ...policies,
  ];
  const counts = { opened: 0, closed: 0, changed: 0 };
  const differences = diff(reachability, compile(buildSnapshot(after, { profile: snapshot.profile })), {
    holes: { before: holes, after: holes },
  });
  const tally = function* (): ReturnType<typeof diff> {
    for (const each of differences) {
      counts[each.change] += 1;
      yield each;
    }
  };
  await printDiff(tally(), "table", output, note);
  note(describeCounts(counts));
}

/** Whether a workload's pods have the labels. */
export function hasLabels(workload: Workload, namespace: string, labels: Labels): boolean {
  if (workload.namespace !== namespace) return false;
  return Object.entries(labels).every(([key, value]) => workload.labels[key] === value);
}

/** The object with the timer's label on the pods that it makes, or on itself. */
function labelled(object: KubeObject, timer: string): KubeObject {
  const copy = structuredClone(object);
  let holder = copy as Record<string, unknown>;
  const below = copy.kind === "CronJob" ? ["spec", "jobTemplate"] : [];
  for (const key of [...below, ...(copy.kind === "Pod" ? [] : ["spec", "template"]), "metadata"]) {
    const next = { ...(holder[key] as Record<string, unknown> | undefined) };
    holder[key] = next;
    holder = next;
  }
  holder["labels"] = { ...(holder["labels"] as Labels | undefined), [timerLabel]: timer };
  return copy;
}
