/** What has become of a baseline: every difference, with the paths that it opens and closes, and who made it. */
import { severities, type Severity } from "../findings/types";
import type { KubeObject, Reachability } from "../reachability";
import { describeRef, groupOf, isPolicy } from "../reachability";
import { compareObjects } from "./candidates";
import { editDrifts } from "./edit-rights";
import { overdueBypasses, overdueExceptions, overdueExemptions, type OverdueException } from "./ends";
import { enforcementDrift } from "./enforcement-drift";
import { ineffectiveIn } from "./ineffective";
import { compareNamespaces } from "./namespaces";
import { openNamespaces } from "./open-namespaces";
import { PathTally } from "./paths";
import { inconclusive, otherUids, strangerTo } from "./stranger";
import { driftOf, tallied, usualExamples } from "./tallies";
import type { AuditDrift, AuditInput, AuditResult } from "./types";
import { ask, enforcementOf, refusedAmong, worldAsItIs, worldAsMeant } from "./worlds";

/**
 * Compares a cluster with its baseline. Severity is the effect: a drift is as bad as the worst path that it opens or
 * closes, and one that changes no path is low. Guards and rights, which keep people from opening paths, are high; what is
 * past its end is at least medium.
 *
 * Never throws for what an object holds. What cannot be compared is a gap, and without any drift the verdict is then
 * `inconclusive`, never `clean`.
 */
export function audit(input: AuditInput): AuditResult {
  const { baseline, live, today } = input;
  const isUnlisted = unlistedIn(input);
  const enforcement = enforcementOf(live, baseline, input);
  const objects = compareObjects(baseline, live, isUnlisted, enforcement.meant);
  const namespaces = compareNamespaces(baseline, live, isUnlisted);
  const stranger = strangerTo(input, objects);
  if (stranger !== undefined) return inconclusive([...(input.gaps ?? []), stranger], live);
  const bypasses = overdueBypasses(live, input, isUnlisted({ apiVersion: "batch/v1", kind: "Job" }));
  const ended = new Set(bypasses.map(({ key }) => key));

  const asItIs = worldAsItIs(live, refusedAmong(objects.candidates));
  const now = ask(asItIs, enforcement.meant);
  const open = openNamespaces(now, input);
  const candidates = [
    ...objects.candidates.filter(({ key }) => !ended.has(key)),
    ...namespaces.candidates,
    ...bypasses,
    ...open,
  ];
  const asMeant = worldAsMeant(live, objects, namespaces, { ended, undenied: open.map(({ object }) => object.name) });
  const tallies = tallied(candidates, { asMeant, asItIs, now }, enforcement, input);
  const drifts = [
    ...candidates.flatMap((candidate) => tallies.drift(candidate)),
    ...enforcementDrift(enforcement, asItIs.objects, now, input),
    ...overdueExceptions(live, now, today).map((each) => exceptionDrift(each, now, input)),
    ...[...overdueExemptions(now, today), ...editDrifts(input)].map((each) => driftOf(each, undefined)),
  ].map((drift) => ({ ...drift, requests: input.requests?.of(drift.object) ?? [] }));
  const gaps = [...(input.gaps ?? []), ...objects.gaps, ...otherUids(objects)];
  return {
    verdict: drifts.length > 0 ? "drift" : gaps.length > 0 ? "inconclusive" : "clean",
    drifts: drifts.sort(worstFirst),
    gaps,
    ...(input.effect === true ? { ineffective: ineffectiveIn(now) } : {}),
    compared: {
      policies: [...objects.baseline.values()].filter(({ object }) => isPolicy(object.apiVersion, object.kind)).length,
      namespaces: namespaces.meant.size,
      workloads: now.snapshot.workloads.length,
    },
  };
}

function unlistedIn({ unlisted = [] }: AuditInput): (object: KubeObject) => boolean {
  const kinds = new Set(unlisted.map(({ apiVersion, kind }) => `${groupOf(apiVersion)}/${kind}`));
  return ({ apiVersion, kind }) => kinds.has(`${groupOf(apiVersion)}/${kind}`);
}

function exceptionDrift({ candidate, pairs }: OverdueException, now: Reachability, input: AuditInput): AuditDrift {
  const tally = new PathTally(input.examples ?? usualExamples);
  for (const [one, other] of pairs) {
    const after = now.traffic({ kind: "workload", id: one.id }, { kind: "workload", id: other.id });
    const none = after.allowed.subtract(after.allowed);
    const before = { allowed: none, possible: none };
    tally.add({ sourceId: one.id, destinationId: other.id, before, after }, () => undefined);
  }
  return driftOf(candidate, tally);
}

function worstFirst(a: AuditDrift, b: AuditDrift): number {
  const rank = ({ severity }: { readonly severity: Severity }): number => severities.indexOf(severity);
  return rank(a) - rank(b) || describeRef(a.object).localeCompare(describeRef(b.object));
}
