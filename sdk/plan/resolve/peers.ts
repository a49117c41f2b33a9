import type { PropertyPath } from "../../property-path";
import { editDistance } from "../../reachability/model/words";
import { cidrInside, cidrProblem, endOf, metadataCidrs, rangeWithout } from "../addresses";
import { Entity } from "../declaration";
import type { StandIn } from "../deferred";
import { isDeferred, isUnknown, originOf, standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import { nameProblem } from "../fqdn";
import type { ModelNamespace, ModelPeer, ModelWorkload } from "../model";
import type { Reader } from "../reader";

const peerFields = ["workload", "namespace", "cidr", "except", "fqdn", "entity"];
const peerKinds = ["workload", "namespace", "cidr", "fqdn", "entity"];

/** What peers may name. */
export interface PeerDirectory {
  readonly namespaces: ReadonlyMap<string, ModelNamespace>;
  readonly workloads: ReadonlyMap<string, ModelWorkload>;
  /** Workloads by their name alone. */
  readonly byName: ReadonlyMap<string, readonly ModelWorkload[]>;
}

export function peerDirectory(
  namespaces: ReadonlyMap<string, ModelNamespace>,
  workloads: ReadonlyMap<string, ModelWorkload>,
): PeerDirectory {
  const byName = new Map<string, ModelWorkload[]>();
  for (const workload of workloads.values()) {
    byName.set(workload.name, [...(byName.get(workload.name) ?? []), workload]);
  }
  return { namespaces, workloads, byName };
}

/** Reads a source or a destination of a flow. */
export function readPeer(
  reader: Reader,
  problems: ProblemCollector,
  directory: PeerDirectory,
  path: PropertyPath,
  value: unknown,
): ModelPeer | undefined {
  if (typeof value === "string") {
    problems.add(
      path,
      value,
      "is a name without what it names",
      "Write it as { workload: … }, { cidr: … } or another.",
    );
    return undefined;
  }
  const fields = reader.item(path, value, peerFields, "names no peer", `Give exactly one of ${peerKinds.join(", ")}.`);
  if (fields === undefined) return undefined;
  const given = peerKinds.filter((kind) => fields[kind] !== undefined && fields[kind] !== null);
  if (given.length !== 1) {
    const message = given.length === 0 ? "names no peer" : `names several peers at once (${given.join(", ")})`;
    problems.add(path, value, message, `Give exactly one of ${peerKinds.join(", ")}.`);
    return undefined;
  }
  if (fields["except"] !== undefined && given[0] !== "cidr") {
    problems.add(
      [...path, "except"],
      fields["except"],
      "has no cidr to be an exception of",
      "Give it together with cidr.",
    );
  }
  switch (given[0]) {
    case "workload":
      return workloadPeer(reader, problems, directory, [...path, "workload"], fields["workload"]);
    case "namespace":
      return namespacePeer(reader, problems, directory, [...path, "namespace"], fields["namespace"]);
    case "cidr":
      return cidrPeer(reader, problems, path, fields["cidr"], fields["except"]);
    case "fqdn":
      return fqdnPeer(reader, problems, [...path, "fqdn"], fields["fqdn"]);
    default: {
      const entity = reader.choice([...path, "entity"], fields["entity"], Entity);
      return entity === undefined ? undefined : { kind: "entity", entity };
    }
  }
}

/** Finds a workload by `namespace/name`, or by its name where that is the only one of the name. */
export function findWorkload(
  problems: ProblemCollector,
  directory: PeerDirectory,
  path: PropertyPath,
  name: string,
): ModelWorkload | undefined {
  const exact = directory.workloads.get(name);
  if (exact !== undefined) return exact;
  const candidates = name.includes("/") ? [] : (directory.byName.get(name) ?? []);
  if (candidates.length === 1) return candidates[0];
  if (candidates.length > 1) {
    const list = candidates.map((candidate) => candidate.id).join(", ");
    problems.add(path, name, "is the name of several workloads", `Write one of ${list}.`);
    return undefined;
  }
  const near = closest(name, directory);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  problems.add(path, name, "names a workload that is not declared", `Declare it in workloads.${hint}`);
  return undefined;
}

function workloadPeer(
  reader: Reader,
  problems: ProblemCollector,
  directory: PeerDirectory,
  path: PropertyPath,
  value: unknown,
): ModelPeer | undefined {
  const name = reader.text(path, value);
  const workload = name === undefined ? undefined : findWorkload(problems, directory, path, name);
  return workload === undefined ? undefined : { kind: "workload", workload };
}

function namespacePeer(
  reader: Reader,
  problems: ProblemCollector,
  directory: PeerDirectory,
  path: PropertyPath,
  value: unknown,
): ModelPeer | undefined {
  const name = reader.text(path, value);
  if (name === undefined) return undefined;
  const namespace = directory.namespaces.get(name);
  if (namespace === undefined) {
    problems.add(path, name, "names a namespace that is not declared", "Declare it in namespaces, with its tier.");
    return undefined;
  }
  return { kind: "namespace", namespace };
}

function cidrPeer(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  cidrValue: unknown,
  exceptValue: unknown,
): ModelPeer | undefined {
  const cidr = reader.leaf([...path, "cidr"], cidrValue, standIns.range);
  if (cidr === undefined) {
    reader.leaves([...path, "except"], exceptValue, standIns.network);
    return undefined;
  }
  const except = reader.items([...path, "except"], exceptValue, partOf(cidr)) ?? [];
  const wrong = cidrProblem(cidr);
  if (wrong !== undefined) {
    problems.add([...path, "cidr"], cidr, wrong.message, wrong.fix);
    return undefined;
  }
  let valid = true;
  except.forEach(({ text: exception, from, path: at }) => {
    const wrongException = cidrProblem(exception);
    if (wrongException !== undefined) {
      valid = false;
      problems.add(at, exception, wrongException.message, wrongException.fix);
    } else if (!isUnknown(cidrValue) && !isUnknown(from) && (!cidrInside(exception, cidr) || exception === cidr)) {
      valid = false;
      problems.add(at, exception, "does not lie inside cidr", "Name a part of cidr, smaller than it.");
    }
  });
  if (!valid) return undefined;
  if (metadataCidrs.some((closed) => cidrInside(cidr, closed))) {
    const fix = "Metadata endpoints stay closed. Give the workload credentials of its own, such as workload identity.";
    problems.add([...path, "cidr"], cidr, "is a metadata endpoint", fix);
    return undefined;
  }
  const isGuessed = isUnknown(cidrValue) || except.some(({ from }) => isUnknown(from));
  const parts = except.map(({ text }) => text).filter((one) => !isGuessed || one !== cidr);
  // an exception that is an output makes the range one, too: what is left of it is not known before
  const source =
    originOf(cidrValue).origin === undefined ? except.find(({ from }) => isDeferred(from))?.from : cidrValue;
  const range = rangeWithout({ cidr, except: parts, ...originOf(source) }, []);
  if (range === undefined) {
    problems.add([...path, "except"], exceptValue, "leaves nothing of cidr open", "Remove the flow, or the exception.");
    return undefined;
  }
  return { kind: "cidr", range };
}

function fqdnPeer(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): ModelPeer | undefined {
  const name = reader.leaf(path, value, standIns.host);
  if (name === undefined) return undefined;
  const wrong = nameProblem(name);
  if (wrong !== undefined) {
    problems.add(path, name, wrong.message, wrong.fix);
    return undefined;
  }
  return { kind: "fqdn", name: name.toLowerCase().replace(/\.$/, ""), ...originOf(value) };
}

/** Stands in for an exception of a range: its first address, or its last. */
function partOf(cidr: string): StandIn<string> {
  return (_index, variant) => endOf(cidr, variant === "first");
}

/** The declared workload whose name differs from `name` in at most two letters. */
function closest(name: string, directory: PeerDirectory): string | undefined {
  const bare = name.slice(name.indexOf("/") + 1);
  let best: { id: string; distance: number } | undefined;
  for (const workload of directory.workloads.values()) {
    const distance = editDistance(bare, workload.name);
    if (distance <= 2 && (best === undefined || distance < best.distance)) best = { id: workload.id, distance };
  }
  return best?.id;
}
