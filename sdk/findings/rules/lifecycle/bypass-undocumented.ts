import type { KubeObject, ObjectRef, Snapshot, Source, Workload } from "../../../reachability";
import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { isDate, isMoment, listOf, mapOf, textOf } from "../../plain";
import { aboutObject } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Whoever switches protection off says who answers for it, why, and until when. */
export const bypassUndocumented: Rule = {
  id: "bypass-undocumented",
  title: "A bypass has no owner, reason or end",
  severity: "high",
  why: "A bypass made in an incident outlives the incident unless it has an end and an owner.",
  description:
    "A workload with the label policy-bypass.pulumi-cluster-security/until, or a policy whose name says bypass or " +
    "break-glass, has a last day (`until`, YYYY-MM-DD) that is a date and has not passed, and the annotations " +
    "policy-bypass.pulumi-cluster-security/owner and /reason. For a pod that carries nothing but the label, a policy of its " +
    "namespace with the same day may say them. A bypass of break glass (a policy with the label " +
    "policy-bypass.pulumi-cluster-security/timer) may state a moment (2026-11-30T18:00:00Z) in place of a day, and is owned by " +
    "the Job of the name in its label, which ends it; a pod with that label alone is not opened by it.",
  remediation: "State the owner, the reason and the last day of the bypass, or remove it.",
  controls: [controls.nistChangeControl, controls.pciReview, controls.soc2Change],
  check: checkBypasses,
};

const prefix = "policy-bypass.pulumi-cluster-security/";
const bypassName = /(^|[.-])(bypass|break-?glass)([.-]|$)/;

function* checkBypasses(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const documents = documentedDays(snapshot);
  for (const workload of snapshot.workloads) {
    const stated = statedBy(templateMetadata(workload), mapOf(workload.object.metadata));
    if (stated === undefined || isOfTimer(workload, stated)) continue;
    // a label is all that a pod gets: the policy that it turns on says the rest
    const documented = documents.find(
      (each) => each.namespace === workload.namespace && each.until === stated["until"],
    );
    if (documented !== undefined && Object.keys(stated).every((key) => key === "until")) continue;
    yield* judge(context, { ...workload, apiVersion: workload.object.apiVersion }, stated, "carries a bypass");
  }
  for (const policy of snapshot.policies) {
    const stated = statedBy(mapOf(policy.object.metadata));
    if (stated === undefined && !bypassName.test(policy.name)) continue;
    yield* judge(context, policy, stated ?? {}, "is a bypass", timerFault(policy.object, stated?.["timer"]));
  }
}

/** The timer of a bypass of break glass, or a pod that carries its label: the policy that the timer owns says everything. */
function isOfTimer({ kind, name }: Workload, stated: Fields): boolean {
  return kind === "Job" ? stated["timer"] === name : Object.keys(stated).every((key) => key === "timer");
}

/** A bypass of break glass ends because its timer owns it; without that nothing ends it. */
function timerFault({ metadata }: KubeObject, timer: unknown): string[] {
  if (timer === undefined) return [];
  const owners = listOf(mapOf(metadata)["ownerReferences"]).map(mapOf);
  const isOwned = owners.length === 1 && owners[0]?.["kind"] === "Job" && owners[0]["name"] === timer;
  return isOwned ? [] : ["its timer does not own it, so nothing ends it"];
}

/** Days until which a policy of a namespace is a bypass that says its owner and its reason. */
function documentedDays(snapshot: Snapshot): { readonly namespace: string; readonly until: string }[] {
  return snapshot.policies.flatMap(({ namespace, object }) => {
    const { until, owner, reason } = statedBy(mapOf(object.metadata)) ?? {};
    if (namespace === undefined || !isDate(until) || isMissing(owner) || isMissing(reason)) return [];
    return [{ namespace, until }];
  });
}

function* judge(
  context: RuleContext,
  object: ObjectRef & { readonly source?: Source },
  stated: Fields,
  what: string,
  furtherFaults: readonly string[] = [],
): Iterable<Finding> {
  const { apiVersion, kind, namespace, name, source } = object;
  const ref = { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
  const about = { ...ref, ...(source === undefined ? {} : { source }) };
  const until = stated["until"];
  const faults = [
    ...["owner", "reason"].filter((key) => isMissing(stated[key])).map((key) => `it does not state its ${key}`),
    ...endFault(until, context.today),
    ...furtherFaults,
  ];
  if (faults.length > 0) {
    const unclear = ["owner", "reason", "until"].some((key) => isUnknown(stated[key]));
    yield aboutObject(bypassUndocumented, about, {
      certainty: unclear ? "possible" : "definite",
      message: `${describeRef(ref)} ${what} that is not documented`,
      because: faults,
    });
    return;
  }
  yield aboutObject(bypassUndocumented, about, {
    severity: "info",
    message: `${describeRef(ref)} ${what} until ${String(until)}`,
    because: ["its owner, reason and last day are stated"],
    fix: "Nothing to do until that day; remove it when it is no longer needed.",
  });
}

function endFault(until: unknown, today: string | undefined): string[] {
  if (isMissing(until)) return ["it does not state its end"];
  if (!isDate(until) && !isMoment(until)) return ["its end is not a date of the form YYYY-MM-DD"];
  return today !== undefined && until < today ? [`it ended on ${until}`] : [];
}

function isMissing(value: unknown): boolean {
  return textOf(value)?.trim() === "" || textOf(value) === undefined;
}

/** What labels and annotations say of a bypass; undefined where none speaks of one. */
function statedBy(...metadata: readonly Fields[]): Fields | undefined {
  const found = metadata
    .flatMap((each) => [mapOf(each["labels"]), mapOf(each["annotations"])])
    .flatMap((entries) => Object.entries(entries))
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => [key.slice(prefix.length), value] as const);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function templateMetadata({ object, kind }: Workload): Fields {
  const spec: Fields = mapOf((object as KubeObject).spec);
  const holder = kind === "CronJob" ? mapOf(mapOf(spec["jobTemplate"])["spec"]) : spec;
  return mapOf(mapOf(holder["template"])["metadata"]);
}
