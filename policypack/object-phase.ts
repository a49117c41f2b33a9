import type { Finding, Rule } from "../sdk/findings";
import {
  applyAnnotations,
  clusterAdminBinding,
  defaultTenantLabels,
  enforcementOff,
  evaluate,
  fqdnTooBroad,
  isViolation,
  metadataEndpointsClosed,
  namespaceDefaultDeny,
  notUnderstood,
  rules,
  tier0Restricted,
} from "../sdk/findings";
import type { FindingOptions } from "../sdk/findings";
import { namesItsPeers } from "../sdk/findings/policy-rules";
import type {
  CompiledPolicy,
  EnforcerProfile,
  KubeObject,
  Lookup,
  PeerTerm,
  Snapshot,
  SourcedObject,
} from "../sdk/reachability";
import {
  buildSnapshot,
  compile,
  describeRef,
  evaluateCondition,
  inferProfile,
  isUnknown,
  labelOf,
  profileFor,
  unknownValue,
} from "../sdk/reachability";
import { deniesOf } from "./denies";
import { identityOf, readClusterSnapshot } from "./known-world";
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
 * - a policy is stopped if it opens the second half of a path between tenants, or lets pods of the mesh take plaintext;
 * - a release that switches enforcement off or sets values that its chart does not read, a binding to cluster-admin, and a
 *   bypass that nobody documented are wrong by themselves.
 *
 * What the cluster holds already, where a snapshot of it is given, counts as registered before.
 *
 * An explicit deny must be registered before the rule that needs it (make the rule depend on it). Otherwise there is a
 * time in which the hole is open, and this phase says so.
 */
export class ObjectPhase {
  readonly #clusters = new Map<string, RecordedCluster>();
  readonly #reported = new Set<string>();

