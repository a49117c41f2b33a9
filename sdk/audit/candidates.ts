/** Objects that differ between baseline and cluster, before anyone has asked which paths that opens. */
import { describeFields, differenceOf, type DeclaredObject, type LiveObject } from "../findings/live-drift";
import { mapOf } from "../findings/plain";
import type { Severity } from "../findings/types";
import type { EnforcerProfile, KubeObject, ObjectRef, SourcedObject } from "../reachability";
import { describeRef, groupOf, isDryRun, isStagedKind, isUnknown, shapesPolicies } from "../reachability";
import { sameRules } from "./alike";
import { keyOf, kubectlName, refOf } from "./identity";
import { managersOf } from "./managers";
import { refusalOf } from "./refused";
import { isRbac } from "./rights";
import type { AuditDrift } from "./types";

/** A drift of which the paths are not known yet. */
export interface Candidate extends Omit<AuditDrift, "severity" | "opens" | "closes" | "requests"> {
  readonly key: string;
  /** It is at least as bad as this, whatever paths it opens. */
  readonly least: Severity;
  /** What it would open without the other policies: worth a sentence where it opens nothing. */
  readonly latent?: string;
  /** The key of the staged policy that stands in its place. */
  readonly twin?: string;
  /** Without any path it is no drift. */
  readonly needsPath?: boolean;
  /** The object as the baseline has it, and as the cluster has it. */
  readonly meant?: SourcedObject;
  readonly found?: SourcedObject;
}

/** What the comparison of two sets of objects comes to. */
export interface Compared {
  readonly candidates: readonly Candidate[];
  /** Live objects by key. */
  readonly live: ReadonlyMap<string, SourcedObject>;
  readonly baseline: ReadonlyMap<string, SourcedObject>;
  /** Objects of the baseline that cannot be compared: values that are not known. */
  readonly gaps: readonly string[];
}

/** Whether an object is compared as a whole: a policy or what policies refer to, a guard, a role. */
function isCompared({ apiVersion, kind }: KubeObject): boolean {
  return shapesPolicies(apiVersion, kind) || isGuard({ apiVersion, kind }) || isRbac({ apiVersion, kind });
}

