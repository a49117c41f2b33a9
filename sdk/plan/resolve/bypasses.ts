import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import { bypassLabelPrefix } from "../bypass-label";
import { Tier } from "../declaration";
import { standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { ModelBypass } from "../model";
import type { Fields, Reader } from "../reader";
import { known } from "../reader";
import { peerKey } from "./flows";
import type { PeerDirectory } from "./peers";
import { readPeer } from "./peers";

const bypassFields = ["workload", "namespace", "reason", "owner", "expires", "grantedTo"];

/**
 * Reads the bypasses. Each says whom it is for, why, who answers for it, until when, and who may use it: a label that
 * everybody could set would take every pod out of its policies.
 *
 * @param asOf The day it is; bypasses that ended before it are marked.
 */
export function readBypasses(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  directory: PeerDirectory,
  asOf: string | undefined,
): readonly ModelBypass[] {
  refuseDeclaredLabels(problems, directory);
  const bypasses = reader.list(["bypasses"], value).flatMap((item, index): ModelBypass[] => {
    const path = ["bypasses", index];
    const fields = reader.fields(path, item, bypassFields);
    if (fields === undefined) {
      problems.add(path, item, "is not a bypass", "Give a workload, a reason, an owner, its last day and grantedTo.");
      return [];
    }
    const subject = readSubject(reader, problems, path, fields, directory);
    const reason = stated(problems, [...path, "reason"], fields["reason"], "Say why the bypass is needed.");
    const owner = stated(problems, [...path, "owner"], fields["owner"], "Name the team that owns the bypass.");
    const expires = readEnd(reader, problems, [...path, "expires"], fields["expires"]);
    const grantedTo = readGroups(reader, problems, [...path, "grantedTo"], fields["grantedTo"]);
    if (subject === undefined || reason === undefined || owner === undefined) return [];
    if (expires === undefined || grantedTo === undefined) return [];
    const isEnded = asOf !== undefined && expires < asOf;
    return [{ subject, reason, owner, expires, grantedTo, path, isEnded }];
  });
  refuseRepeats(problems, bypasses);
  return bypasses;
}

function readSubject(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  fields: Fields,
  directory: PeerDirectory,
): ModelBypass["subject"] | undefined {
  const given = ["workload", "namespace"].filter((key) => fields[key] !== undefined && fields[key] !== null);
  const [key] = given;
  if (key === undefined || given.length > 1) {
    const message = key === undefined ? "names no workload and no namespace" : "names a workload and a namespace";
    problems.add(path, fields, message, "Give one of them: whose pods may be labelled.");
    return undefined;
  }
  const at = [...path, key];
  const peer = readPeer(reader, problems, directory, path, { [key]: fields[key] });
  if (peer?.kind !== "workload" && peer?.kind !== "namespace") return undefined;
  return hasPolicies(problems, at, fields[key], peer) ? peer : undefined;
}

/** Whether policies are enforced for the pods of a subject at all; if not, that is a problem. */
export function hasPolicies(
  problems: ProblemCollector,
  at: PropertyPath,
  given: unknown,
  peer: ModelBypass["subject"],
): boolean {
  const tier = peer.kind === "workload" ? peer.workload.tier : peer.namespace.tier;
  if (tier === Tier.Platform) {
    problems.add(at, given, "is of tier 0, where no policy is enforced", "Leave the bypass out.");
    return false;
  }
  if (peer.kind === "workload" && peer.workload.hostNetwork) {
    problems.add(at, given, "is on the host network, where no pod policy is enforced", "Leave the bypass out.");
    return false;
  }
  return true;
}

/** Words that have to be there; they may come from an output. */
export function stated(
  problems: ProblemCollector,
  path: PropertyPath,
  given: unknown,
  fix: string,
): string | undefined {
  const value = known(given, standIns.text);
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  problems.add(path, value, "is missing", fix);
  return undefined;
}

/** Without an end it would be no bypass. */
function readEnd(reader: Reader, problems: ProblemCollector, path: PropertyPath, value: unknown): string | undefined {
  if (value !== undefined && value !== null) return reader.date(path, value);
  problems.add(path, value, "is missing", "Give the bypass's last day, such as 2027-03-31.");
  return undefined;
}

function readGroups(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): readonly string[] | undefined {
  const groups = reader.texts(path, value);
  if (groups !== undefined && groups.length > 0) return [...new Set(groups)].sort();
  const fix = "Name the groups whose members may label a pod, as the API server knows them.";
  problems.add(path, value, "names no group: anyone who starts pods could label them", fix);
  return undefined;
}

/** One policy for each subject, and one guard of the label for each namespace. */
function refuseRepeats(problems: ProblemCollector, bypasses: readonly ModelBypass[]): void {
  const subjects = new Map<string, ModelBypass>();
  const homes = new Map<string, ModelBypass>();
  for (const bypass of bypasses) {
    const { subject, path, grantedTo } = bypass;
    const home = homeOfBypass(bypass);
    const [same, neighbour] = [subjects.get(peerKey(subject)), homes.get(home)];
    if (same !== undefined) {
      const fix = "Keep one of them, with one reason and one owner.";
      problems.add(path, undefined, `is for the same pods as ${formatPath(same.path)}`, fix);
    } else if (neighbour !== undefined && neighbour.grantedTo.join() !== grantedTo.join()) {
      const fix =
        "Name the same groups: there is one label, and anyone who may set it may set it on any pod of the namespace.";
      problems.add(
        [...path, "grantedTo"],
        grantedTo,
        `differs from ${formatPath(neighbour.path)}, in the same namespace`,
        fix,
      );
    }
    subjects.set(peerKey(subject), same ?? bypass);
    homes.set(home, neighbour ?? bypass);
  }
}

/** The namespace whose pods a bypass is for. */
export function homeOfBypass({ subject }: Pick<ModelBypass, "subject">): string {
  return subject.kind === "workload" ? subject.workload.namespace : subject.namespace.name;
}

/** A template that carries the label would lift the policies of every pod that it starts. */
function refuseDeclaredLabels(problems: ProblemCollector, { workloads }: PeerDirectory): void {
  for (const { id, labels } of workloads.values()) {
    for (const key of Object.keys(labels).filter((one) => one.startsWith(bypassLabelPrefix))) {
      const fix = "Declare a bypass for the workload, and put the label on the pod that is debugged.";
      problems.add(["workloads", id, "labels", key], key, "is the label of a bypass", fix);
    }
  }
}
