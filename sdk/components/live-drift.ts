/** How an object in the cluster differs from the one that is declared, who made the difference, and how to mend it. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { PlannedObject } from "../plan/index";
import type { EffectChange, KubeObject } from "../reachability/index";
import { effectOfChange, isStagedKind } from "../reachability/index";
import { declaredByAnnotation } from "./declared-by";

/** What Kubernetes says about who set which fields (`metadata.managedFields`). */
export interface FieldOwner {
  readonly manager?: string;
  /** `Apply` for server-side apply, `Update` for everything else. */
  readonly operation?: string;
  readonly subresource?: string;
  readonly time?: string;
  /** A tree of `f:` keys. */
  readonly fieldsV1?: unknown;
}

/** An object as the API server has it. */
export type LiveObject = Readonly<Record<string, unknown>> & {
  readonly metadata?: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly FieldOwner[];
    readonly creationTimestamp?: string;
  };
};

/** One field of the live object that is not as declared. */
interface FieldDifference {
  /** `spec.ingress[1]`. */
  readonly path: string;
  readonly kind: "added" | "changed" | "removed";
}

/** Sections of an object that say nothing about what it does. */
const isIdle = (key: string): boolean => /^(apiVersion|kind|metadata|status)$|^__/.test(key);

/**
 * Annotations with an effect: Istio only reports what a dry run would deny (istio.io/dry-run, AuthorizationPolicy).
 */
const effectiveAnnotations = ["istio.io/dry-run"];

/** What the API server fills in where nothing is written: `field=value`. */
const serverDefaults = new Set([
  'protocol="TCP"',
  'matchPolicy="Equivalent"',
  "namespaceSelector={}",
  "objectSelector={}",
  'scope="*"',
  'failurePolicy="Fail"',
  'apiGroup="rbac.authorization.k8s.io"',
]);

/**
 * What is wrong with a live object, in one sentence each: what was changed, by whom, what it opens, how to mend it.
 *
 * Policies of the network are compared by effect: what the server fills in, another order or a repeated rule is no
 * difference. Everything else that a plan holds (mesh, roles, admission) is compared field by field, where the fields that
 * the server fills in are known. What cannot be told counts as a difference.
 *
 * @returns Undefined where it does what is declared.
 */
export function driftOf(declared: PlannedObject, live: LiveObject): string | undefined {
  const differences = differencesOf(declared, live);
  if (differences.length === 0) return undefined;
  const effect = effectOf(declared, live);
  if (effect !== undefined && !effect.isUndecided && effect.opens.length + effect.closes.length === 0) return undefined;
  const paths = differences.slice(0, 4).map(({ path, kind }) => `${path} was ${kind}`);
  const owners = managersOf(live, differences);
  const by = owners.length === 0 ? "" : ` by ${owners.join(", ")}`;
  return `${nameOf(declared)} is not what is declared: ${paths.join(", ")}${by}. ${wordsOf(effect)}${mend(declared)}`;
}

/** What a policy of the network does differently; undefined for an object that is none. */
function effectOf(declared: PlannedObject, live: LiveObject): EffectChange | undefined {
  if (!/NetworkPolicy$/.test(declared.kind) || isStagedKind(declared.apiVersion, declared.kind)) return undefined;
  const { apiVersion, kind, metadata } = declared;
  const sections = Object.fromEntries(Object.entries(live).filter(([key]) => !isIdle(key)));
  const standing: KubeObject = { ...sections, apiVersion, kind, metadata };
  return effectOfChange({ ...declared }, standing);
}

function wordsOf(effect: EffectChange | undefined): string {
  if (effect === undefined || effect.isUndecided) return "What it opens by that cannot be told. ";
  const { opens, closes } = effect;
  return (
    (opens.length > 0 ? `It opens ${opens.join("; ")}. ` : "") +
    (closes.length > 0 ? `It no longer allows ${closes.join("; ")}. ` : "")
  );
}

/** Deleting it takes away what other managers own of it; then nothing of it is left to merge with. */
function mend({ kind, apiVersion, metadata: { name, namespace } }: PlannedObject): string {
  const [group = ""] = apiVersion.split("/");
  const resource = apiVersion.includes("/") ? `${kind.toLowerCase()}.${group}` : kind.toLowerCase();
  const home = namespace === undefined ? "" : ` -n ${namespace}`;
  return `Mend it: kubectl delete ${resource} ${name}${home} && pulumi up --refresh`;
}

/** `NetworkPolicy shop/default-deny-all`. */
export function nameOf({ kind, metadata: { name, namespace } }: PlannedObject): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
}

function differencesOf(declared: PlannedObject, live: LiveObject): readonly FieldDifference[] {
  const keys = new Set([...Object.keys(declared), ...Object.keys(live)].filter((key) => !isIdle(key)));
  const sections = [...keys].flatMap((key) => compare(key, plain(declared[key]), plain(live[key])));
  const annotations = effectiveAnnotations.flatMap((key) =>
    compare(`metadata.annotations[${key}]`, declared.metadata.annotations?.[key], live.metadata?.annotations?.[key]),
  );
  return [...sections, ...annotations];
}

function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

