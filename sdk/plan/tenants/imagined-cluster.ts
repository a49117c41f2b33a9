/**
 * The cluster in which a tenant's policy is judged: the declared workloads, pods of any labels in every namespace, and
 * neighbours that let everything in and out.
 */
import type { KubeObject, Reachability } from "../../reachability/index";
import { buildSnapshot, compile, profileFor, unknownValue } from "../../reachability/index";
import { Tier } from "../declaration";
import type { DraftDocument } from "../documents";
import { podOf } from "../imagined-pods";
import type { Model, ModelTenant } from "../model";

/** Stands for every namespace that the declaration does not know; no namespace may be called so. */
export const elsewhere = "Elsewhere";

/**
 * Stand for every pod that could be started in a namespace. The labels of both are anything; the account of the one is
 * anything too, the other's is the one that everybody has: an identity that rests on an account is not theirs to take.
 */
export const anyPod = "any-pod";

/** See {@link anyPod}. */
export const ordinaryPod = "any-pod-of-account-default";

/** The imagined cluster under an enforcer, with the policies of the plan and perhaps one that the tenant wrote. */
export function worldOf(
  model: Model,
  tenant: ModelTenant,
  baseline: readonly DraftDocument[],
  enforcer: string,
  policy?: KubeObject,
): Reachability {
  const names = [...model.namespaces.keys(), elsewhere];
  const objects: KubeObject[] = [
    ...[...model.namespaces.values()].map(({ name, labels, existing }) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: existing ? { name } : { name, labels: { ...labels } },
    })),
    // anybody may label it
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: elsewhere, labels: unknownValue },
    } as unknown as KubeObject,
    ...names.flatMap((name) => [standIn(name, anyPod, unknownValue), standIn(name, ordinaryPod, "default")]),
    ...[...model.workloads.values()].map(podOf),
    ...baseline.map(({ object }) => object as unknown as KubeObject),
    ...names.filter((name) => isOther(model, tenant, name)).map(openDoor),
    ...(policy === undefined ? [] : [policy]),
  ];
  const snapshot = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: { ...profileFor(enforcer), ...model.limits.enforcedWith } },
  );
  return compile(snapshot);
}

function isOther(model: Model, tenant: ModelTenant, namespace: string): boolean {
  return !tenant.namespaces.includes(namespace) && model.namespaces.get(namespace)?.tier !== Tier.Platform;
}

function standIn(namespace: string, name: string, serviceAccountName: unknown): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: unknownValue },
    spec: { serviceAccountName, containers: [] },
  } as unknown as KubeObject;
}

/** Lets everything in and out, as a careless owner of the namespace might; every enforcer reads it. */
function openDoor(namespace: string): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "open-door", namespace },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{}], egress: [{}] },
  };
}
