import type { PropertyPath } from "../../property-path";
import type { FlowDeclaration } from "../declaration";
import { Tier } from "../declaration";
import { standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { EndedException, ModelFlow, ModelNamespace } from "../model";
import { isDnsLabel } from "../names";
import type { Reader } from "../reader";
import { peerKey } from "./flows";
import { readOutsideLimits } from "./tenant-limits";
import { tenantOf } from "./tenant-of";
import type { TenantReading } from "./tenant-reading";
import { readTenantPolicies } from "./tenant-policies";

const tenantFields = [
  "name",
  "namespaces",
  "exceptions",
  "policyEditors",
  "policies",
  "egress",
  "ingress",
  "dns",
  "closeExpired",
];

/** Reads the tenants; a namespace belongs to one at most. */
export function readTenants(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  namespaces: ReadonlyMap<string, ModelNamespace>,
): readonly TenantReading[] {
  const owners = new Map<string, string>();
  const names = new Set<string>();
  return reader.list(["tenants"], value).flatMap((item, index): TenantReading[] => {
    const path = ["tenants", index];
    const fields = reader.fields(path, item, tenantFields);
    const name = reader.text([...path, "name"], fields?.["name"]);
    if (fields === undefined || name === undefined) return [];
    if (!isDnsLabel(name)) {
      problems.add([...path, "name"], name, "is not a DNS label", "Use lower-case letters, digits and hyphens.");
    }
    if (names.has(name))
      problems.add([...path, "name"], name, "is the name of another tenant", "Give each its own name.");
    names.add(name);
    const own = reader.texts([...path, "namespaces"], fields["namespaces"]) ?? [];
    if (own.length === 0)
      problems.add([...path, "namespaces"], own, "names no namespace", "Name the tenant's namespaces.");
    own.forEach((namespace, at) => {
      const where = [...path, "namespaces", at];
      refuseForeign(problems, where, namespace, namespaces.get(namespace), owners.get(namespace));
      owners.set(namespace, name);
    });
    const exceptions = readExceptions(reader, problems, [...path, "exceptions"], fields["exceptions"]);
    const policyEditors = reader.texts([...path, "policyEditors"], fields["policyEditors"]) ?? [];
    const dns = reader.fields([...path, "dns"], fields["dns"], ["names"]);
    return [
      {
        name,
        namespaces: own,
        policyEditors,
        policies: readTenantPolicies(reader, problems, [...path, "policies"], fields["policies"], own),
        path,
        exceptions,
        closeExpired: reader.flag([...path, "closeExpired"], fields["closeExpired"]) ?? false,
        limits: readOutsideLimits(reader, problems, path, fields["egress"], fields["ingress"]),
        ...(dns === undefined
          ? {}
          : { dnsNames: reader.leaves([...path, "dns", "names"], dns["names"], standIns.host) ?? [] }),
      },
    ];
  });
}

/** A namespace of a tenant is declared, is not of tier 0, and belongs to no other tenant. */
function refuseForeign(
  problems: ProblemCollector,
  path: PropertyPath,
  name: string,
  declared: ModelNamespace | undefined,
  owner: string | undefined,
): void {
  if (declared === undefined) {
    problems.add(path, name, "is a namespace that is not declared", "Declare it in namespaces.");
  } else if (declared.tier === Tier.Platform) {
    problems.add(path, name, "is of tier 0, where no policy applies", "Take it out of tier 0, or out of the tenant.");
  }
  if (owner !== undefined) problems.add(path, name, `belongs to ${owner} already`, "Give it to one tenant.");
}

function readExceptions(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): TenantReading["exceptions"] {
  return reader.list(path, value).flatMap((exception, at) => {
    const where = [...path, at];
    const parts = reader.fields(where, exception, ["flow", "expires"]);
    if (parts === undefined) return [];
    const given = parts["expires"];
    // without an end it would be no exception
    if (given === undefined || given === null) {
      problems.add([...where, "expires"], given, "is missing", "Give the exception's last day, such as 2027-03-31.");
    }
    const expires = reader.date([...where, "expires"], given);
    // read, with its path, by the reader of flows
    return [{ path: [...where, "flow"], flow: parts["flow"] as FlowDeclaration | undefined, expires }];
  });
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
        `Declare it under the exceptions of ${to.name}, with a reason, an owner and its last day.`,
      );
    }
    if (!excepted.has(flow.path)) continue;
    if (!crosses) {
      problems.add(
        flow.path,
        flow,
        `is no exception: ${peerKey(flow.from)} and ${peerKey(flow.to)} are not of two tenants`,
        "Declare it as a flow.",
      );
    } else if (!to.exceptions.some(({ path }) => path === flow.path)) {
      problems.add(
        flow.path,
        flow,
        `leads into tenant ${to.name}, which did not grant it`,
        `Declare it under the exceptions of ${to.name}.`,
      );
    }
  }
}

/** Exceptions whose last day lies before `asOf`. ISO dates compare as text. */
export function endedExceptions(
  tenants: readonly TenantReading[],
  flows: readonly ModelFlow[],
  asOf: string | undefined,
): readonly EndedException[] {
  if (asOf === undefined) return [];
  const closing = new Map(
    tenants.flatMap(({ exceptions, closeExpired }) => exceptions.map(({ path }) => [path, closeExpired] as const)),
  );
  return flows.flatMap((flow) => {
    const isClosed = closing.get(flow.path);
    return isClosed === undefined || flow.expires === undefined || flow.expires >= asOf ? [] : [{ flow, isClosed }];
  });
}
