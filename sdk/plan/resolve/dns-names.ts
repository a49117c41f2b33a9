/** Which namespaces may ask DNS for some names only. */
import { formatPath } from "../../property-path";
import type { ProblemCollector } from "../errors";
import { Tier } from "../declaration";
import type { ModelFlow, ModelNamespace, ModelWorkload } from "../model";
import { apiServerName } from "../dns-limits";
import { standIns } from "../deferred";
import type { Expansion } from "../presets/index";
import { known } from "../reader";
import { homeOf } from "./tenant-of";
import type { TenantReading } from "./tenant-reading";

/** Names that end in a Service of a namespace, and in a pod behind a headless one. */
function servicesOf(namespace: string): readonly string[] {
  return [`*.${namespace}.svc.cluster.local`, `*.*.${namespace}.svc.cluster.local`];
}

/**
 * What the pods of tenants with limited DNS may ask for: their own Services, those that their flows lead to, the hosts of
 * their flows, the API server, and what is listed.
 */
export function tenantDnsNames(
  tenants: readonly TenantReading[],
  flows: readonly ModelFlow[],
): ReadonlyMap<string, readonly string[]> {
  const limited = new Map<string, readonly string[]>();
  for (const { namespaces, dnsNames } of tenants) {
    if (dnsNames === undefined) continue;
    const names = new Set([apiServerName, ...dnsNames, ...namespaces.flatMap(servicesOf)]);
    for (const { from, to } of flows) {
      const [source, target] = [homeOf(from), homeOf(to)];
      if (source === undefined || !namespaces.includes(source)) continue;
      if (to.kind === "fqdn") names.add(to.name);
      if (target !== undefined) servicesOf(target).forEach((name) => names.add(name));
    }
    for (const namespace of namespaces) limited.set(namespace, [...names].sort());
  }
  return limited;
}

/**
 * Collects the namespaces whose DNS is limited, and refuses whatever would make the limit mean less: a namespace of
 * another tier, a workload or a flow that the sandbox does not declare itself.
 */
export function readDnsNames(
  problems: ProblemCollector,
  expansions: readonly Expansion[],
  namespaces: ReadonlyMap<string, ModelNamespace>,
  workloads: ReadonlyMap<string, ModelWorkload>,
  flows: readonly ModelFlow[],
): ReadonlyMap<string, readonly string[]> {
  const limited = new Map<string, readonly string[]>();
  for (const { path, dnsNames } of expansions) {
    for (const [name, names] of dnsNames ?? []) {
      const namespace = namespaces.get(name);
      const at = [...path, "namespace"];
      if (namespace === undefined) {
        problems.add(at, name, "names a namespace that is not declared", "Declare it in namespaces.");
      } else if (namespace.tier !== Tier.Applications) {
        problems.add(at, name, "is not of tier 2", "Give the sandbox a namespace of applications.");
      }
      if (limited.has(name)) {
        problems.add(at, name, "is the namespace of another sandbox", "Give each sandbox a namespace of its own.");
      }
      for (const { id, namespace: home } of workloads.values()) {
        if (home !== name) continue;
        problems.add(at, name, `holds the workload ${id}, too`, "Keep nothing else in the namespace of a sandbox.");
      }
      for (const flow of flows) {
        const touches = [flow.from, flow.to].some((peer) => peer.kind === "namespace" && peer.namespace.name === name);
        if (!touches || flow.preset === formatPath(path)) continue;
        problems.add(
          flow.path,
          flow,
          `opens ${name}, which is a sandbox`,
          "Declare it with the sandbox, or not at all.",
        );
      }
      limited.set(
        name,
        // a host that comes from an output is read with the flows, and here
        names.map((host: unknown) => known(host, standIns.host) as string),
      );
    }
  }
  return limited;
}