  /** Records a resource and returns what its registration opens. Never throws on malformed input. */
  judge(resource: ObservedResource, settings: GuardSettings, today: string): Finding[] {
    const { cluster, objects } = objectsOf(resource);
    if (objects.length === 0) return [];
    let recorded = this.#clusters.get(cluster.key);
    if (recorded === undefined) {
      const known = settings.clusterSnapshotProvider ?? cluster.providerName;
      // without the provider's name a snapshot is that of the only cluster; the stack phase says so if there are more
      const described = this.#clusters.size === 0 || settings.clusterSnapshotProvider !== undefined;
      recorded = new RecordedCluster();
      this.#clusters.set(cluster.key, recorded);
      if (described && known === cluster.providerName) recorded.addKnown(settings);
    }
    const policies = objects.filter(({ object }) => isPolicyKind(object.kind));
    const workloads = objects.filter(({ object }) => isWorkloadKind(object.kind));
    const opensNothing = policies.length > 0 && certainlyOpensNothing(policies, recorded, settings);
    const findings = [
      ...(policies.length > 0 && !opensNothing ? judgePolicies(policies, recorded, settings) : []),
      ...(workloads.length > 0 ? judgeWorkloads(workloads, recorded, settings) : []),
      ...judgeTenants(policies, recorded, settings, today),
      ...judgeTransport(objects, recorded, settings, today),
      ...judgeAlone(objects, recorded, settings, today),
    ];
    const judged = findings.length === 0 ? [] : accepted(findings, objects, recorded, settings, today);
    recorded.add(objects, !opensNothing);
    return judged;
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
  /** Objects of the cluster's snapshot by identity: the stack's version of one stands for it. */
  readonly #known = new Map<string, SourcedObject>();

  /** Records what the cluster holds already. */
  addKnown(settings: GuardSettings): void {
    for (const item of readClusterSnapshot(settings.clusterSnapshot).objects) {
      const opensNothing = isPolicyKind(item.object.kind) && certainlyOpensNothing([item], this, settings);
      this.add([item], !opensNothing);
      this.#known.set(identityOf(item.object), item);
    }
  }

  /** Records objects; `mayOpen` says whether their policies may have opened something to addresses or strangers. */
  add(objects: readonly SourcedObject[], mayOpen: boolean): void {
    for (const item of objects) {
      const { object } = item;
      const replaced = this.#known.get(identityOf(object));
      if (replaced !== undefined) this.#forget(replaced);
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

  /** The namespaces' own objects. */
  namespaceObjects(): SourcedObject[] {
    return [...this.#byNamespace.values()].flat().flatMap(({ item }) => (item.object.kind === "Namespace" ? item : []));
  }

  #forget(item: SourcedObject): void {
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
      .filter((finding) => isViolation(finding) && isAbout(finding, item))
      .map((finding) => asRegistration(finding, item));
  });
}

/** About the workload, or about every pod of its namespace by what the cluster held before the stack. */
function isAbout(finding: Finding, item: SourcedObject): boolean {
  const { source, kind, name } = finding.subject;
  if (source?.urn !== undefined && source.urn === item.source?.urn) return true;
  return kind === "Namespace" && namespaceOf(item.object).includes(name) && causesOf(finding).length === 0;
}

/** Objects that are right or wrong by themselves: what configures the enforcer, bindings of roles, bypasses. */
function judgeAlone(
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const alone = objects.filter(
    ({ object }) => isEnforcer(object) || kindsAlone.test(object.kind) || mentionsBypass(object),
  );
  if (alone.length === 0) return [];
  const snapshot = buildSnapshot(alone, { profile: recorded.profile(alone, settings) });
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = { exemptNamespaces, platformNamespaces, today, rules: rulesAlone };
  return evaluate(compile(snapshot), options).filter(
    (finding) => isViolation(finding) && !finding.subject.kind.startsWith("Staged"),
  );
}

/** Rules that need no other object to say that something is wrong. */
const rulesAlone: readonly Rule[] = [
  enforcementOff,
  clusterAdminBinding,
  // what is rehearsed in Calico may have an enforced twin that is registered later; Istio's dry run has none
  ...rulesNamed("chart-value-ignored", "bypass-undocumented", "staged-only"),
];
const kindsAlone = /^((Cluster)?RoleBinding|AuthorizationPolicy)$/;
/** Rules about what a policy opens that stop it only where the settings say so. */
const openingRules = rulesNamed(
  ...["internet-exposure", "internet-egress", "mail-egress", "all-ports-rule", "cross-tier-path", "spoofable-peer"],
  ...["mesh-principal-wildcard", "host-access"],
);
const tenantRules = rulesNamed("cross-tenant-path");
const transportRules = rulesNamed("mtls-not-strict", "mtls-port-hole");

function rulesNamed(...ids: string[]): Rule[] {
  return ids.map((id) => {
    const rule = rules.find((each) => each.id === id);
    if (rule === undefined) throw new RangeError(`there is no rule ${id}`);
    return rule;
  });
}

function mentionsBypass({ metadata, spec }: KubeObject): boolean {
  return /bypass|break-?glass/.test(JSON.stringify([metadata, templateMetadata(spec)]) ?? "");
}

function templateMetadata(spec: unknown): unknown[] {
  const at = (holder: unknown, key: string): unknown =>
    typeof holder === "object" && holder !== null ? (holder as Record<string, unknown>)[key] : undefined;
  const job = at(at(spec, "jobTemplate"), "spec");
  return [spec, job].map((holder) => at(at(holder, "template"), "metadata"));
}

/** Most namespaces of other tenants that one policy is judged with; the stack phase judges with all. */
const mostTenantNamespaces = 20;

/** A policy that opens the second half of a path between tenants. The first half alone opens nothing. */
function judgeTenants(
  policies: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const home = policies.flatMap(({ object }) => namespaceOf(object))[0];
  if (home === undefined || settings.levels["cross-tenant-path"] !== "mandatory") return [];
  const homes = recorded.namespaceObjects();
  const labelled = homes.filter(({ object }) => tenantLabelOf(object) !== undefined);
  if (new Set(labelled.map(({ object }) => tenantLabelOf(object))).size < 2) return [];
  const profile = recorded.profile(policies, settings);
  const alone = buildSnapshot([...homes, ...policies], { profile });
  const others = labelled
    .flatMap(({ object }) => object.metadata?.name ?? [])
    .filter((name) => name !== home && alone.rules.policies.some((part) => mayName(part, name, alone)))
    .slice(0, mostTenantNamespaces);
  if (others.length === 0) return [];
  const namespaces = new Set([home, ...others]);
  const before = recorded.within(namespaces);
  const samples = [...policies, ...before].flatMap(({ object }) => podSamples(object));
  const held = samples.filter((sample) => namespaces.has(sample.namespace));
  const hypothetical = assumeDefaultDeny(namespaces, held, policies[0]?.object);
  const snapshot = buildSnapshot([...before, ...policies, ...hypothetical.objects], { profile });
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = { exemptNamespaces, platformNamespaces, today, rules: tenantRules, standIns: hypothetical.standIns };
  return causedBy(policies, evaluate(compile(snapshot), options));
}

function tenantLabelOf({ metadata }: KubeObject): string | undefined {
  const labels: unknown = isUnknown(metadata) ? undefined : metadata?.labels;
  if (typeof labels !== "object" || labels === null) return undefined;
  const key = defaultTenantLabels.find((each) => Object.hasOwn(labels, each));
  const tenant: unknown = key === undefined ? undefined : (labels as Record<string, unknown>)[key];
  return typeof tenant === "string" ? tenant : undefined;
}

/** Whether some rule of a policy may be about pods of a namespace, by the namespace's name and labels alone. */
function mayName(part: CompiledPolicy, namespace: string, snapshot: Snapshot): boolean {
  const labels = snapshot.namespaces.get(namespace)?.labelSet;
  const lookup: Lookup = (field, key) => {
    if (field === "namespace") return namespace;
    return field === "namespaceLabel" && labels !== undefined ? labelOf(labels, key) : unknownValue;
  };
  const fits = (peer: PeerTerm): boolean => {
    switch (peer.kind) {
      case "pods":
      case "identities":
        return evaluateCondition(peer.where, lookup) !== 0;
      case "cidr":
      case "fqdn":
      case "nodes":
        return false;
      default:
        return true;
    }
  };
  const allows = [...(part.ingress?.rules ?? []), ...(part.egress?.rules ?? [])];
  return allows.some((rule) => rule.verdict !== "deny" && rule.peers.some(fits));
}

/** A PeerAuthentication that lets pods of the mesh take plaintext. That of the root namespace is judged with the others. */
function judgeTransport(
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const own = objects.filter(({ object }) => object.kind === "PeerAuthentication");
  const homes = own.flatMap(({ object }) => namespaceOf(object)).filter((home) => home !== "istio-system");
  if (homes.length === 0) return [];
  const samples = own.flatMap(({ object }) => podSamples(object));
  const pods = assumeDefaultDeny([], samples, own[0]?.object);
  const all = [...recorded.within(homes), ...own, ...pods.objects];
  const snapshot = buildSnapshot(all, { profile: recorded.profile(all, settings) });
  const { exemptNamespaces, platformNamespaces } = settings;
  const options = { exemptNamespaces, platformNamespaces, today, rules: transportRules, standIns: pods.standIns };
  return causedBy(own, evaluate(compile(snapshot), options));
}

/** The violations that these objects cause. */
function causedBy(items: readonly SourcedObject[], findings: readonly Finding[]): Finding[] {
  const urns = new Set(items.map(({ source }) => source?.urn));
  return findings.filter((finding) => isViolation(finding) && causesOf(finding).some((urn) => urns.has(urn)));
}

/** Findings with those marked that an annotation of the object itself accepts. */
function accepted(
  findings: readonly Finding[],
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
  today: string,
): Finding[] {
  const profile = recorded.profile(objects, settings);
  const snapshot = buildSnapshot([...recorded.namespaceObjects(), ...objects], { profile });
  const { exemptNamespaces, platformNamespaces, exemptionAnnotations: permitted } = settings;
  return applyAnnotations(findings, snapshot, { exemptNamespaces, platformNamespaces, today, permitted }).findings;
}

function isEnforcer(object: KubeObject): boolean {
  return object.kind === "Release" || object.kind === "ConfigMap";
}

function optionsOf(settings: GuardSettings): FindingOptions {
  return {
    exemptNamespaces: settings.exemptNamespaces,
    platformNamespaces: settings.platformNamespaces,
    rules: [
      ...[namespaceDefaultDeny, metadataEndpointsClosed, tier0Restricted, fqdnTooBroad, notUnderstood],
      ...openingRules.filter(({ id }) => settings.levels[id] === "mandatory"),
    ],
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
