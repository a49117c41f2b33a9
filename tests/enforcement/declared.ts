/** A declaration on the bare datapath: its namespaces, its workloads as pods, and its policies. */
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { LabObject, PodWish } from "../../lab/datapath/index";
import type { LabWorld } from "./world";
import { literal } from "../plan/literal";

export interface DeclaredWorld extends LabWorld {
  readonly policies: readonly LabObject[];
}

/** `workloads` are what runs; the declaration may know more than that, or less. */
export function declaredWorld(
  declaration: ClusterSecurityDeclaration,
  workloads: readonly WorkloadDeclaration[],
): DeclaredWorld {
  const policies = plan(declaration).documents.map(({ object }) => object as unknown as LabObject);
  const labels = new Map(literal(declaration.namespaces ?? []).map(({ name, labels: own }) => [name, own]));
  const names = new Set([
    ...workloads.map(({ namespace }) => namespace),
    ...policies.flatMap(({ metadata }) => metadata.namespace ?? []),
  ]);
  return {
    namespaces: [...names].map((name) => {
      const own = labels.get(name);
      return own === undefined ? { name } : { name, labels: own };
    }),
    pods: workloads.map(podOf),
    policies,
  };
}

/** A workload as one pod with its labels, account and ports. */
export function podOf(declared: WorkloadDeclaration): PodWish {
  const { namespace, name, labels, ports, serviceAccount } = literal(declared);
  return {
    namespace,
    name,
    labels: labels ?? { app: name },
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ports: (ports ?? []).flatMap(({ port, protocol, name: portName }) =>
      port === undefined ? [] : [{ port, protocol: protocol ?? "TCP", ...(portName ? { name: portName } : {}) }],
    ),
  };
}
