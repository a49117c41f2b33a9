/** The most that a tenant's flows may open to and from the outside of the cluster. */
import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import { cidrInside, cidrProblem } from "../addresses";
import { Entity } from "../declaration";
import { isUnknown, standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import { fitsPattern, nameProblem } from "../fqdn";
import type { ModelFlow, ModelPeer } from "../model";
import type { Reader } from "../reader";
import { isGuess } from "./ports";
import type { OutsideLimits, TenantReading } from "./tenant-reading";
import { tenantOf } from "./tenant-of";

export function readOutsideLimits(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  egressValue: unknown,
  ingressValue: unknown,
): OutsideLimits {
  const egress = reader.fields([...path, "egress"], egressValue, ["hosts", "cidrs", "internet"]);
  const ingress = reader.fields([...path, "ingress"], ingressValue, ["cidrs", "internet", "gateway"]);
  const ranges = (at: PropertyPath, value: unknown): readonly string[] =>
    (reader.items(at, value, standIns.network) ?? []).flatMap(({ text: cidr, path: where }) => {
      const wrong = cidrProblem(cidr);
      if (wrong !== undefined) problems.add(where, cidr, wrong.message, wrong.fix);
      return wrong === undefined ? [cidr] : [];
    });
  const listed = reader.items([...path, "egress", "hosts"], egress?.["hosts"], standIns.host) ?? [];
  const hosts = listed.flatMap(({ text: host, path: where }) => {
    const wrong = nameProblem(host);
    if (wrong !== undefined) problems.add(where, host, wrong.message, wrong.fix);
    return wrong === undefined ? [host] : [];
  });
  const isOpen = (value: unknown): boolean => isUnknown(value) || (Array.isArray(value) && value.some(isUnknown));
  return {
    ...(egress === undefined
      ? {}
      : {
          egress: {
            hosts: hosts.map((host) => host.toLowerCase()),
            cidrs: ranges([...path, "egress", "cidrs"], egress["cidrs"]),
            internet: reader.flag([...path, "egress", "internet"], egress["internet"]) ?? false,
            isGuess: isOpen(egress["hosts"]) || isOpen(egress["cidrs"]),
          },
        }),
    ...(ingress === undefined
      ? {}
      : {
          ingress: {
            cidrs: ranges([...path, "ingress", "cidrs"], ingress["cidrs"]),
            internet: reader.flag([...path, "ingress", "internet"], ingress["internet"]) ?? false,
            gateway: reader.flag([...path, "ingress", "gateway"], ingress["gateway"]) ?? false,
            isGuess: isOpen(ingress["cidrs"]),
          },
        }),
  };
}

/** Refuses flows that go beyond what the platform team granted to their tenant. */
export function refuseBeyondLimits(
  problems: ProblemCollector,
  tenants: readonly TenantReading[],
  flows: readonly ModelFlow[],
): void {
  for (const flow of flows) {
    const [from, to] = [tenantOf(tenants, flow.from), tenantOf(tenants, flow.to)];
    if (from?.limits.egress !== undefined && isBeyondEgress(from.limits.egress, flow.to)) {
      const fix = `Ask the platform team to name it in ${formatPath([...from.path, "egress"])}, or leave the flow out.`;
      problems.add(flow.path, flow, `leads further outside than tenant ${from.name} may reach`, fix);
    }
    if (to?.limits.ingress !== undefined && isBeyondIngress(to.limits.ingress, flow.from)) {
      const fix = `Ask the platform team to name it in ${formatPath([...to.path, "ingress"])}, or leave the flow out.`;
      problems.add(flow.path, flow, `lets in more from outside than tenant ${to.name} may let in`, fix);
    }
  }
}

function isBeyondEgress(limits: NonNullable<OutsideLimits["egress"]>, to: ModelPeer): boolean {
  switch (to.kind) {
    case "fqdn":
      if (limits.isGuess || isGuess(to)) return false;
      return !limits.hosts.some((host) => host === to.name || (!to.name.includes("*") && fitsPattern(to.name, host)));
    case "cidr":
      if (limits.isGuess || isGuess(to.range)) return false;
      return !limits.cidrs.some((cidr) => cidrInside(to.range.cidr, cidr));
    case "entity":
      return to.entity === Entity.Internet && !limits.internet;
    default:
      return false;
  }
}

function isBeyondIngress(limits: NonNullable<OutsideLimits["ingress"]>, from: ModelPeer): boolean {
  if (from.kind === "cidr" && (limits.isGuess || isGuess(from.range))) return false;
  if (from.kind === "cidr") return !limits.cidrs.some((cidr) => cidrInside(from.range.cidr, cidr));
  if (from.kind !== "entity") return false;
  return (from.entity === Entity.Internet && !limits.internet) || (from.entity === Entity.Ingress && !limits.gateway);
}
