/** How an object in the cluster differs from the one that is declared, who made the difference, and how to mend it. */
import { isDeepStrictEqual } from "node:util";
import type { EffectChange, KubeObject } from "../reachability";
import { buildSnapshot, describeRef, effectOfChange, isStagedKind, profileFor } from "../reachability";
import { isMap } from "../reachability/model/plain";

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

/** What a program declares: an object of a plan, or the inputs of a resource. */
export type DeclaredObject = KubeObject & { readonly metadata: { readonly name: string; readonly namespace?: string } };

/** A difference that does something, and how to mend it. */
export interface Drift {
  /** `NetworkPolicy shop/default-deny-all is not what is declared: spec.ingress was added by kubectl-edit`. */
  readonly what: string;
  /** What it opens and what it no longer allows, in sentences. */
  readonly effect: string;
  /** Whether it opens nothing for certain. */
  readonly opensNothing: boolean;
  /** The command that mends it. */
  readonly mend: string;
}

/** What is different in a live object, before it is put into words. */
export interface ObjectDifference {
  readonly fields: readonly FieldDifference[];
  /** What a policy of the network does differently by itself; undefined for an object that is none. */
  readonly effect?: EffectChange;
}

/** One field of the live object that is not as declared. */
export interface FieldDifference {
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
  // webhooks
  "timeoutSeconds=10",
  'reinvocationPolicy="Never"',
  "port=443",
]);

/** Written into objects by controllers that complete them: cert-manager's injector, the aggregation of roles. */
function isCompleted(path: string, declared: DeclaredObject): boolean {
  return /\.clientConfig\.caBundle$/.test(path) || (path === "rules" && declared["aggregationRule"] !== undefined);
}

/**
 * What was changed in a live object, by whom, what that opens, and how to mend it.
 *
 * Policies of the network are compared by effect: what the server fills in, another order or a repeated rule is no
 * difference. Everything else (mesh, roles, admission) is compared field by field, where the fields that the server fills
 * in are known. What cannot be told counts as a difference.
 *
 * @returns Undefined where it does what is declared.
 */
export function driftOf(declared: DeclaredObject, live: LiveObject): Drift | undefined {
  const difference = differenceOf(declared, live);
  if (difference === undefined) return undefined;
  const { fields, effect } = difference;
  const isDecided = effect !== undefined && !effect.isUndecided;
  const owners = managersOf(live, fields);
  const by = owners.length === 0 ? "" : ` by ${owners.join(", ")}`;
  return {
    what: `${nameOf(declared)} is not what is declared: ${describeFields(fields)}${by}`,
    effect: wordsOf(effect),
    opensNothing: isDecided && effect.opens.length === 0,
    mend: mend(declared),
  };
}

/** What {@link driftOf} tells, as data. */
export function differenceOf(declared: DeclaredObject, live: LiveObject): ObjectDifference | undefined {
  const fields = differencesOf(declared, live);
  if (fields.length === 0) return undefined;
  const effect = effectOf(declared, live);
  if (effect !== undefined && !effect.isUndecided && effect.opens.length + effect.closes.length === 0) return undefined;
  return { fields, ...(effect === undefined ? {} : { effect }) };
}

/** `spec.ingress was added, spec.egress[0] was changed`: at most four. */
export function describeFields(fields: readonly FieldDifference[]): string {
  return fields
    .slice(0, 4)
    .map(({ path, kind }) => `${path} was ${kind}`)
    .join(", ");
}

/** What a policy of the network does differently; undefined for an object that is none. */
function effectOf(declared: DeclaredObject, live: LiveObject): EffectChange | undefined {
  if (!/NetworkPolicy$/.test(declared.kind) || isStagedKind(declared.apiVersion, declared.kind)) return undefined;
  const { apiVersion, kind, metadata } = declared;
  const sections = Object.fromEntries(Object.entries(live).filter(([key]) => !isIdle(key)));
  const standing: KubeObject = { ...sections, apiVersion, kind, metadata };
  if (readAlike({ ...declared }, standing)) return { opens: [], closes: [], isUndecided: false };
  return effectOfChange({ ...declared }, standing);
}

