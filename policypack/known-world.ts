import { readFileSync } from "node:fs";
import path from "node:path";
import type { Finding } from "../sdk/findings";
import { notUnderstood } from "../sdk/findings";
import { withoutOwned } from "../sdk/cluster/owners";
import type { KubeObject, Problem, SourcedObject } from "../sdk/reachability";
import { identityOf, isUnknown, readYaml, unknownValue, withPatches } from "../sdk/reachability";
import { isWhole, readResource } from "./kubernetes-objects";
import { readProperty, toPlain } from "./plain-values";

/**
 * What is known of a cluster besides the stack: what it holds already, and what the stack held before. Both come from
 * files, because a policy pack sees the new state of a stack and nothing else. A file that cannot be read is a finding,
 * never an empty cluster.
 */
export interface KnownWorld {
  readonly objects: readonly SourcedObject[];
  /** What could not be read. */
  readonly findings: readonly Finding[];
}

const nothing: KnownWorld = { objects: [], findings: [] };
const cache = new Map<string, KnownWorld>();

/** The objects of a cluster's export (`kubectl get ... -o json` or `-o yaml`). Never throws; reads each file once. */
export function readClusterSnapshot(file: string | undefined): KnownWorld {
  return once(file, "cluster snapshot", (text, name) => {
    const { objects, problems } = readYaml(text, name);
    const findings = problems.map((problem) => unreadable("cluster snapshot", name, describeProblem(problem)));
    if (objects.length === 0 && findings.length === 0) {
      return { objects: [], findings: [unreadable("cluster snapshot", name, "it holds no Kubernetes object")] };
    }
    return { objects: withoutOwned(objects.filter(({ object }) => matters(object))), findings };
  });
}

/** The Kubernetes objects of a stack's state (`pulumi stack export`). Never throws; reads each file once. */
export function readPreviousState(file: string | undefined): KnownWorld {
  return once(file, "previous state", (text, name) => {
    const state: unknown = JSON.parse(text);
    const deployment = member(state, "deployment") ?? member(member(state, "checkpoint"), "latest");
    const resources = member(deployment, "resources");
    // the export of a stack without resources has a deployment all the same
    if (deployment === undefined)
      return { objects: [], findings: [unreadable("previous state", name, "it is no state")] };
    return { objects: Array.isArray(resources) ? objectsOfState(resources) : [], findings: [] };
  });
}

/** Two states of the same objects as one: an object of `later` stands for the one of that name in `earlier`. */
export function laidOver(earlier: readonly SourcedObject[], later: readonly SourcedObject[]): SourcedObject[] {
  return [...without(earlier, later), ...later];
}

/** Those of the objects that are not among the others, by kind, namespace and name. */
export function without(objects: readonly SourcedObject[], others: readonly SourcedObject[]): SourcedObject[] {
  const gone = new Set(others.map(({ object }) => identityOf(object)));
  gone.delete(undefined);
  return objects.filter(({ object }) => !gone.has(identityOf(object)));
}

function once(file: string | undefined, what: string, read: (text: string, name: string) => KnownWorld): KnownWorld {
  if (file === undefined) return nothing;
  const key = `${what} ${file}`;
  let known = cache.get(key);
  if (known === undefined) cache.set(key, (known = attempt(file, what, read)));
  return known;
}

function attempt(file: string, what: string, read: (text: string, name: string) => KnownWorld): KnownWorld {
  const name = path.basename(file);
  try {
    return read(readFileSync(file, "utf8"), name);
  } catch (error) {
    // the text of a parser's error may quote the file, which may hold secrets
    const code = (error as NodeJS.ErrnoException).code;
    return { objects: [], findings: [unreadable(what, name, code ?? "it is not what was expected")] };
  }
}

function unreadable(what: string, name: string, why: string): Finding {
  const title = what[0]?.toUpperCase() + what.slice(1);
  return {
    id: notUnderstood.id,
    severity: notUnderstood.severity,
    certainty: "definite",
    subject: { kind: title, name },
    message: `The ${what} ${name} cannot be read in full, so what else the cluster holds is not known`,
    because: [why],
    fix: "Export it again, give a path that the pack's process can read, or leave the setting out.",
    controls: notUnderstood.controls,
  };
}

/** Where and of what kind; the problem's text may quote the document. */
function describeProblem({ code, source }: Problem): string {
  return source?.line === undefined ? code : `${code}, line ${source.line}`;
}

/** Kinds without a say are left out by the same rule as those of the stack. */
function matters(object: KubeObject): boolean {
  const { apiVersion, kind } = object;
  const name = typeof object.metadata?.name === "string" ? object.metadata.name : "";
  return readResource({ type: `kubernetes:${apiVersion}:${kind}`, name, urn: "", props: object }).is === "objects";
}

function objectsOfState(resources: readonly unknown[]): readonly SourcedObject[] {
  const readings = resources.map(readingOf);
  const objects = readings.flatMap((each) => (each?.isPatch === false ? each.objects : []));
  const patches = readings.flatMap((each) => (each?.isPatch === true ? each.objects : []));
  const { objects: changed, unmatched } = withPatches(objects, patches);
  return [...changed, ...unmatched.filter(({ object }) => isWhole(object))];
}

function readingOf(
  resource: unknown,
): { readonly isPatch: boolean; readonly objects: readonly SourcedObject[] } | undefined {
  const type = member(resource, "type");
  const urn = member(resource, "urn");
  if (typeof type !== "string" || typeof urn !== "string" || member(resource, "delete") === true) return undefined;
  // what is only read belongs to somebody else, or to another resource of the stack
  if (member(resource, "external") === true) return undefined;
  const name = urn.slice(urn.lastIndexOf("::") + 2);
  const outputs = member(resource, "outputs") ?? member(resource, "inputs");
  const reading = readResource({ type, name, urn, props: withoutSecrets(toPlain(outputs)) });
  if (reading.is === "patch") return { isPatch: true, objects: [{ object: reading.object, source: { urn } }] };
  if (reading.is !== "objects") return undefined;
  return { isPatch: false, objects: reading.objects.map((object) => ({ object, source: { urn } })) };
}

/** The key by which the engine marks what is more than JSON: secrets above all, which no policy has to see. */
const signature = "4dabf18193072939515e22adb298388d";

function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null || isUnknown(value)) return value;
  if (Object.hasOwn(value, signature)) return unknownValue;
  const kept = Object.entries(value).filter(([key]) => !key.startsWith("__"));
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutSecrets(item)]));
}

function member(holder: unknown, key: string): unknown {
  return typeof holder === "object" && holder !== null ? readProperty(holder, key) : undefined;
}
