import type { Finding } from "../sdk/findings";
import { evaluate, isViolation, metadataEndpointsClosed, namespaceDefaultDeny, notUnderstood } from "../sdk/findings";
import type { FindingOptions } from "../sdk/findings";
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
 * - a workload is stopped if policies recorded before it give it such a path;
 * - an object that the enforcer refuses, or that cannot be understood, is stopped before anybody relies on it.
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
    const findings = [
      ...(policies.length > 0 ? judgePolicies(policies, recorded, settings) : []),
      ...(workloads.length > 0 ? judgeWorkloads(workloads, recorded, settings) : []),
    ];
    recorded.add(resource.urn, objects);
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

/** What was registered into one cluster so far. */
class RecordedCluster {
  readonly #byUrn = new Map<string, readonly SourcedObject[]>();
  add(urn: string, objects: readonly SourcedObject[]): void {
    this.#byUrn.set(urn, objects);
  }

  /** Policies that can have a say for pods of these namespaces, the namespaces' own objects, and the enforcer's. */
  within(namespaces: ReadonlySet<string> | "all"): SourcedObject[] {
    return this.#decisive().filter(({ object }) => {
      const home: unknown = object.kind === "Namespace" ? object.metadata?.name : object.metadata?.namespace;
      return namespaces === "all" || typeof home !== "string" || isEnforcer(object) || namespaces.has(home);
    });
  }

  namespaceNames(): string[] {
    return [...this.#byUrn.values()].flat().flatMap(({ object }) => {
      const name = object.kind === "Namespace" ? object.metadata?.name : object.metadata?.namespace;
      return typeof name === "string" && !isUnknown(name) ? [name] : [];
    });
  }

  #decisive(): SourcedObject[] {
    return [...this.#byUrn.values()].flat().filter((item) => decides(item.object));
  }
}

function decides(object: KubeObject): boolean {
  return object.kind === "Namespace" || isPolicyKind(object.kind) || isEnforcer(object);
}

function isEnforcer(object: KubeObject): boolean {
  return object.kind === "Release" || object.kind === "ConfigMap";
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
  const profile = profileOf([...recorded.within("all"), ...policies], settings);
  const hypothetical = assumeDefaultDeny(namespaces, samples, policies[0]?.object);
  const openedBeside = (others: readonly SourcedObject[]): Finding[] => {
    const snapshot = buildSnapshot([...others, ...policies, ...hypothetical.objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), standIns: hypothetical.standIns }).filter(isViolation);
  };

  // Most policies open nothing by themselves; then no deny has to be looked at.
  if (openedBeside([]).length === 0) return [];
  const denies = recorded.within(clusterwide ? "all" : namespaces).flatMap((item) => {
    const object = isPolicyKind(item.object.kind) ? deniesOf(item.object) : item.object;
    return object === undefined ? [] : [{ ...item, object }];
  });
  const urns = new Set(policies.map((item) => item.source?.urn));
  return openedBeside(denies)
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
    const others = recorded.within(namespaces);
    // without policies for it there is nothing that could have been opened
    if (!others.some(({ object }) => isPolicyKind(object.kind))) return [];
    const profile = profileOf(recorded.within("all"), settings);
    const { objects } = assumeDefaultDeny(namespaces, [], undefined);
    const snapshot = buildSnapshot([...others, item, ...objects], { profile });
    return evaluate(compile(snapshot), { ...optionsOf(settings), rules: [metadataEndpointsClosed] })
      .filter((finding) => isViolation(finding) && finding.subject.source?.urn === item.source?.urn)
      .map((finding) => asRegistration(finding, item));
  });
}

function profileOf(objects: readonly SourcedObject[], settings: GuardSettings): EnforcerProfile {
  return settings.enforcer === undefined ? inferProfile(objects) : profileFor(settings.enforcer);
}

function optionsOf(settings: GuardSettings): FindingOptions {
  return {
    exemptNamespaces: settings.exemptNamespaces,
    platformNamespaces: settings.platformNamespaces,
    rules: [namespaceDefaultDeny, metadataEndpointsClosed, notUnderstood],
  };
}

function namespaceOf(object: KubeObject): string[] {
  const namespace = object.metadata?.namespace;
  if (typeof namespace === "string" && !isUnknown(namespace)) return [namespace];
  return isWorkloadKind(object.kind) ? ["default"] : [];
}

/** A default deny for every namespace, and pods for the policy to select. */
function assumeDefaultDeny(
  namespaces: ReadonlySet<string>,
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
  if (finding.id === notUnderstood.id) return finding;
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
