import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import { durationText, secondsOf } from "../break-glass/duration";
import type { ProblemCollector } from "../errors";
import type { ModelBreakGlass, ModelBypass } from "../model";
import { isDnsLabel } from "../names";
import type { Fields, Reader } from "../reader";
import { hasPolicies, stated } from "./bypasses";
import { peerKey } from "./flows";
import type { PeerDirectory } from "./peers";
import { readPeer } from "./peers";

const fieldNames = ["name", "grantedTo", "workloads", "namespaces", "maxDuration", "reason", "owner"];

/** A timer's name holds the grant's, and a label's value takes 63 characters. */
const longestName = 32;
const defaultSeconds = 8 * 3600;
/** What has to last longer is a change of the declaration. */
const mostSeconds = 168 * 3600;

/** Groups that everybody is in, or that no admission policy should rely on: each would make the grant one for all. */
const tooWide: ReadonlySet<string> = new Set([
  "system:authenticated",
  "system:unauthenticated",
  "system:serviceaccounts",
  "system:masters",
  "system:nodes",
]);

/** Reads the grants of break glass: who may open a bypass, of whom, for how long, and who answers for that. */
export function readBreakGlass(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  directory: PeerDirectory,
): readonly ModelBreakGlass[] {
  const names = new Map<string, PropertyPath>();
  return reader.list(["breakGlass"], value).flatMap((item, index): ModelBreakGlass[] => {
    const path = ["breakGlass", index];
    const what = "Give a name, grantedTo, workloads or namespaces, a reason and an owner.";
    const fields = reader.item(path, item, fieldNames, "is not a grant of break glass", what);
    if (fields === undefined) return [];
    const name = readName(reader, problems, [...path, "name"], fields["name"], names);
    const grantedTo = readGroups(reader, problems, [...path, "grantedTo"], fields["grantedTo"]);
    const subjects = readSubjects(reader, problems, path, fields, directory);
    const maxSeconds = readLongest(reader, problems, [...path, "maxDuration"], fields["maxDuration"]);
    const reason = stated(problems, [...path, "reason"], fields["reason"], "Say why there is such a grant.");
    const owner = stated(problems, [...path, "owner"], fields["owner"], "Name the team that answers for the grant.");
    if (name === undefined || grantedTo === undefined || maxSeconds === undefined) return [];
    return reason === undefined || owner === undefined || subjects.length === 0
      ? []
      : [{ name, grantedTo, subjects, maxSeconds, reason, owner }];
  });
}

function readName(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  names: Map<string, PropertyPath>,
): string | undefined {
  const name = reader.text(path, value);
  if (name === undefined) return undefined;
  if (!isDnsLabel(name) || name.length > longestName) {
    const fix = `Use lower-case letters, digits and -, at most ${longestName} characters.`;
    problems.add(path, name, "is not a name of a grant", fix);
    return undefined;
  }
  const same = names.get(name);
  if (same !== undefined)
    problems.add(path, name, `is the name of ${formatPath(same)}, too`, "Give it a name of its own.");
  names.set(name, path.slice(0, -1));
  return name;
}

function readGroups(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): readonly string[] | undefined {
  const groups = reader.texts(path, value) ?? [];
  if (groups.length === 0) {
    problems.add(path, value, "names no group", "Name the groups whose members may open a bypass.");
    return undefined;
  }
  groups.forEach((group, index) => {
    if (!tooWide.has(group)) return;
    const fix = "Name a group of the people who are on call, as the API server knows it.";
    problems.add([...path, index], group, "is a group of Kubernetes itself, not of people", fix);
  });
  return [...new Set(groups)].sort();
}

function readSubjects(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  fields: Fields,
  directory: PeerDirectory,
): readonly ModelBypass["subject"][] {
  const found = new Map<string, ModelBypass["subject"]>();
  const given = { workload: "workloads", namespace: "namespaces" } as const;
  let count = 0;
  for (const [kind, field] of Object.entries(given)) {
    reader.list([...path, field], fields[field]).forEach((item, index) => {
      count += 1;
      const at = [...path, field, index];
      const peer = readPeer(reader, problems, directory, at, { [kind]: item });
      if (peer?.kind !== "workload" && peer?.kind !== "namespace") return;
      if (!hasPolicies(problems, at, item, peer)) return;
      if (found.has(peerKey(peer))) problems.add(at, item, "is named twice", "Name it once.");
      found.set(peerKey(peer), peer);
    });
  }
  if (count === 0) {
    const fix = "Give workloads or namespaces: whose pods may be opened.";
    problems.add(path, undefined, "names no workload and no namespace", fix);
  }
  return [...found.values()];
}

function readLongest(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): number | undefined {
  if (value === undefined || value === null) return defaultSeconds;
  const text = reader.text(path, value);
  if (text === undefined) return undefined;
  const seconds = secondsOf(text);
  if (seconds === undefined) {
    problems.add(path, text, "is not a duration", "Write it as 30m, 8h or 1h30m.");
    return undefined;
  }
  if (seconds <= mostSeconds) return seconds;
  const fix = `Give at most ${durationText(mostSeconds)}; for what has to last longer, declare the flows.`;
  problems.add(path, text, "is too long for an emergency", fix);
  return undefined;
}
