/** Cilium's policies as objects. */
import type { DraftDocument, PlannedObject, Stage } from "../../documents";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";

export function clusterwide(stage: Stage, name: string, ...specs: readonly Plain[]): DraftDocument {
  const object: PlannedObject = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: managedMetadata({ name }),
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
    metadata: managedMetadata({ name, namespace }, annotations),
    ...specSection(specs),
  };
  return { stage, object };
}

function specSection(specs: readonly Plain[]): Plain {
  return specs.length === 1 ? { spec: specs[0] } : { specs };
}
