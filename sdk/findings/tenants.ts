import type { Snapshot } from "../reachability";
import { defaultTenantLabels } from "./types";
import type { FindingOptions } from "./types";

/** The tenant of each namespace that belongs to one: what the caller says, else what the namespace's labels say. */
export function tenantsOf(
  snapshot: Snapshot,
  options: Pick<FindingOptions, "tenants" | "tenantLabels">,
): ReadonlyMap<string, string> {
  const labels = options.tenantLabels ?? defaultTenantLabels;
  const result = new Map<string, string>();
  for (const namespace of snapshot.namespaces.values()) {
    const label = labels.find((key) => Object.hasOwn(namespace.labels, key));
    const stated = options.tenants;
    const tenant =
      stated !== undefined && Object.hasOwn(stated, namespace.name)
        ? stated[namespace.name]
        : label === undefined
          ? undefined
          : namespace.labels[label];
    if (tenant !== undefined && tenant !== "") result.set(namespace.name, tenant);
  }
  return result;
}
