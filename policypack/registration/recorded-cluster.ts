import { deniesOf, statesExemption } from "../../sdk/findings";
import { namesItsPeers } from "../../sdk/findings/policy-rules";
import type { EnforcerProfile, KubeObject, SourcedObject } from "../../sdk/reachability";
import {
  buildSnapshot,
  identityOf,
  inferProfile,
  isPolicy,
  isUnknown,
  profileFor,
  withPatches,
} from "../../sdk/reachability";
import { readClusterSnapshot } from "../known-world";
import type { ObjectPatch } from "../patches";
import { decidesTraffic, fromPatches, standsAlone } from "../patches";
import type { GuardSettings } from "../settings";

/** An object that has a say, and where. */
interface Recorded {
  readonly item: SourcedObject;
  /** What of it can take something away from policies that come later. */
  readonly denies: SourcedObject | undefined;
  /** A policy that may have opened something to addresses or to strangers. */
  readonly mayOpen: boolean;
}

/** Kinds that policies refer to, and what a policy that does so contains. */
const references: Readonly<Record<string, RegExp>> = {
  CiliumCIDRGroup: /"cidrGroup(Ref|Selector)"/,
  GlobalNetworkSet: /projectcalico\.org/,
  NetworkSet: /projectcalico\.org/,
  Tier: /projectcalico\.org/,
  Service: /"(toServices|services)"/,
  EndpointSlice: /"(toServices|services)"/,
};

/** What was registered into one cluster so far, of everything that decides traffic. */
export class RecordedCluster {
  readonly #byNamespace = new Map<string, Recorded[]>();
  readonly #clusterwide: Recorded[] = [];
  /** One object of each kind, and what configures the enforcer: enough to infer which one it is. */
  readonly #hints = new Map<string, SourcedObject>();
  readonly #namespaces = new Set<string>();
  /** Objects that policies refer to, by kind. */
  readonly #referred = new Map<string, SourcedObject[]>();
  /** Objects by identity, those of the cluster's snapshot first: a later version of one stands for it. */
  readonly #known = new Map<string, SourcedObject>();
  /** Patches whose object was not registered before them, by its identity. */
  readonly #waiting = new Map<string, ObjectPatch[]>();

  /** Whether some namespace carries an exemption. */
  get hasExemptNamespace(): boolean {
    return this.#hasExemptNamespace;
  }

  #hasExemptNamespace = false;

  /** Records what the cluster holds already. */
  addKnown(settings: GuardSettings): void {
    for (const item of readClusterSnapshot(settings.clusterSnapshot).objects) {
      const opensNothing =
        isPolicy(item.object.apiVersion, item.object.kind) && certainlyOpensNothing([item], this, settings);
      this.add([item], !opensNothing);
    }
  }

