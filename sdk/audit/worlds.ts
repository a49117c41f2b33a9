/** The cluster as it should be and as it is: the same workloads under the policies of the baseline, and under its own. */
import { mapOf } from "../findings/plain";
import type { EnforcerProfile, KubeObject, Reachability, SourcedObject } from "../reachability";
import { buildSnapshot, compile, inferProfile, profileWithin, shapesPolicies } from "../reachability";
import type { Candidate, Compared } from "./candidates";
import { keyOf } from "./identity";
import { isNamespace, type ComparedNamespaces } from "./namespaces";

/** A snapshot's objects, before anything is asked of them. */
export interface World {
  readonly objects: readonly SourcedObject[];
}

/** What the cluster lets pass: all that it enforces. */
export function worldAsItIs(live: readonly SourcedObject[], refused: ReadonlySet<string>): World {
  return { objects: live.filter(({ object }) => !refused.has(keyOf(object) ?? "")) };
}

/** What should pass: the policies of the baseline, what has ended taken away, a default deny for what is new. */
export function worldAsMeant(
  live: readonly SourcedObject[],
  { baseline, live: found, candidates }: Compared,
  namespaces: ComparedNamespaces,
  { ended, undenied }: { readonly ended: ReadonlySet<string>; readonly undenied: readonly string[] },
): World {
  const changed = new Set(candidates.map(({ key }) => key));
  const rest = live.filter(({ object }) => !shapesPolicies(object.apiVersion, object.kind) && !isNamespace(object));
  const policies = [...baseline].flatMap(([key, each]): SourcedObject[] => {
    if (!shapesPolicies(each.object.apiVersion, each.object.kind) || ended.has(key)) return [];
    const standing = found.get(key);
    if (standing === undefined) return changed.has(key) ? [each] : [];
    // what differs by nothing that counts is the same object
    return [changed.has(key) ? asInCluster(each, standing) : standing];
  });
  const known = new Set([...found].filter(([key]) => !changed.has(key) && !baseline.has(key) && !ended.has(key)));
  return {
    objects: [
      ...rest,
      ...namespaces.meant.values(),
      ...policies,
      // what is no drift although the baseline does not have it: what an API server shows of itself
      ...[...known].map(([, each]) => each).filter(({ object }) => shapesPolicies(object.apiVersion, object.kind)),
      ...undenied.map((namespace) => ({ object: denyFor(namespace) })),
    ],
  };
}

/** Under the version, name and age that the cluster has for it: of several, the oldest may count. */
function asInCluster(meant: SourcedObject, { object }: SourcedObject): SourcedObject {
  const { name, namespace, creationTimestamp } = object.metadata ?? {};
  const metadata = {
    ...meant.object.metadata,
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
  };
  return { ...meant, object: { ...meant.object, apiVersion: object.apiVersion, metadata } };
}

/** Stands for the default deny that a namespace lacks; no policy can have this name. */
const denyName = "(default deny that is not there)";

function denyFor(namespace: string): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: denyName, namespace },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  };
}

/** The namespace whose default deny a reference stands for; undefined for every other. */
export function deniedNamespace({
  name,
  namespace,
}: {
  readonly name: string;
  readonly namespace?: string;
}): string | undefined {
  return name === denyName ? namespace : undefined;
}

/** Who enforces, as it is and as it should be. */
export interface Enforcement {
  readonly is: EnforcerProfile;
  readonly meant: EnforcerProfile;
}

/**
 * The settings of the enforcer in the cluster, and those of the baseline. A baseline that says nothing of them means that
 * policies are enforced.
 */
export function enforcementOf(
  live: readonly SourcedObject[],
  baseline: readonly SourcedObject[],
  { cni, mayAudit = false }: { readonly cni?: string | undefined; readonly mayAudit?: boolean | undefined },
): Enforcement {
  const all = [...live, ...baseline];
  const is = cni === undefined ? inferProfile(all) : profileWithin(cni, all);
  const stated = statedEnforcement(baseline, is);
  return {
    is,
    meant: { ...is, enforcementMode: stated.mode ?? is.enforcementMode, auditMode: stated.audits ?? mayAudit },
  };
}

interface StatedEnforcement {
  readonly mode?: EnforcerProfile["enforcementMode"];
  readonly audits?: boolean;
}

function statedEnforcement(baseline: readonly SourcedObject[], is: EnforcerProfile): StatedEnforcement {
  const settings = baseline.filter(({ object }) => isConfiguration(object));
  if (settings.length === 0) return is.enforcementMode === "never" ? { mode: "default" } : {};
  const { enforcementMode, auditMode } = profileWithin(is.cni, settings);
  return { mode: enforcementMode, audits: auditMode };
}

/** Where Cilium's settings stand: its agents' ConfigMap, the values of its release. */
export function isConfiguration({ apiVersion, kind, metadata, spec }: KubeObject): boolean {
  if (apiVersion === "v1" && kind === "ConfigMap") return metadata?.name === "cilium-config";
  if (kind !== "Release" && kind !== "HelmRelease") return false;
  const { chart } = mapOf(spec);
  const named = [metadata?.name, chart, mapOf(mapOf(chart)["spec"])["chart"]];
  return named.some((name) => typeof name === "string" && /(^|[/-])cilium(-|$)/.test(name));
}

/** Prepares a world for questions. */
export function ask({ objects }: World, profile: EnforcerProfile, more: readonly SourcedObject[] = []): Reachability {
  return compile(buildSnapshot([...objects, ...more], { profile }));
}

/** Which objects the agents do not enforce although they are stored. */
export function refusedAmong(candidates: readonly Candidate[]): ReadonlySet<string> {
  return new Set(
    candidates.filter(({ kind, found }) => kind === "not-enforced" && found !== undefined).map(({ key }) => key),
  );
}
