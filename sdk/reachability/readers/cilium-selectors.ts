/** How Cilium's selectors are read: sources of labels, and the namespace that a selector means without saying so. */
import { ciliumNamespaceLabel } from "../model/namespace-labels";
import type { EnforcerProfile } from "../model/profile";
import { all, test, type Condition, type Field } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import type { ReaderContext } from "./common";
import { inNamespace } from "../model/selectors/conditions";
import { NotReadable, type ObjectReader } from "./fields";
import { checkLabelKey } from "./names";

/** What is common to all rules of one policy. */
export interface CiliumScope {
  /** The namespace of a CiliumNetworkPolicy; nothing for a clusterwide one. */
  readonly namespace: LabelValue | undefined;
  readonly reader: ObjectReader;
  readonly context: ReaderContext;
}

const namespaceLabelPrefix = "io.cilium.k8s.namespace.labels.";

/**
 * Where a key of a Cilium selector looks. `k8s:`, `any:` or no source means Kubernetes labels, with three names for the
 * namespace, the service account and the cluster; `reserved:` is Cilium's own identities.
 */
export function ciliumKey(key: string, path: string): { field: Field; key: string } {
  const colon = key.indexOf(":");
  const source = colon < 0 ? "any" : key.slice(0, colon);
  const name = colon < 0 ? key : key.slice(colon + 1);
  if (source === "reserved") return { field: "reserved", key: name };
  if (source !== "any" && source !== "k8s") {
    throw new NotReadable(path, `${path}: labels of source ${JSON.stringify(source)} are not supported`, "unsupported");
  }
  checkLabelKey(name, path);
  if (name === "io.kubernetes.pod.namespace") return { field: "namespace", key: "" };
  if (name === "io.cilium.k8s.policy.serviceaccount") return { field: "serviceAccount", key: "" };
  if (name === "io.cilium.k8s.policy.cluster") return { field: "cluster", key: "" };
  if (name.startsWith(namespaceLabelPrefix)) {
    return { field: "namespaceLabel", key: name.slice(namespaceLabelPrefix.length) };
  }
  return { field: "label", key: name };
}

/** Whether a condition looks at a field. */
export function mentions(condition: Condition, field: Field): boolean {
  switch (condition.op) {
    case "test":
      return condition.field === field;
    case "constant":
      return false;
    case "not":
      return mentions(condition.of, field);
    case "and":
    case "or":
      return condition.of.some((each) => mentions(each, field));
  }
}

/**
 * Who a selector in `fromEndpoints` / `toEndpoints` means: pods of the policy's own namespace, or for a clusterwide policy
 * pods of any namespace, unless the selector itself speaks of namespaces or reserved identities; and, unless it says so
 * itself, of the own cluster only (`policy-default-local-cluster`, where that is on), a label that reserved identities do not carry
 * (getEndpointSelector in pkg/k8s/apis/cilium.io/utils; measured on an agent).
 */
export function peerCondition(
  selector: Condition,
  namespace: LabelValue | undefined,
  { clusterName, localClusterOnly }: Pick<EnforcerProfile, "clusterName" | "localClusterOnly">,
): Condition {
  if (mentions(selector, "reserved")) return selector;
  const parts: Condition[] = [selector];
  if (localClusterOnly && !mentions(selector, "cluster")) parts.unshift(test("cluster", "", "in", clusterName));
  if (!mentions(selector, "namespace") && !mentions(selector, "namespaceLabel")) {
    parts.unshift(namespace === undefined ? test("namespace", "", "exists") : inNamespace(namespace));
  }
  return all(...parts);
}

/**
 * A selector without one of its `matchLabels`: the agent writes the policy's own namespace over the one that is given
 * there (ParseToCiliumRule, parsePodSelector).
 */
export function withoutMatchLabel(selector: unknown, key: string): unknown {
  if (typeof selector !== "object" || selector === null) return selector;
  const { matchLabels } = selector as { readonly matchLabels?: unknown };
  if (typeof matchLabels !== "object" || matchLabels === null || !Object.hasOwn(matchLabels, key)) return selector;
  const kept = Object.entries(matchLabels).filter(([each]) => each !== key);
  return { ...selector, matchLabels: Object.fromEntries(kept) };
}

/** How the agent spells the label of a pod's namespace, by where a selector is. */
export const namespaceKey = {
  cilium: ciliumNamespaceLabel,
  kubernetes: "io.kubernetes.pod.namespace",
} as const;
