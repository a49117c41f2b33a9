/** Agents that enforce less than they should. */
import type { LiveObject } from "../findings/live-drift";
import type { Reachability, SourcedObject } from "../reachability";
import { describeRef, equivalent } from "../reachability";
import type { Candidate } from "./candidates";
import { kubectlName, refOf } from "./identity";
import { managersOf } from "./managers";
import { PathTally } from "./paths";
import { driftOf, usualExamples } from "./tallies";
import type { AuditDrift, AuditInput } from "./types";
import { ask, isConfiguration, type Enforcement } from "./worlds";

/** So many paths are counted where nothing is enforced any more: then nearly every pair is one. */
const mostUnenforced = 20_000;

/** The agents do less than they should: everything is open that policies deny. */
export function enforcementDrift(
  { is, meant }: Enforcement,
  objects: readonly SourcedObject[],
  now: Reachability,
  input: AuditInput,
): readonly AuditDrift[] {
  const isOff = is.enforcementMode === "never" && meant.enforcementMode !== "never";
  const isWeaker = is.enforcementMode === "default" && meant.enforcementMode === "always";
  const onlyReports = is.auditMode && !meant.auditMode;
  if (!isOff && !isWeaker && !onlyReports) return [];
  const tally = new PathTally(input.examples ?? usualExamples);
  const { differences } = equivalent(now, ask({ objects }, is), { limit: mostUnenforced });
  for (const { source, destination, a, b } of differences) {
    tally.add({ sourceId: source, destinationId: destination, before: a, after: b }, () => undefined);
  }
  const holder = input.live.find(({ object }) => isConfiguration(object));
  const object =
    holder === undefined ? { apiVersion: "v1", kind: "ConfigMap", name: "cilium-config" } : refOf(holder.object);
  const what = isOff
    ? `${is.title} enforces no policy: enable-policy is never`
    : onlyReports
      ? `${is.title} only reports what it would drop: policy-audit-mode is true`
      : `${is.title} isolates only pods that a policy selects: enable-policy is default, and always in the baseline`;
  const candidate: Candidate = {
    key: "enforcement",
    kind: "enforcement-off",
    least: isWeaker ? "low" : "critical",
    object,
    message: `${what} (${describeRef(object)})`,
    effects: isWeaker ? [] : ["No policy of the cluster denies anything until this is turned back."],
    managers: holder === undefined ? [] : managersOf(holder.object as LiveObject, [{ path: "data" }]),
    fix: `Set it back and restart the agents. To see it: kubectl get ${kubectlName(object)} -o yaml`,
    ...(holder?.source === undefined ? {} : { source: holder.source }),
  };
  return [driftOf(candidate, tally)];
}
