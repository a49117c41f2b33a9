/** What counts until a day and is still there after it: bypasses, exceptions between tenants, exemptions. */
import { applyAnnotations } from "../findings/exemptions";
import type { LiveObject } from "../findings/live-drift";
import { isDate, isMoment, mapOf, textOf } from "../findings/plain";
import { bypassLabelPrefix, timerLabel } from "../plan/bypass-label";
import { documentedExceptions } from "../plan/exceptions";
import type { KubeObject, Reachability, SourcedObject, Workload } from "../reachability";
import { describeRef, isPolicy } from "../reachability";
import type { Candidate } from "./candidates";
import { keyOf, kubectlName, refOf } from "./identity";
import { managersOf } from "./managers";

/** What an end is told by. */
export interface Clock {
  /** The day, `YYYY-MM-DD` (UTC). */
  readonly today: string;
  /** The moment, RFC 3339 in UTC; without it a moment of today is not over. */
  readonly now?: string;
}

/**
 * Policies that lift others, and whose last day or last moment is over, or whose timer is gone: without them their paths
 * would be closed.
 *
 * @param mayLackJobs Jobs could not be listed: nothing is said about timers.
 */
export function overdueBypasses(
  live: readonly SourcedObject[],
  clock: Clock,
  mayLackJobs: boolean,
): readonly Candidate[] {
  const timers = new Set(live.flatMap(({ object }) => (object.kind === "Job" ? [placeOf(object)] : [])));
  return live.flatMap((each): Candidate[] => {
    const { object, source } = each;
    const key = keyOf(object);
    if (key === undefined || !isPolicy(object.apiVersion, object.kind)) return [];
    const isLive = source?.cluster !== undefined && !mayLackJobs;
    const why = endedAt(object, clock) ?? (isLive ? withoutTimer(object, timers) : undefined);
    if (why === undefined) return [];
    const ref = refOf(object);
    return [
      {
        key,
        kind: "overdue",
        found: each,
        object: ref,
        least: "medium",
        message: `${describeRef(ref)} is a bypass ${why} and still counts`,
        effects: ["Pods with the label of the bypass are exempt from their policies."],
        managers: managersOf(object as LiveObject),
        fix: `Delete it (kubectl delete ${kubectlName(ref)}, or pulumi up), or renew it with its owner.`,
        ...(source === undefined ? {} : { source }),
      },
    ];
  });
}

function endedAt(object: KubeObject, { today, now = today }: Clock): string | undefined {
  const until = statedEnd(object);
  if (until === undefined) return undefined;
  const isOver = isDate(until) ? until < today : isMoment(until) && Date.parse(until) <= Date.parse(now);
  return isOver ? `that ended ${isDate(until) ? "on" : "at"} ${until}` : undefined;
}

/** A bypass of break glass ends with the Job of the name in its label. */
function withoutTimer(object: KubeObject, timers: ReadonlySet<string>): string | undefined {
  const timer = textOf(mapOf(object.metadata?.labels)[timerLabel]);
  if (timer === undefined || timers.has(`${object.metadata?.namespace ?? ""}/${timer}`)) return undefined;
  return `whose timer, Job ${timer}, is gone (nothing but the garbage collector ends it, and that did not)`;
}

function placeOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

/** The day until which an object is a bypass, as a label or an annotation states it. */
function statedEnd({ metadata }: KubeObject): string | undefined {
  const key = `${bypassLabelPrefix}until`;
  return textOf(mapOf(metadata?.annotations)[key]) ?? textOf(mapOf(metadata?.labels)[key]);
}

/** An exception between tenants past its last day, and which of its pairs still get through. */
export interface OverdueException {
  readonly candidate: Candidate;
  readonly pairs: readonly (readonly [Workload, Workload])[];
}

/** Exceptions that policies document, past their last day. */
export function overdueExceptions(
  live: readonly SourcedObject[],
  { snapshot }: Reachability,
  today: string,
): readonly OverdueException[] {
  const pods = (side: { readonly namespace: string; readonly workload?: string }): readonly Workload[] =>
    snapshot.workloads.filter(
      ({ namespace, name }) => namespace === side.namespace && (side.workload === undefined || name === side.workload),
    );
  return live.flatMap((each): OverdueException[] => {
    const key = keyOf(each.object);
    if (key === undefined || !isPolicy(each.object.apiVersion, each.object.kind)) return [];
    return documentedExceptions(each.object.metadata?.annotations)
      .filter(({ expires }) => expires < today)
      .map(({ from, to, expires }) => {
        const [source, destination] = [from, to].map(({ namespace, workload }) =>
          workload === undefined ? `namespace ${namespace}` : `${namespace}/${workload}`,
        );
        const ref = refOf(each.object);
        return {
          candidate: {
            key: `${key}|exception|${source ?? ""}|${destination ?? ""}`,
            kind: "overdue" as const,
            found: each,
            object: ref,
            least: "medium" as const,
            message: `${describeRef(ref)} is still in place for the exception from ${source ?? ""} to ${destination ?? ""} that ended on ${expires}`,
            effects: [],
            managers: managersOf(each.object as LiveObject),
            fix: "Remove the exception from the declaration, or renew it with its owner.",
            ...(each.source === undefined ? {} : { source: each.source }),
          },
          pairs: pods(from).flatMap((one) => pods(to).map((other) => [one, other] as const)),
        };
      });
  });
}

/** Exemptions that objects state of themselves, past their last day: what they accept is accepted no longer. */
export function overdueExemptions({ snapshot }: Reachability, today: string): readonly Candidate[] {
  const { overdue } = applyAnnotations([], snapshot, { today, permitted: "everywhere" });
  return overdue.flatMap(({ subject, message, because, fix }): Candidate[] => {
    if (!because.some((reason) => reason.startsWith("it ended on "))) return [];
    const { kind, namespace, name, source } = subject;
    const object = { apiVersion: "", kind, name, ...(namespace === undefined ? {} : { namespace }) };
    return [
      {
        key: `exemption|${kind}|${namespace ?? ""}|${name}|${message}`,
        kind: "overdue",
        object,
        least: "medium",
        message: `${message}: ${because.join(", ")}`,
        effects: [],
        managers: [],
        fix,
        ...(source === undefined ? {} : { source }),
      },
    ];
  });
}
