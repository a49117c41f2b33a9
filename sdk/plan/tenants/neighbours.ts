/** Which namespaces of other tenants are closed to a tenant. */
import type { Model } from "../model";
import { homeOf, tenantOf } from "../resolve/tenant-of";

/** Namespaces of other tenants from which nothing is declared into a namespace of a tenant. */
export function closedNeighbours(model: Model, namespace: string): readonly string[] {
  const own = model.tenants.find((tenant) => tenant.namespaces.includes(namespace));
  if (own === undefined) return [];
  const excepted = new Set(
    model.flows
      .filter((flow) => homeOf(flow.to) === namespace && tenantOf(model.tenants, flow.from) !== undefined)
      .map((flow) => homeOf(flow.from)),
  );
  return model.tenants
    .filter((tenant) => tenant !== own)
    .flatMap((tenant) => tenant.namespaces)
    .filter((other) => !excepted.has(other))
    .sort();
}
