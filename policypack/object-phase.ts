import type { Finding } from "../sdk/findings";
import {
  clusterAdminBinding,
  enforcementOff,
  evaluate,
  fqdnTooBroad,
  isViolation,
  metadataEndpointsClosed,
  namespaceDefaultDeny,
  notUnderstood,
  tier0Restricted,
} from "../sdk/findings";
import type { FindingOptions } from "../sdk/findings";
import { namesItsPeers } from "../sdk/findings/policy-rules";
import type { EnforcerProfile, KubeObject, SourcedObject } from "../sdk/reachability";
import { buildSnapshot, compile, describeRef, inferProfile, isUnknown, profileFor } from "../sdk/reachability";
import { deniesOf } from "./denies";
import { podSamples, undeclaredNamespace } from "./selector-samples";
import type { GuardSettings } from "./settings";
import type { ObservedResource } from "./snapshot-from-resources";
import { isPolicyKind, isWorkloadKind, objectsOf } from "./snapshot-from-resources";

/**
 * Judges one object at its own registration, together with everything registered before it.
 *
 * At that moment a stack is not complete: workloads may be registered before the default deny of their namespace, which
 * comes last among the policies on purpose. That something is absent can therefore not be judged here; it belongs to the
 * stack policy. What is judged here is what an object *opens*, under the assumption that every namespace is closed by
 * default (that it is so, the stack policy checks):
 *
 * - a policy opens a hole if, with it and the policies recorded before it, a fresh pod or a pod that it selects reaches a
 *   metadata endpoint, or a fresh pod exchanges traffic with somebody that no policy names;
 * - a policy is stopped if it closes tier 0 by default, or allows DNS names that anybody can register;
 * - a workload is stopped if policies recorded before it give it such a path;
 * - an object that the enforcer refuses, or that cannot be understood, is stopped before anybody relies on it;
 * - a Cilium release that switches enforcement off and a binding to cluster-admin are wrong by themselves.
 *
 * An explicit deny must be registered before the rule that needs it (make the rule depend on it). Otherwise there is a
 * time in which the hole is open, and this phase says so.
 */
export class ObjectPhase {
  readonly #clusters = new Map<string, RecordedCluster>();
  readonly #reported = new Set<string>();

  /** Records a resource and returns what its registration opens. Never throws on malformed input. */
  judge(resource: ObservedResource, settings: GuardSettings): Finding[] {
    const { cluster, objects } = objectsOf(resource);
    if (objects.length === 0) return [];
    const recorded = this.#clusters.get(cluster.key) ?? new RecordedCluster();
    this.#clusters.set(cluster.key, recorded);
    const policies = objects.filter(({ object }) => isPolicyKind(object.kind));
    const workloads = objects.filter(({ object }) => isWorkloadKind(object.kind));
    const opensNothing = policies.length > 0 && certainlyOpensNothing(policies, recorded, settings);
    const findings = [
      ...(policies.length > 0 && !opensNothing ? judgePolicies(policies, recorded, settings) : []),
      ...(workloads.length > 0 ? judgeWorkloads(workloads, recorded, settings) : []),
      ...judgeAlone(objects, recorded, settings),
    ];
    recorded.add(objects, !opensNothing);
    return findings;
  }

  /** Remembers that a finding of {@link judge} was shown to the user. */
  markReported(finding: Finding): void {
    for (const urn of causesOf(finding)) this.#reported.add(reportKey(finding.id, urn));
  }

  /** Whether everything that causes a finding was shown already, at the registration of what causes it. */
  hasReported(finding: Finding): boolean {
    const causes = causesOf(finding);
    return causes.length > 0 && causes.every((urn) => this.#reported.has(reportKey(finding.id, urn)));
  }
}

function causesOf(finding: Finding): string[] {
  return (finding.causes ?? []).flatMap((cause) => cause.urn ?? []);
}

function reportKey(id: string, urn: string): string {
  return `${id} ${urn}`;
}

/** An object that has a say, and where. */
interface Recorded {
  readonly item: SourcedObject;
  /** What of it can take something away from policies that come later. */
  readonly denies: SourcedObject | undefined;
  /** A policy that may have opened something to addresses or to strangers. */
  readonly mayOpen: boolean;
}

/** What was registered into one cluster so far, of everything that decides traffic. */
class RecordedCluster {
  readonly #byNamespace = new Map<string, Recorded[]>();
  readonly #clusterwide: Recorded[] = [];
  /** One object of each kind, and what configures the enforcer: enough to infer which one it is. */
  readonly #hints = new Map<string, SourcedObject>();
  readonly #namespaces = new Set<string>();