function compare(path: string, declared: unknown, live: unknown): readonly FieldDifference[] {
  if (isDeepStrictEqual(declared, live)) return [];
  if (declared === undefined) {
    const field = path.slice(path.lastIndexOf(".") + 1);
    return live === null || serverDefaults.has(`${field}=${JSON.stringify(live)}`) ? [] : [{ path, kind: "added" }];
  }
  if (live === undefined) return [{ path, kind: "removed" }];
  if (Array.isArray(declared) && Array.isArray(live)) {
    const length = Math.max(declared.length, live.length);
    return Array.from({ length }, (_, index) => compare(`${path}[${index}]`, declared[index], live[index])).flat();
  }
  if (isFields(declared) && isFields(live)) {
    const keys = new Set([...Object.keys(declared), ...Object.keys(live)]);
    return [...keys].flatMap((key) => compare(`${path}.${key}`, declared[key], live[key]));
  }
  return [{ path, kind: "changed" }];
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whoever owns the fields that differ; where nobody does, whoever wrote the object besides Pulumi. */
function managersOf({ metadata }: LiveObject, differences: readonly FieldDifference[]): readonly string[] {
  const entries = (metadata?.managedFields ?? []).filter(({ subresource }) => (subresource ?? "") === "");
  const others = entries.filter((entry) => !isPulumi(entry));
  const owning = others.filter(({ fieldsV1 }) => differences.some(({ path }) => owns(fieldsV1, path)));
  const named = (owning.length > 0 ? owning : others).map(({ manager }) => manager ?? "");
  return [...new Set(named.filter((manager) => manager !== ""))];
}

/** Applied by Pulumi's Kubernetes provider: each resource has a manager of its own. */
function isPulumi({ manager = "", operation }: FieldOwner): boolean {
  return operation === "Apply" && /^pulumi-kubernetes-/.test(manager);
}

/** Whether a tree of `f:` keys reaches a path, as far down as names lead: items of lists are keyed by their content. */
function owns(fields: unknown, path: string): boolean {
  let node = fields;
  for (const part of path.replace(/\[.*$/, "").split(".")) {
    if (!isFields(node)) return true;
    if (Object.keys(node).length === 0) return true;
    node = node[`f:${part}`];
    if (node === undefined) return false;
  }
  return true;
}

/**
 * Whether an object was there before the resource that has just been created: an older provider takes over what exists,
 * and a destroy would then delete what this stack never made. A new object is as old as the fields that were applied to it.
 *
 * @returns The managers of those who made it; empty where it is new.
 */
export function makersBefore({ metadata }: LiveObject): readonly string[] {
  const entries = (metadata?.managedFields ?? []).filter(({ subresource }) => (subresource ?? "") === "");
  const [first] = ofThisResource(entries);
  const created = metadata?.creationTimestamp;
  if (first?.time === undefined || created === undefined) return [];
  const own = new Set(ofThisResource(entries));
  const others = entries.filter((entry) => !own.has(entry));
  if (created >= first.time && !others.some((entry) => isMaker(entry))) return [];
  const makers = others.map(({ manager }) => manager ?? "").filter((manager) => manager !== "");
  return makers.length > 0 ? [...new Set(makers)] : ["somebody whom the object does not name"];
}

/** Who creates an object owns what the server adds to it: the label with a namespace's name, the whole spec. */
function isMaker({ operation, fieldsV1 }: FieldOwner): boolean {
  if (operation !== "Update") return false;
  const text = JSON.stringify(fieldsV1 ?? {});
  return text.includes('"f:kubernetes.io/metadata.name"') || text.includes('"f:podSelector"');
}

/**
 * Other resources of Pulumi that apply the fields of an object as well: the one under its former name, which a rename
 * without an alias leaves behind, or one of another stack. Whichever is deleted takes the object with it.
 */
export function otherResources({ metadata }: LiveObject): readonly string[] {
  const entries = metadata?.managedFields ?? [];
  const own = ofThisResource(entries);
  const spec = specOf(own.at(-1));
  if (spec === undefined) return [];
  return entries
    .filter((entry) => isPulumi(entry) && !own.includes(entry) && isDeepStrictEqual(specOf(entry), spec))
    .map(({ manager }) => manager ?? "");
}

/**
 * The entries of the resource that applied an object last, oldest first. An update that is killed while it creates an object
 * leaves an entry whose manager nobody remembers; the next update creates the object again, as another manager. Both own
 * the annotation that names the declaring component, which no two resources of different components can own together:
 * whoever applies another value takes it from the other.
 */
function ofThisResource(entries: readonly FieldOwner[]): readonly FieldOwner[] {
  const applied = entries.filter(isPulumi).sort((a, b) => (a.time ?? "").localeCompare(b.time ?? ""));
  const latest = applied.at(-1);
  if (latest === undefined) return [];
  return applied.filter((entry) => entry === latest || (ownsDeclaredBy(latest) && ownsDeclaredBy(entry)));
}

function ownsDeclaredBy({ fieldsV1 }: FieldOwner): boolean {
  const annotations = fieldAt(fieldAt(fieldsV1, "f:metadata"), "f:annotations");
  return fieldAt(annotations, `f:${declaredByAnnotation}`) !== undefined;
}

function fieldAt(fields: unknown, key: string): unknown {
  return isFields(fields) ? fields[key] : undefined;
}

function specOf(entry: FieldOwner | undefined): unknown {
  const fields = entry?.fieldsV1;
  return isFields(fields) ? fields["f:spec"] : undefined;
}
