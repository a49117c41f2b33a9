/** Which object of the cluster an object of the baseline is. */
import type { KubeObject, ObjectRef } from "../reachability";
import { groupOf, identityOf, isClusterwide } from "../reachability";

/** Calico's policies as its controllers store them, and as its API server serves them, are the same objects. */
const calicoStore = "crd.projectcalico.org";
const calicoApi = "projectcalico.org";

/** Group, kind, namespace and name, whichever version an object was read in; undefined where a name is not known. */
export function keyOf(object: KubeObject): string | undefined {
  if (groupOf(object.apiVersion) !== calicoStore) return identityOf(object);
  const name = object.metadata?.name;
  // in the store a policy's name begins with its tier
  const served = typeof name === "string" && isTiered(object.kind) ? name.replace(/^default\./, "") : name;
  const metadata = { ...object.metadata, ...(served === undefined ? {} : { name: served }) };
  return identityOf({ ...object, apiVersion: `${calicoApi}/v3`, metadata });
}

/** The same for a reference. */
export function keyOfRef({ apiVersion, kind, namespace, name }: ObjectRef): string {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return keyOf({ apiVersion, kind, metadata }) ?? `${kind}|${namespace ?? ""}|${name}`;
}

function isTiered(kind: string): boolean {
  return /^(Staged)?(Global)?NetworkPolicy$/.test(kind);
}

/** Names an object that has a name. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata ?? {};
  const home = isClusterwide(object.apiVersion, object.kind) ? undefined : (namespace ?? "default");
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: typeof name === "string" ? name : "(unknown)",
    ...(typeof home === "string" ? { namespace: home } : {}),
  };
}

/** `kubectl … networkpolicy.networking.k8s.io default-deny-all -n shop`. */
export function kubectlName({ apiVersion, kind, namespace, name }: ObjectRef): string {
  const group = groupOf(apiVersion);
  const resource = group === "" ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
  return `${resource} ${name}${namespace === undefined ? "" : ` -n ${namespace}`}`;
}