/** Whether an object decides what the API server takes. */
function isGuard({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return groupOf(apiVersion) === "admissionregistration.k8s.io" && /^(Validating|Mutating)/.test(kind);
}

/**
 * Compares policies, guards and roles one by one: those of network policies by effect, everything else field by field, the
 * server's defaults and the marks of Helm, Flux and Argo CD left out. Namespaces are compared elsewhere.
 *
 * @param isUnlisted Whether nothing is known of a kind of the cluster.
 * @param profile Who enforces them.
 */
export function compareObjects(
  baseline: readonly SourcedObject[],
  live: readonly SourcedObject[],
  isUnlisted: (object: KubeObject) => boolean,
  profile: EnforcerProfile,
): Compared {
  const same = sameRules(baseline, live, profile);
  const meant = byKey(baseline.filter(({ object }) => isCompared(object)));
  const found = byKey(live.filter(({ object }) => isCompared(object)));
  const candidates: Candidate[] = [];
  const gaps: string[] = [];
  for (const [key, each] of meant) {
    if (hasUnknown(each.object)) {
      gaps.push(
        `${describeRef(refOf(each.object))}: the baseline does not tell all of its values, so it was not compared`,
      );
      continue;
    }
    const standing = found.get(key);
    if (standing !== undefined) candidates.push(...changed(key, each, standing, same.has(key)));
    else if (!isUnlisted(each.object)) candidates.push(gone(key, each, found));
  }
  const twins = new Set(candidates.flatMap(({ twin }) => twin ?? []));
  for (const [key, each] of found) {
    const { object } = each;
    if (twins.has(key)) continue;
    // what roles give is told by whom it is given to, and a guard more opens nothing
    if (!meant.has(key) && shapesPolicies(object.apiVersion, object.kind) && !isBuiltIn(object)) {
      candidates.push(extra(key, each));
    }
  }
  return { candidates, live: found, baseline: meant, gaps };
}

/** The last of several copies counts, as with kubectl apply. */
function byKey(objects: readonly SourcedObject[]): Map<string, SourcedObject> {
  return new Map(
    objects.flatMap((each): [string, SourcedObject][] => {
      const key = keyOf(each.object);
      return key === undefined ? [] : [[key, each]];
    }),
  );
}

/** Calico's own tiers and profiles, and Kubernetes' policies as its API server shows them once more. */
function isBuiltIn({ apiVersion, kind, metadata }: KubeObject): boolean {
  if (!groupOf(apiVersion).endsWith("projectcalico.org")) return false;
  const name = metadata?.name ?? "";
  if (kind === "Tier")
    return /^(default|adminnetworkpolicy|baselineadminnetworkpolicy|kube-admin|kube-baseline)$/.test(name);
  if (kind === "Profile") return /^(kns\.|ksa\.|projectcalico-default-allow$)/.test(name);
  return /^(knp|kanp|kbanp|kcnp)\./.test(name);
}

function gone(key: string, meant: SourcedObject, live: ReadonlyMap<string, SourcedObject>): Candidate {
  const ref = refOf(meant.object);
  const twin = stagedTwins(ref).find((each) => live.has(each));
  const staged = twin === undefined ? undefined : live.get(twin);
  const common = { key, meant, managers: [], object: ref, ...sourceOf(meant), least: leastFor(meant.object) };
  if (twin !== undefined && staged !== undefined) {
    return {
      ...common,
      twin,
      kind: "not-enforced",
      message: `${describeRef(ref)} is only staged: there is ${describeRef(refOf(staged.object))}, which reports and denies nothing`,
      effects: [],
      managers: managersOf(staged.object as LiveObject),
      fix: `Apply the enforced policy of the baseline, then delete the staged one: kubectl delete ${kubectlName(refOf(staged.object))}`,
      ...sourceOf(staged),
    };
  }
  return {
    ...common,
    kind: "missing",
    message: `${describeRef(ref)} is in the baseline and not in the cluster`,
    effects: isGuard(meant.object) ? ["What it guards can be changed by anyone whose role allows it."] : [],
    fix: mend("Apply it again", ref),
  };
}

/** A guard keeps people from opening paths; without it no path is open yet. */
function leastFor(object: KubeObject): Severity {
  return isGuard(object) ? "high" : "low";
}

/** The kinds in which Calico stages a policy of this name. */
function stagedTwins({ apiVersion, kind, namespace, name }: ObjectRef): readonly string[] {
  const isKubernetes = groupOf(apiVersion) === "networking.k8s.io" && kind === "NetworkPolicy";
  const isCalico = groupOf(apiVersion).endsWith("projectcalico.org") && /^(Global)?NetworkPolicy$/.test(kind);
  if (!isKubernetes && !isCalico) return [];
  const kinds = isKubernetes ? ["StagedKubernetesNetworkPolicy", "StagedNetworkPolicy"] : [`Staged${kind}`];
  return kinds.flatMap((staged) =>
    [name, `staged-${name}`].flatMap((each) => {
      const metadata = { name: each, ...(namespace === undefined ? {} : { namespace }) };
      return keyOf({ apiVersion: "projectcalico.org/v3", kind: staged, metadata }) ?? [];
    }),
  );
}

function changed(key: string, meant: SourcedObject, found: SourcedObject, isSame: boolean): readonly Candidate[] {
  const ref = refOf(found.object);
  const live = found.object as LiveObject;
  const common = { key, meant, found, object: ref, ...sourceOf(found) };
  const refusal = refusalOf(found.object);
  if (refusal !== undefined) {
    return [
      {
        ...common,
        kind: "not-enforced",
        least: "low",
        message: `${describeRef(ref)} is stored and not enforced: ${refusal}`,
        effects: [],
        managers: managersOf(live, [{ path: "spec" }, { path: "specs" }]),
        fix: mend("Repair it, or apply the baseline's", ref),
      },
    ];
  }
  const difference = isSame ? undefined : differenceOf(asDeclared(meant.object, ref), live);
  if (difference === undefined) return [];
  const { fields, effect } = difference;
  const isRehearsed = isDryRun(found.object.metadata) === true && isDryRun(meant.object.metadata) !== true;
  const what = isRehearsed
    ? `is in the cluster and only reports: the annotation istio.io/dry-run was added`
    : `is not as in the baseline: ${describeFields(fields)}`;
  return [
    {
      ...common,
      kind: isRehearsed ? "not-enforced" : "changed",
      least: isWeakened(meant.object, found.object) ? "medium" : leastFor(found.object),
      message: `${describeRef(ref)} ${what}`,
      effects: [...modeChange(meant.object, found.object)],
      ...(effect === undefined || effect.isUndecided || effect.opens.length === 0
        ? {}
        : { latent: `By itself it would open ${effect.opens.slice(0, 2).join("; ")}: other policies deny that.` }),
      managers: managersOf(live, fields),
      fix: mend("Apply the baseline's again", ref),
    },
  ];
}

/** `metadata` of a declared object as the comparison wants it; names as the cluster has them. */
function asDeclared(object: KubeObject, { name, namespace }: ObjectRef): DeclaredObject {
  return { ...object, metadata: { ...object.metadata, name, ...(namespace === undefined ? {} : { namespace }) } };
}

/** PeerAuthentication: what the mode says is worth a sentence, since it names no peers. */
function modeChange(meant: KubeObject, found: KubeObject): readonly string[] {
  const [was, is] = [meant, found].map(mutualTls);
  if (was === is || is === undefined) return [];
  const plaintext = isWeakened(meant, found) ? " Connections without mutual TLS are accepted." : "";
  return [`The mode of mutual TLS is ${is}, and ${was ?? "not stated"} in the baseline.${plaintext}`];
}

function mutualTls({ kind, spec }: KubeObject): string | undefined {
  const mode = kind === "PeerAuthentication" ? mapOf(mapOf(spec)["mtls"])["mode"] : undefined;
  return typeof mode === "string" ? mode : undefined;
}

/** Traffic that has to be encrypted and known by its sender, and no longer has to. */
function isWeakened(meant: KubeObject, found: KubeObject): boolean {
  return mutualTls(meant) === "STRICT" && mutualTls(found) !== "STRICT";
}

function extra(key: string, found: SourcedObject): Candidate {
  const ref = refOf(found.object);
  const isStaged = isStagedKind(found.object.apiVersion, found.object.kind);
  return {
    key,
    kind: "extra",
    found,
    object: ref,
    least: "low",
    message: `${describeRef(ref)} is in the cluster and not in the baseline`,
    effects: isStaged ? ["It is staged: it reports and denies nothing."] : [],
    managers: managersOf(found.object as LiveObject),
    fix: `Take it into the baseline, or delete it: kubectl delete ${kubectlName(ref)}`,
    ...sourceOf(found),
  };
}

function mend(how: string, ref: ObjectRef): string {
  return `${how} (pulumi up --refresh, or kubectl apply). To see it: kubectl get ${kubectlName(ref)} -o yaml`;
}

function sourceOf({ source }: SourcedObject): Pick<AuditDrift, "source"> {
  return source === undefined ? {} : { source };
}

function hasUnknown(value: unknown): boolean {
  if (isUnknown(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => key !== "status" && hasUnknown(item));
}
