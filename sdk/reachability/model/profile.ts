/** The enforcers that the engine knows, and which of them a set of objects is read for. */
import type { Enforcer, EnforcerSettings } from "./enforcer";
import { calico } from "./enforcers/calico";
import { cilium } from "./enforcers/cilium";
import { kubernetes } from "./enforcers/kubernetes";
import type { SourcedObject } from "./objects";
import type { PolicyDialect } from "./policy-source";
import { isOlder } from "./versions";

/** The CNI that enforces policies; `kubernetes` stands for one that enforces NetworkPolicy as the API describes it. */
export type Cni = "kubernetes" | "cilium" | "calico";

/** Every enforcer, in the order in which objects are asked for it. Adding one is its file, its name and one line here. */
const enforcers: Readonly<Record<Cni, Enforcer>> = { cilium, calico, kubernetes };

/** An enforcer with its settings: the same policies mean different things to Cilium, to Calico and to the bare API text. */
export interface EnforcerProfile extends EnforcerSettings {
  readonly cni: Cni;
}

const names = Object.keys(enforcers) as Cni[];

/** An enforcer's defaults, in one of its versions or in the newest that is modelled. */
function defaultsOf(cni: Cni, version?: string): EnforcerProfile {
  const { defaults, inVersion } = enforcers[cni];
  return version === undefined ? { cni, ...defaults } : { cni, ...defaults, version, ...inVersion?.(version) };
}

/**
 * The profile of an enforcer: `cilium`, `cilium@1.20`, `calico@3.32`, `kubernetes` (the API's own text).
 *
 * @throws RangeError for a name that is not one of these.
 */
export function profileFor(spec: string): EnforcerProfile {
  const [name = "", version] = spec.split("@", 2);
  const cni = names.find((one) => one === name);
  if (cni === undefined) {
    throw new RangeError(
      `unknown enforcer "${spec}": use one of ${names.join(", ")}, with a version if wanted (cilium@1.20)`,
    );
  }
  if (version === undefined) return defaultsOf(cni);
  if (!/^v?\d+(\.\d+){0,2}$/.test(version)) {
    throw new RangeError(`"${version}" is not a version of ${name}: write it as ${name}@1.20`);
  }
  const [major = "0", minor = "0"] = version.replace(/^v/, "").split(".");
  return defaultsOf(cni, `${major}.${minor}`);
}

/**
 * The profile of a named enforcer with what the objects state about its settings: its ConfigMap, the values of its release.
 * The version is the named one, or the one that the objects have.
 *
 * @throws RangeError for a name that is no enforcer's.
 */
export function profileWithin(spec: string, objects: Iterable<SourcedObject>): EnforcerProfile {
  const named = profileFor(spec);
  const { cni } = named;
  const all = [...objects];
  const version = spec.includes("@") ? named.version : (enforcers[cni].versionIn?.(all) ?? named.version);
  return withSettings(version === undefined ? named : defaultsOf(cni, version), all) ?? defaultsOf(cni, version);
}

/**
 * The profile that a set of objects suggests: Cilium's or Calico's kinds, a Cilium or Calico Helm release or DaemonSet,
 * Cilium's ConfigMap; in the version that the release, or the image of the agent, has. Without any of these: `kubernetes`.
 */
export function inferProfile(objects: Iterable<SourcedObject>): EnforcerProfile {
  const all = [...objects];
  for (const cni of names) {
    const { defaults, versionIn, isSeenIn } = enforcers[cni];
    const version = versionIn?.(all);
    const configured = withSettings(defaultsOf(cni, version ?? defaults.version), all);
    if (configured !== undefined) return configured;
    if (version !== undefined) return defaultsOf(cni, version);
    if (isSeenIn?.(all) === true) return defaultsOf(cni);
  }
  return defaultsOf("kubernetes");
}

function withSettings(base: EnforcerProfile, objects: readonly SourcedObject[]): EnforcerProfile | undefined {
  const stated = enforcers[base.cni].settingsIn?.(objects, base);
  return stated === undefined ? undefined : { ...stated, cni: base.cni };
}

/** Enforcers that read all of some policy APIs, the one that does what their text says first. */
export function readersOf(dialects: readonly PolicyDialect[]): readonly Cni[] {
  const reads = (cni: Cni, dialect: PolicyDialect): boolean => enforcers[cni].defaults.policyApis.includes(dialect);
  const owned = dialects.filter((dialect) => names.some((cni) => reads(cni, dialect)));
  return [...names].reverse().filter((cni) => owned.every((dialect) => reads(cni, dialect)));
}

/** Whether what the enforcer does in this version is not known well enough for any verdict. */
export function isUnmodelled({ version, oldestModelled }: EnforcerProfile): boolean {
  return oldestModelled !== undefined && isOlder(version, oldestModelled);
}
