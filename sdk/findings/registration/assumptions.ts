/** What is taken for granted when an object is judged before the rest of its stack is there. */
import type { KubeObject, SourcedObject } from "../../reachability";
import { describeRef, isUnknown, isWorkloadKind } from "../../reachability";
import type { PodSample } from "./pod-samples";

/** The namespace that an object lies in, as far as it is known. */
export function namespaceOf(object: KubeObject): string[] {
  const namespace = object.metadata?.namespace;
  if (typeof namespace === "string" && !isUnknown(namespace)) return [namespace];
  return isWorkloadKind(object.kind) ? ["default"] : [];
}

/** A default deny for every namespace, and pods for the policy to select. */
export function assumeDefaultDeny(
  namespaces: Iterable<string>,
  samples: readonly PodSample[],
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

/** `NetworkPolicy shop/allow-web`. */
export function describePolicy(policy: KubeObject | undefined): string {
  if (policy === undefined) return "the policy";
  const { name, namespace } = policy.metadata ?? {};
  return describeRef({
    apiVersion: policy.apiVersion,
    kind: policy.kind,
    name: name ?? "",
    ...(typeof namespace === "string" ? { namespace } : {}),
  });
}
