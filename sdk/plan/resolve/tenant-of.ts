import type { ModelPeer, ModelTenant } from "../model";

/** The tenant whose namespace a peer lies in. */
export function tenantOf<Tenant extends ModelTenant>(tenants: readonly Tenant[], peer: ModelPeer): Tenant | undefined {
  const home = homeOf(peer);
  return home === undefined ? undefined : tenants.find((tenant) => tenant.namespaces.includes(home));
}

/** The namespace that a peer lies in, if it lies in one. */
export function homeOf(peer: ModelPeer): string | undefined {
  if (peer.kind === "workload") return peer.workload.namespace;
  return peer.kind === "namespace" ? peer.namespace.name : undefined;
}
