/** Policies of a live cluster as they would be written into files. */
import type { KubeObject, SourcedObject } from "../reachability";
import { groupOf, serverFields, shapesPolicies } from "../reachability";

/** What the API server writes into objects, those that are being deleted among them; nobody who applies one does. */
const unapplied: ReadonlySet<string> = new Set([...serverFields, "deletionGracePeriodSeconds", "deletionTimestamp"]);

/** kubectl's copy of what was applied, which may be older than the object. */
const bookkeeping = ["kubectl.kubernetes.io/last-applied-configuration"];

/** An object without what the server writes: metadata that it alone sets, and the status. */
export function withoutServerFields(object: KubeObject): KubeObject {
  const { metadata, status: _status, ...rest } = object as KubeObject & { status?: unknown };
  const own = Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !unapplied.has(key)));
  const { annotations, ...others } = own as { annotations?: Record<string, string> };
  const kept = Object.entries(annotations ?? {}).filter(([key]) => !bookkeeping.includes(key));
  return {
    ...rest,
    metadata: { ...others, ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }) },
  } as KubeObject;
}

/** Policies of a cluster, and why some are not among them. */
export interface ExportedPolicies {
  readonly objects: readonly KubeObject[];
  /** `CiliumNetworkPolicy shop/open: …`. */
  readonly left: readonly string[];
}

/**
 * The policies of a cluster, and what policies refer to, without server fields. What belongs to another object ends with it
 * (an open bypass does), and what the enforcer makes itself comes back by itself: neither is exported.
 */
export function exportedPolicies(objects: readonly SourcedObject[]): ExportedPolicies {
  const kept: KubeObject[] = [];
  const left: string[] = [];
  for (const { object } of objects) {
    if (!shapesPolicies(object.apiVersion, object.kind)) continue;
    const {
      name = "",
      namespace,
      ownerReferences,
    } = (object.metadata ?? {}) as NonNullable<KubeObject["metadata"]> & {
      ownerReferences?: unknown;
    };
    const said = `${object.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    if (Array.isArray(ownerReferences) && ownerReferences.length > 0)
      left.push(`${said}: it ends with the object that owns it`);
    else if (isMade(object)) left.push(`${said}: Calico makes it itself`);
    else kept.push(withoutServerFields(object));
  }
  return { objects: kept, left };
}

/** Profiles of namespaces and service accounts, and the tiers that are always there. */
function isMade({ apiVersion, kind, metadata }: KubeObject): boolean {
  if (!groupOf(apiVersion).endsWith("projectcalico.org")) return false;
  const name = metadata?.name ?? "";
  if (kind === "Profile") return true;
  if (kind === "Tier")
    return ["default", "adminnetworkpolicy", "baselineadminnetworkpolicy", "kube-admin", "kube-baseline"].includes(
      name,
    );
  return name.startsWith("knp.default.");
}
