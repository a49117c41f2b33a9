import type { KubeObject } from "../sdk/reachability";
import { isUnknown } from "../sdk/reachability";

/**
 * Pods that a policy would select, made up from its selectors. When a policy is registered, the pods it is for usually
 * do not exist yet; judged against those, a policy for `app: legacy` would look as if it were for nobody.
 *
 * A sample satisfies `matchLabels`, `In` and `Exists` and leaves the keys of `NotIn` and `DoesNotExist` out. Selectors
 * that contradict themselves select nobody, and neither do their samples.
 */
export interface PodSample {
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
}

/** A namespace that nothing names, for policies that select pods of any namespace. */
export const undeclaredNamespace = "not-declared-yet";

/** The samples of a NetworkPolicy, a policy of Cilium or a PeerAuthentication; empty for other kinds. */
export function podSamples(policy: KubeObject): PodSample[] {
  const namespace = policy.metadata?.namespace;
  const home = typeof namespace === "string" && !isUnknown(namespace) ? namespace : undefined;
  switch (`${policy.apiVersion.split("/")[0] ?? ""}/${policy.kind}`) {
    case "networking.k8s.io/NetworkPolicy":
      return home === undefined ? [] : specsOf(policy).map((spec) => sample(spec.podSelector, home));
    case "cilium.io/CiliumNetworkPolicy":
      return home === undefined ? [] : specsOf(policy).map((spec) => sample(spec.endpointSelector, home));
    case "cilium.io/CiliumClusterwideNetworkPolicy":
      return specsOf(policy).map((spec) => sample(spec.endpointSelector, undefined));
    case "security.istio.io/PeerAuthentication":
      return home === undefined ? [] : specsOf(policy).map((spec) => sample(spec.selector, home));
    default:
      return [];
  }
}

function specsOf(policy: KubeObject): Readonly<Record<string, unknown>>[] {
  const several: unknown = policy["specs"];
  return [policy.spec, ...(Array.isArray(several) ? (several as unknown[]) : [])].map(objectOf);
}

const namespaceKeys = ["io.kubernetes.pod.namespace", "kubernetes.io/metadata.name"];
const namespaceLabelPrefix = "io.cilium.k8s.namespace.labels.";
const serviceAccountKey = "io.cilium.k8s.policy.serviceaccount";

function sample(selector: unknown, home: string | undefined): PodSample {
  const labels: Record<string, string> = {};
  const namespaceLabels: Record<string, string> = {};
  let namespace = home;
  let serviceAccount: string | undefined;
  for (const [key, value] of requirements(selector)) {
    const plainKey = key.replace(/^(k8s|any)[:.]/, "");
    if (namespaceKeys.includes(plainKey)) namespace ??= value;
    else if (plainKey.startsWith(namespaceLabelPrefix)) {
      namespaceLabels[plainKey.slice(namespaceLabelPrefix.length)] = value;
    } else if (plainKey === serviceAccountKey) serviceAccount = value;
    else labels[plainKey] = value;
  }
  return {
    namespace: namespace ?? undeclaredNamespace,
    namespaceLabels,
    labels,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
}

/** Keys with a value that satisfies the selector. */
function requirements(selector: unknown): [string, string][] {
  const { matchLabels, matchExpressions } = objectOf(selector);
  const found: [string, string][] = Object.entries(objectOf(matchLabels)).flatMap(([key, value]) =>
    typeof value === "string" && !isUnknown(value) ? [[key, value] as [string, string]] : [],
  );
  for (const expression of Array.isArray(matchExpressions) ? (matchExpressions as unknown[]) : []) {
    const { key, operator, values } = objectOf(expression);
    if (typeof key !== "string" || isUnknown(key)) continue;
    const first: unknown = Array.isArray(values) ? values[0] : undefined;
    if (operator === "Exists") found.push([key, "any"]);
    if (operator === "In" && typeof first === "string" && !isUnknown(first)) found.push([key, first]);
  }
  return found;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
