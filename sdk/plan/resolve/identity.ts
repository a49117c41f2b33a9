import type { ProblemCollector } from "../errors";
import type { ModelFlow, ModelTenant } from "../model";
import { homeOf, tenantOf } from "./tenant-of";

/**
 * Whoever may create pods in a tenant's namespace sets their labels. A workload of a tenant that is let into somebody
 * else's namespace by its labels alone is therefore every pod that this tenant cares to start. The
 * service account is not free to choose where RBAC guards it; a source that is the whole namespace claims nothing more.
 */
export function refuseSpoofableSources(
  problems: ProblemCollector,
  tenants: readonly ModelTenant[],
  flows: readonly ModelFlow[],
): void {
  for (const flow of flows) {
    const { from, to } = flow;
    if (from.kind !== "workload" || from.workload.serviceAccount !== undefined) continue;
    const owner = tenantOf(tenants, from);
    if (owner === undefined || homeOf(to) === undefined || tenantOf(tenants, to) === owner) continue;
    problems.add(
      [...flow.path, "from"],
      from.workload.name,
      `is identified by labels alone, which anyone who starts pods for tenant ${owner.name} can set`,
      "Give the workload a service account of its own, or let the whole namespace in with allOf(…).",
    );
  }
}