/** Whether two policies come to the same rules, whoever enforces them: most that differ do so by the server's defaults. */
function readAlike(declared: KubeObject, standing: KubeObject): boolean {
  let isRead = false;
  const areSame = (["kubernetes", "cilium", "calico"] as const).every((cni) => {
    const [meant, found] = [declared, standing].map((object) => {
      const { rules, problems } = buildSnapshot([{ object }], { profile: profileFor(cni) });
      const policies = rules.policies.map(({ origin: _, ...policy }) => policy);
      return { policies, isClear: problems.every(({ affectsVerdicts }) => !affectsVerdicts) };
    });
    isRead ||= meant !== undefined && meant.policies.length > 0;
    return meant?.isClear === true && found?.isClear === true && isDeepStrictEqual(meant.policies, found.policies);
  });
  return areSame && isRead;
}

function wordsOf(effect: EffectChange | undefined): string {
  if (effect === undefined || effect.isUndecided) return "What it opens by that cannot be told.";
  const { opens, closes } = effect;
  return [
    ...(opens.length > 0 ? [`It opens ${opens.join("; ")}.`] : []),
    ...(closes.length > 0 ? [`It no longer allows ${closes.join("; ")}.`] : []),
  ].join(" ");
}

/** Deleting it takes away what other managers own of it; then nothing of it is left to merge with. */
function mend({ kind, apiVersion, metadata: { name, namespace } }: DeclaredObject): string {
  const [group = ""] = apiVersion.split("/");
  const resource = apiVersion.includes("/") ? `${kind.toLowerCase()}.${group}` : kind.toLowerCase();
  const home = namespace === undefined ? "" : ` -n ${namespace}`;
  return `kubectl delete ${resource} ${name}${home} && pulumi up --refresh`;
}

/** `NetworkPolicy shop/default-deny-all`. */
export function nameOf({ apiVersion, kind, metadata: { name, namespace } }: DeclaredObject): string {
  return describeRef({ apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) });
}

function differencesOf(declared: DeclaredObject, live: LiveObject): readonly FieldDifference[] {
  const keys = new Set([...Object.keys(declared), ...Object.keys(live)].filter((key) => !isIdle(key)));
  const sections = [...keys]
    .flatMap((key) => compare(key, plain(declared[key]), plain(live[key])))
    .filter(({ path }) => !isCompleted(path.replace(/\[\d+\]/g, ""), declared));
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
  if (isMap(declared) && isMap(live)) {
    const keys = new Set([...Object.keys(declared), ...Object.keys(live)]);
    return [...keys].flatMap((key) => compare(`${path}.${key}`, declared[key], live[key]));
  }
  return [{ path, kind: "changed" }];
}

/** Whoever owns the fields that differ; where nobody does, whoever wrote the object besides Pulumi. */
function managersOf(live: LiveObject, differences: readonly FieldDifference[]): readonly string[] {
  const others = writersOf(live).filter((entry) => !isPulumi(entry));
  const owning = others.filter((entry) => ownsSome(entry, differences));
  const named = (owning.length > 0 ? owning : others).map(({ manager }) => manager ?? "");
  return [...new Set(named.filter((manager) => manager !== ""))];
}

/** Whoever wrote an object, what reports its status left out. */
export function writersOf({ metadata }: LiveObject): readonly FieldOwner[] {
  return (metadata?.managedFields ?? []).filter(({ subresource }) => (subresource ?? "") === "");
}

/** Whether a writer owns one of these fields. */
export function ownsSome({ fieldsV1 }: FieldOwner, fields: readonly Pick<FieldDifference, "path">[]): boolean {
  return fields.some(({ path }) => owns(fieldsV1, path));
}

/** Applied by Pulumi's Kubernetes provider: each resource has a manager of its own. */
export function isPulumi({ manager = "", operation }: FieldOwner): boolean {
  return operation === "Apply" && /^pulumi-kubernetes-/.test(manager);
}

/** Whether a tree of `f:` keys reaches a path, as far down as names lead: items of lists are keyed by their content. */
function owns(fields: unknown, path: string): boolean {
  let node = fields;
  for (const part of path.replace(/\[.*$/, "").split(".")) {
    if (!isMap(node)) return true;
    if (Object.keys(node).length === 0) return true;
    node = node[`f:${part}`];
    if (node === undefined) return false;
  }
  return true;
}
