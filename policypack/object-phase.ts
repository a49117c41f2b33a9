import type { Finding } from "../sdk/findings";
import { evaluate, isViolation, metadataEndpointsClosed, namespaceDefaultDeny, notUnderstood } from "../sdk/findings";
import type { KubeObject, SourcedObject } from "../sdk/reachability";
import { buildSnapshot, compile, describeRef, inferProfile, isUnknown, profileFor } from "../sdk/reachability";
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

  /** Records a resource and returns what its registration opens. Never throws on malformed input. */
  judge(resource: ObservedResource, settings: GuardSettings): Finding[] {
    const { cluster, objects } = objectsOf(resource);
    if (objects.length === 0) return [];
    const recorded = this.#clusters.get(cluster.key) ?? new RecordedCluster();
    this.#clusters.set(cluster.key, recorded);
    const findings = objects.some(({ object }) => isPolicyKind(object.kind) || isWorkloadKind(object.kind))
      ? judgeObjects(objects, recorded, settings)
      : [];
    recorded.add(resource.urn, objects);
    return findings;
  }
}

/** What was registered into one cluster so far. */
class RecordedCluster {
  readonly #byUrn = new Map<string, readonly SourcedObject[]>();

  add(urn: string, objects: readonly SourcedObject[]): void {
    this.#byUrn.set(urn, objects);
  }

  /** Policies that can have a say for pods of these namespaces, and the namespaces' own objects. */
  within(namespaces: ReadonlySet<string> | "all"): SourcedObject[] {
    const found: SourcedObject[] = [];
    for (const objects of this.#byUrn.values()) {
      for (const item of objects) {
        const { kind, metadata } = item.object;
        const home = kind === "Namespace" ? metadata?.name : metadata?.namespace;
        const decides = kind === "Namespace" || isPolicyKind(kind) || isEnforcer(item.object);
        if (decides && (namespaces === "all" || typeof home !== "string" || namespaces.has(home))) found.push(item);
      }
    }
    return found;
  }

  /** Whatever says which enforcer runs. */
  enforcers(): SourcedObject[] {
    return [...this.#byUrn.values()].flat().filter((item) => isEnforcer(item.object));
  }

  namespaceNames(): string[] {
    return [...this.#byUrn.values()].flat().flatMap(({ object }) => {
      const name = object.kind === "Namespace" ? object.metadata?.name : object.metadata?.namespace;
      return typeof name === "string" && !isUnknown(name) ? [name] : [];
    });
  }
}

function isEnforcer(object: KubeObject): boolean {
  return object.kind === "Release" || object.kind === "ConfigMap" || object.apiVersion.startsWith("cilium.io/");
}

function judgeObjects(
  objects: readonly SourcedObject[],
  recorded: RecordedCluster,
  settings: GuardSettings,
): Finding[] {
  const policies = objects.filter(({ object }) => isPolicyKind(object.kind));
  const samples = policies.flatMap(({ object }) => podSamples(object));
  const clusterwide = policies.some(({ object }) => typeof object.metadata?.namespace !== "string");
  const namespaces = new Set([
    ...samples.map((sample) => sample.namespace),
    ...objects.flatMap(({ object }) => namespaceOf(object)),
    ...(clusterwide ? [undeclaredNamespace, ...recorded.namespaceNames()] : []),
  ]);
  const profile =
    settings.enforcer === undefined
      ? inferProfile([...recorded.enforcers(), ...objects])
      : profileFor(settings.enforcer);
  const stage = (others: readonly SourcedObject[]): Finding[] => {
    const hypothetical = assumeDefaultDeny(namespaces, samples, policies[0]?.object);
    const snapshot = buildSnapshot([...others, ...objects, ...hypothetical.objects], { profile });
    return evaluate(compile(snapshot), {
      exemptNamespaces: settings.exemptNamespaces,
      platformNamespaces: settings.platformNamespaces,
      standIns: hypothetical.standIns,
      rules: [namespaceDefaultDeny, metadataEndpointsClosed, notUnderstood],
    }).filter(isViolation);
  };

  // Allows add up: where a policy alone opens nothing behind a default deny, it opens nothing beside others either.
  const onlyPolicies = policies.length === objects.length;
  if (onlyPolicies && stage([]).length === 0) return [];
  const urns = new Set(objects.map((item) => item.source?.urn));
  const isOwn = (finding: Finding): boolean =>
    urns.has(finding.subject.source?.urn) || (finding.causes ?? []).some((cause) => urns.has(cause.urn));
  const findings = stage(recorded.within(clusterwide ? "all" : namespaces)).filter(isOwn);
  return findings.map((finding) => asRegistration(finding, objects[0] as SourcedObject));
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
    fix: policy
      ? `${finding.fix} A deny that closes it has to be registered first: make this object depend on it.`
      : finding.fix,
  };
}
