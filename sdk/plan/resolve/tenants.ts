import { Tier } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { ModelFlow, ModelNamespace, ModelPeer, ModelTenant } from "../model";
import { isDnsLabel } from "../names";
import type { Reader } from "../reader";
import { peerKey } from "./flows";

/** What was read of a tenant; its exceptions are flows and are read with them. */
export interface TenantReading extends ModelTenant {
  readonly path: string;
  readonly exceptions: readonly {
    readonly path: string;
    readonly flow: unknown;
    readonly expires: string | undefined;
  }[];
}

const isoDate = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

/** Reads the tenants; a namespace belongs to one at most. */
export function readTenants(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  namespaces: ReadonlyMap<string, ModelNamespace>,
): readonly TenantReading[] {
  const owners = new Map<string, string>();
  const names = new Set<string>();
  return reader.list("tenants", value).flatMap((item, index): TenantReading[] => {
    const path = `tenants[${index}]`;
    const fields = reader.fields(path, item, ["name", "namespaces", "exceptions", "policyEditors"]);
    const name = reader.text(`${path}.name`, fields?.["name"]);
    if (fields === undefined || name === undefined) return [];
    if (!isDnsLabel(name)) {
      problems.add(`${path}.name`, name, "is not a DNS label", "Use lower-case letters, digits and hyphens.");
    }
    if (names.has(name)) problems.add(`${path}.name`, name, "is the name of another tenant", "Give each its own name.");
    names.add(name);
    const own = reader.texts(`${path}.namespaces`, fields["namespaces"]) ?? [];
    if (own.length === 0)
      problems.add(`${path}.namespaces`, own, "names no namespace", "Name the tenant's namespaces.");
    own.forEach((namespace, at) => {
      const where = `${path}.namespaces[${at}]`;
      const owner = owners.get(namespace);
      const declared = namespaces.get(namespace);
      if (declared === undefined) {
        problems.add(where, namespace, "is a namespace that is not declared", "Declare it in namespaces.");
      } else if (declared.tier === Tier.Platform) {
        problems.add(where, namespace, "is of tier 0, where nothing is held", "Take it out of tier 0, or the tenant.");
      }
      if (owner !== undefined) problems.add(where, namespace, `belongs to ${owner} already`, "Give it to one tenant.");
      owners.set(namespace, name);
    });
    const exceptions = reader.list(`${path}.exceptions`, fields["exceptions"]).flatMap((exception, at) => {
      const where = `${path}.exceptions[${at}]`;
      const parts = reader.fields(where, exception, ["flow", "expires"]);
      if (parts === undefined) return [];
      const expires = reader.text(`${where}.expires`, parts["expires"]);
      if (expires !== undefined && (!isoDate.test(expires) || Number.isNaN(Date.parse(expires)))) {
        problems.add(`${where}.expires`, expires, "is not a date", "Write it as 2027-03-31.");
      }
      return [{ path: `${where}.flow`, flow: parts["flow"], expires }];
    });
    const policyEditors = reader.texts(`${path}.policyEditors`, fields["policyEditors"]) ?? [];
    return [{ name, namespaces: own, policyEditors, path, exceptions }];
  });
}

/** The tenant whose namespace a peer lies in. */
export function tenantOf(tenants: readonly ModelTenant[], peer: ModelPeer): ModelTenant | undefined {
  const home =
    peer.kind === "workload" ? peer.workload.namespace : peer.kind === "namespace" ? peer.namespace.name : undefined;
  return home === undefined ? undefined : tenants.find((tenant) => tenant.namespaces.includes(home));
}

/**
 * The boundary between tenants: a flow across it is an exception, with an end, or it is refused. So no customisation of a
 * tenant can weaken the baseline of another.
 */
export function refuseCrossings(
  problems: ProblemCollector,
  tenants: readonly TenantReading[],
  flows: readonly ModelFlow[],
): void {
  const excepted = new Set(tenants.flatMap(({ exceptions }) => exceptions.map(({ path }) => path)));
  for (const flow of flows) {
    const [from, to] = [tenantOf(tenants, flow.from), tenantOf(tenants, flow.to)];
    const crosses = from !== undefined && to !== undefined && from !== to;
    if (crosses && !excepted.has(flow.path) && flow.group.kind === "application") {
      problems.add(
        flow.path,
        flow,
        `crosses from tenant ${from.name} to tenant ${to.name}`,
        `Declare it under the exceptions of ${to.name}, with a reason, an owner and the day it ends.`,
      );
    }
    if (!crosses && excepted.has(flow.path)) {
      problems.add(
        flow.path,
        flow,
        `is no exception: ${peerKey(flow.from)} and ${peerKey(flow.to)} are not of two tenants`,
        "Declare it as a flow.",
      );
    }
  }
}
