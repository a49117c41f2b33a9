import type { ClusterNode } from "./node";
import type { NodeTerm, Pod, Requirement } from "./objects";

/** Labels that a node of the lab carries. */
export function nodeLabels(node: ClusterNode): Record<string, string> {
  return {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": process.arch === "x64" ? "amd64" : process.arch,
  };
}

/**
 * The node that a pod goes to: of those that its nodeSelector and required node affinity admit, the one with the fewest
 * pods; undefined where none does. Resources, spreading and preferences are not looked at.
 */
export function chooseNode<N extends ClusterNode>(
  pod: Pod,
  nodes: readonly N[],
  podsOn: (node: N) => number,
): N | undefined {
  return nodes.filter((node) => admits(pod, node)).sort((a, b) => podsOn(a) - podsOn(b))[0];
}

function admits(pod: Pod, node: ClusterNode): boolean {
  const labels = nodeLabels(node);
  const selected = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  // terms are alternatives
  return selected && (terms === undefined || terms.some((term) => holds(term, node, labels)));
}

function holds(term: NodeTerm, node: ClusterNode, labels: Readonly<Record<string, string>>): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  // an empty term matches no node (API text of NodeSelectorTerm)
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) => meets(requirement, labels[requirement.key])) &&
    fields.every((requirement) => requirement.key === "metadata.name" && meets(requirement, node.name))
  );
}

function meets({ operator, values = [] }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return Number(value) > Number(values[0]);
    case "Lt":
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}
