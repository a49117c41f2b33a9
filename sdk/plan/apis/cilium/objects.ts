/** Cilium's policies as objects. */
import type { DraftDocument, PlannedObject, Stage } from "../../documents";
import { managedByLabel } from "../../documents";
import type { Plain } from "../writer";

export function clusterwide(stage: Stage, name: string, ...specs: readonly Plain[]): DraftDocument {
  const object: PlannedObject = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name, labels: managedByLabel },
    ...specSection(specs),
  };
  return { stage, object };
}

export function namespaced(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  ...specs: readonly Plain[]
): DraftDocument {
  const object: PlannedObject = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: {
      name,
      namespace,
      labels: managedByLabel,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    ...specSection(specs),
  };
  return { stage, object };
}

function specSection(specs: readonly Plain[]): Plain {
  return specs.length === 1 ? { spec: specs[0] } : { specs };
}
