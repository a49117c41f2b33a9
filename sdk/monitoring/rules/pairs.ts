/** PromQL about pairs: a source and a destination as Hubble's metrics name them. */
import { anyApp, declaredFlow, namespaceOwner } from "../table";

/** Labels that name a pair. */
export const pairLabels = "source_namespace, source, destination_namespace, destination";

/**
 * Labels of a pair, made the same whatever node reports it and whatever families the cluster has: the node's own identity
 * and that of other nodes are the nodes, both families of the world are the world. `namespace` is that of the source, or
 * of the destination where the source is outside the cluster.
 */
export function asPair(vector: string): string {
  let result = vector;
  for (const end of ["source", "destination"]) {
    result = relabelled(result, end, "reserved:nodes", end, "reserved:(host|remote-node)");
    result = relabelled(result, end, "reserved:world", end, "reserved:world-ipv[46]");
  }
  result = relabelled(result, "namespace", "$1", "destination_namespace", "(.*)");
  return relabelled(result, "namespace", "$1", "source_namespace", "(.+)");
}

function relabelled(vector: string, label: string, value: string, from: string, pattern: string): string {
  return `label_replace(${vector}, "${label}", "${value}", "${from}", "${pattern}")`;
}

/** How rows of the table name a pair: exactly, or one end or both as every app of a namespace. */
interface Form {
  readonly on: string;
  readonly rows: string;
}

const forms: readonly Form[] = [
  { on: pairLabels, rows: declaredFlow },
  { on: "source_namespace, destination_namespace, destination", rows: `${declaredFlow}{source="${anyApp}"}` },
  { on: "source_namespace, source, destination_namespace", rows: `${declaredFlow}{destination="${anyApp}"}` },
  {
    on: "source_namespace, destination_namespace",
    rows: `${declaredFlow}{source="${anyApp}",destination="${anyApp}"}`,
  },
];

/** Of a vector of pairs those that are not declared. */
export function undeclared(vector: string): string {
  return [`(${vector})`, ...forms.map(({ on, rows }) => `  unless on (${on}) ${rows}`)].join("\n");
}

/** Of a vector of pairs those that are declared. */
export function declared(vector: string): string {
  return forms.map(({ on, rows }) => `(${vector})\n  and on (${on}) ${rows}`).join("\nor\n");
}

/** Of a vector of pairs those that are declared, each with the owner and the ids of its flows. */
export function withFlow(vector: string): string {
  const [exact, ...wide] = forms;
  return [
    `${exact?.rows ?? ""} * on (${pairLabels}) group_left (namespace)\n  (${vector})`,
    ...wide.map(({ on, rows }) => `(${vector})\n  * on (${on}) group_left (owner, flow) ${rows}`),
  ].join("\nor\n");
}

/** A vector with label `namespace`, with the owner of the namespace; of the platform where nobody owns it. */
export function withNamespaceOwner(vector: string, otherwise: string): string {
  return [
    `${vector}\n  * on (namespace) group_left (owner) ${namespaceOwner}`,
    `label_replace(\n  ${vector} unless on (namespace) ${namespaceOwner},\n  "owner", "${otherwise}", "", ""\n)`,
  ].join("\nor\n");
}