  /** Objects that are being registered, with the patches of them that came before. */
  withPatches(objects: readonly SourcedObject[]): SourcedObject[] {
    if (this.#waiting.size === 0) return [...objects];
    return objects.map((item) => {
      const patches = this.#waiting.get(identityOf(item.object) ?? "");
      if (patches === undefined) return item;
      const [changed = item] = withPatches([item], patches).objects;
      return fromPatches(changed, patches);
    });
  }

  /** The object that a patch changes, as it is then; nothing where it is not there yet, or not known. */
  patch(patch: ObjectPatch): SourcedObject[] {
    const key = identityOf(patch.object);
    if (key === undefined) return [];
    const target = this.#known.get(key);
    if (target !== undefined) {
      const [changed = target] = withPatches([target], [patch]).objects;
      return [fromPatches(changed, [patch])];
    }
    this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), patch]);
    return standsAlone(patch.object) ? [patch] : [];
  }

  /** Records objects; `mayOpen` says whether their policies may have opened something to addresses or strangers. */
  add(objects: readonly SourcedObject[], mayOpen: boolean): void {
    for (const item of objects) {
      const { object } = item;
      const key = identityOf(object);
      const replaced = key === undefined ? undefined : this.#known.get(key);
      if (replaced !== undefined) this.#forget(replaced);
      if (key !== undefined && (object.kind === "Namespace" || decidesTraffic(object))) this.#known.set(key, item);
      const own: unknown = object.kind === "Namespace" ? object.metadata?.name : object.metadata?.namespace;
      const home = typeof own === "string" && !isUnknown(own) ? own : undefined;
      if (home !== undefined) this.#namespaces.add(home);
      const enforcer = isEnforcer(object);
      if (enforcer || !this.#hints.has(object.kind))
        this.#hints.set(enforcer ? `${this.#hints.size}` : object.kind, item);
      if (Object.hasOwn(references, object.kind)) {
        this.#referred.set(object.kind, [...(this.#referred.get(object.kind) ?? []), item]);
      }
      if (object.kind === "Namespace" && statesExemption(object)) this.#hasExemptNamespace = true;
      if (object.kind !== "Namespace" && !isPolicy(object.apiVersion, object.kind)) continue;
      const left = isPolicy(object.apiVersion, object.kind) ? deniesOf(object) : object;
      const denies = left === undefined ? undefined : { ...item, object: left };
      const recorded = { item, denies, mayOpen: mayOpen && isPolicy(object.apiVersion, object.kind) };
      const list = home === undefined ? this.#clusterwide : (this.#byNamespace.get(home) ?? []);
      list.push(recorded);
      if (home !== undefined) this.#byNamespace.set(home, list);
    }
  }

  /** Policies that can have a say for pods of these namespaces, and the namespaces' own objects. */
  within(namespaces: Iterable<string>): SourcedObject[] {
    return this.#in(namespaces).map((recorded) => recorded.item);
  }

  /** Whether some policy for pods of these namespaces may have opened something. */
  mayBeOpened(namespaces: Iterable<string>): boolean {
    return this.#in(namespaces).some((recorded) => recorded.mayOpen);
  }

  /** What is left of {@link within} when only denies count. */
  deniesWithin(namespaces: Iterable<string>): SourcedObject[] {
    return this.#in(namespaces).flatMap((recorded) => recorded.denies ?? []);
  }

  /** What policies name besides pods: groups of addresses, tiers, Services. */
  referredBy(policies: readonly SourcedObject[]): SourcedObject[] {
    if (this.#referred.size === 0) return [];
    const text = JSON.stringify(policies.map(({ object }) => [object.apiVersion, object.spec, object["specs"]]));
    return [...this.#referred].flatMap(([kind, items]) => (references[kind]?.test(text) === true ? items : []));
  }

  /** The enforcer, as far as what was registered says. */
  profile(objects: readonly SourcedObject[], settings: GuardSettings): EnforcerProfile {
    return settings.enforcer === undefined
      ? inferProfile([...this.#hints.values(), ...objects])
      : profileFor(settings.enforcer);
  }

  /** What configures the enforcer, and one object of every other kind. */
  configuration(): SourcedObject[] {
    return [...this.#hints.values()];
  }

  namespaceNames(): Iterable<string> {
    return this.#namespaces;
  }

  /** The namespaces' own objects. */
  namespaceObjects(): SourcedObject[] {
    return [...this.#byNamespace.values()].flat().flatMap(({ item }) => (item.object.kind === "Namespace" ? item : []));
  }

  #forget(item: SourcedObject): void {
    for (const [kind, items] of this.#referred) {
      this.#referred.set(
        kind,
        items.filter((each) => each !== item),
      );
    }
    for (const list of [this.#clusterwide, ...this.#byNamespace.values()]) {
      const index = list.findIndex((recorded) => recorded.item === item);
      if (index >= 0) list.splice(index, 1);
    }
  }

  #in(namespaces: Iterable<string>): Recorded[] {
    return [...this.#clusterwide, ...[...namespaces].flatMap((name) => this.#byNamespace.get(name) ?? [])];
  }
}

/**
 * The quick answer for most policies: namespaced, understood, outside tier 0, and all that they allow they allow to pods
 * of namespaces that they name.
 */
export function certainlyOpensNothing(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): boolean {
  const all = [...recorded.referredBy(policies), ...policies];
  const snapshot = buildSnapshot(all, { profile: recorded.profile(policies, settings) });
  return (
    snapshot.problems.length === 0 &&
    snapshot.rules.policies.length > 0 &&
    snapshot.policies.every(
      ({ namespace }) => namespace !== undefined && !settings.exemptNamespaces.includes(namespace),
    ) &&
    snapshot.rules.policies.every(namesItsPeers)
  );
}

/** What installs the enforcer or configures it. */
export function isEnforcer(object: KubeObject): boolean {
  return /^(Release|Chart|HelmRelease|ConfigMap)$/.test(object.kind);
}