  /** Records objects; `mayOpen` says whether their policies may have opened something to addresses or strangers. */
  add(objects: readonly SourcedObject[], mayOpen: boolean): void {
    for (const item of objects) {
      const { object } = item;
      const own: unknown = object.kind === "Namespace" ? object.metadata?.name : object.metadata?.namespace;
      const home = typeof own === "string" && !isUnknown(own) ? own : undefined;
      if (home !== undefined) this.#namespaces.add(home);
      const enforcer = isEnforcer(object);
      if (enforcer || !this.#hints.has(object.kind))
        this.#hints.set(enforcer ? `${this.#hints.size}` : object.kind, item);
      if (object.kind !== "Namespace" && !isPolicyKind(object.kind)) continue;
      const left = isPolicyKind(object.kind) ? deniesOf(object) : object;
      const denies = left === undefined ? undefined : { ...item, object: left };
      const recorded = { item, denies, mayOpen: mayOpen && isPolicyKind(object.kind) };
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

  /** The enforcer, as far as what was registered says. */
  profile(objects: readonly SourcedObject[], settings: GuardSettings): EnforcerProfile {
    return settings.enforcer === undefined
      ? inferProfile([...this.#hints.values(), ...objects])
      : profileFor(settings.enforcer);
  }

  namespaceNames(): Iterable<string> {
    return this.#namespaces;
  }

  #in(namespaces: Iterable<string>): Recorded[] {
    return [...this.#clusterwide, ...[...namespaces].flatMap((name) => this.#byNamespace.get(name) ?? [])];
  }
}

/**
 * The quick answer for most policies: namespaced, understood, outside tier 0, and all that they allow they allow to pods
 * of namespaces that they name.
 */
function certainlyOpensNothing(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): boolean {
  const snapshot = buildSnapshot(policies, { profile: recorded.profile(policies, settings) });
  return (
    snapshot.problems.length === 0 &&
    snapshot.rules.policies.length > 0 &&
    snapshot.policies.every(
      ({ namespace }) => namespace !== undefined && !settings.exemptNamespaces.includes(namespace),
    ) &&
    snapshot.rules.policies.every(namesItsPeers)
  );
}

/** What a policy opens that nothing recorded before it denies. */
function judgePolicies(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): Finding[] {
  const samples = policies.flatMap(({ object }) => podSamples(object));
  const clusterwide = policies.some(({ object }) => typeof object.metadata?.namespace !== "string");
  const namespaces = new Set([
    ...samples.map((sample) => sample.namespace),
    ...policies.flatMap(({ object }) => namespaceOf(object)),
    ...(clusterwide ? [undeclaredNamespace, ...recorded.namespaceNames()] : []),
  ]);
  const profile = recorded.profile(policies, settings);
  const held = [...namespaces].filter((name) => !settings.exemptNamespaces.includes(name));
  const hypothetical = assumeDefaultDeny(held, samples, policies[0]?.object);
  const openedBeside = (others: readonly SourcedObject[]): Finding[] => {
    const snapshot = buildSnapshot([...others, ...policies, ...hypothetical.objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), standIns: hypothetical.standIns }).filter(isViolation);
  };

  // Most policies open nothing by themselves; then no deny has to be looked at.
  if (openedBeside([]).length === 0) return [];
  const urns = new Set(policies.map((item) => item.source?.urn));
  return openedBeside(recorded.deniesWithin(namespaces))
    .filter((finding) => [finding.subject.source?.urn, ...causesOf(finding)].some((urn) => urns.has(urn)))
    .map((finding) => asRegistration(finding, policies[0] as SourcedObject));
}

/** Ways that policies recorded before a workload give to it, where its namespace is closed by default. */
function judgeWorkloads(
  workloads: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): Finding[] {
  return workloads.flatMap((item) => {
    const namespaces = new Set(namespaceOf(item.object));
    // without a policy that opens something, nothing could have been opened for it
    if (!recorded.mayBeOpened(namespaces)) return [];
    const others = recorded.within(namespaces);
    const profile = recorded.profile([], settings);
    const { objects } = assumeDefaultDeny(namespaces, [], undefined);
    const snapshot = buildSnapshot([...others, item, ...objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), rules: [metadataEndpointsClosed] })
      .filter((finding) => isViolation(finding) && finding.subject.source?.urn === item.source?.urn)
      .map((finding) => asRegistration(finding, item));
  });
}

/** Objects that are right or wrong by themselves: what configures the enforcer, and bindings of roles. */
function judgeAlone(objects: readonly SourcedObject[], recorded: RecordedCluster, settings: GuardSettings): Finding[] {
  const alone = objects.filter(({ object }) => isEnforcer(object) || /^(Cluster)?RoleBinding$/.test(object.kind));
  if (alone.length === 0) return [];
  const snapshot = buildSnapshot(alone, { profile: recorded.profile(alone, settings) });
  const rules = [enforcementOff, clusterAdminBinding];
  return evaluate(compile(snapshot), { ...optionsOf(settings), rules }).filter(isViolation);
}

function isEnforcer(object: KubeObject): boolean {
  return object.kind === "Release" || object.kind === "ConfigMap";
}

function optionsOf(settings: GuardSettings): FindingOptions {
  return {
    exemptNamespaces: settings.exemptNamespaces,
    platformNamespaces: settings.platformNamespaces,
    rules: [namespaceDefaultDeny, metadataEndpointsClosed, tier0Restricted, fqdnTooBroad, notUnderstood],
  };
}

function namespaceOf(object: KubeObject): string[] {
  const namespace = object.metadata?.namespace;
  if (typeof namespace === "string" && !isUnknown(namespace)) return [namespace];
  return isWorkloadKind(object.kind) ? ["default"] : [];
}

/** A default deny for every namespace, and pods for the policy to select. */
function assumeDefaultDeny(
  namespaces: Iterable<string>,
  samples: ReturnType<typeof podSamples>,
  policy: KubeObject | undefined,
): { objects: SourcedObject[]; standIns: Map<string, string> } {
  const objects: SourcedObject[] = [...namespaces].map((namespace) => ({
    object: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "assumed-default-deny", namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    },
  }));
  const standIns = new Map<string, string>();
  for (const [index, sample] of samples.entries()) {
    const name = `selected-${index}`;
    objects.push({
      object: {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: sample.namespace, labels: sample.labels },
        spec: { ...(sample.serviceAccount === undefined ? {} : { serviceAccountName: sample.serviceAccount }) },
      },
    });
    if (Object.keys(sample.namespaceLabels).length > 0) {
      objects.push({
        object: {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name: sample.namespace, labels: sample.namespaceLabels },
        },
      });
    }
    standIns.set(`${sample.namespace}/${name}[Pod]`, `pods that ${describePolicy(policy)} selects`);
  }
  return { objects, standIns };
}

function describePolicy(policy: KubeObject | undefined): string {
  if (policy === undefined) return "the policy";
  const { name, namespace } = policy.metadata ?? {};
  return describeRef({
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    name: name ?? "",
    ...(typeof namespace === "string" ? { namespace } : {}),
  });
}

/** The finding, said of the object that is being registered. */
function asRegistration(finding: Finding, item: SourcedObject): Finding {
  if (finding.id !== metadataEndpointsClosed.id && finding.id !== namespaceDefaultDeny.id) return finding;
  const { kind, metadata } = item.object;
  const policy = isPolicyKind(kind);
  return {
    ...finding,
    subject: {
      kind,
      name: metadata?.name ?? "",
      ...(typeof metadata?.namespace === "string" ? { namespace: metadata.namespace } : {}),
      ...(item.source === undefined ? {} : { source: item.source }),
    },
    message: policy
      ? `${describePolicy(item.object)} opens a hole even where everything is closed by default: ${finding.message}`
      : `${finding.message}, through policies registered before it`,
    fix:
      policy && finding.id === metadataEndpointsClosed.id
        ? "Leave the metadata addresses out of the rule (`except`), or make this object depend on an explicit deny for them."
        : finding.fix,
  };
}
