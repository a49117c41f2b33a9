/** What of a policy counts when another one is registered after it. */
import type { KubeObject } from "../../reachability";

/**
 * What a policy can take away from others. Allows add up, so a new policy opens what it opens, whatever else is allowed;
 * only denies recorded before it can close that again. Keeping only them says exactly what the new policy contributes,
 * and keeps the work at each registration small.
 *
 * Nothing is left of a NetworkPolicy, which has no deny. A policy of an API with tiers, passes or orders stays whole.
 */
export function deniesOf(policy: KubeObject): KubeObject | undefined {
  // Calico has a NetworkPolicy too, with denies
  if (policy.kind === "NetworkPolicy" && policy.apiVersion.startsWith("networking.k8s.io/")) return undefined;
  return policy.apiVersion.startsWith("cilium.io/") ? ciliumDenies(policy) : policy;
}

function ciliumDenies(policy: KubeObject): KubeObject | undefined {
  const several: unknown = policy["specs"];
  const specs = [policy.spec, ...(Array.isArray(several) ? (several as unknown[]) : [])]
    .map(specDenies)
    .filter((spec) => spec !== undefined);
  if (specs.length === 0) return undefined;
  return { apiVersion: policy.apiVersion, kind: policy.kind, metadata: policy.metadata ?? {}, specs };
}

function specDenies(spec: unknown): Record<string, unknown> | undefined {
  if (typeof spec !== "object" || spec === null) return undefined;
  const { ingressDeny, egressDeny, endpointSelector, nodeSelector } = spec as Record<string, unknown>;
  const denies = {
    ...(isFilled(ingressDeny) ? { ingressDeny } : {}),
    ...(isFilled(egressDeny) ? { egressDeny } : {}),
  };
  if (Object.keys(denies).length === 0) return undefined;
  return {
    ...(endpointSelector === undefined ? {} : { endpointSelector }),
    ...(nodeSelector === undefined ? {} : { nodeSelector }),
    enableDefaultDeny: { ingress: false, egress: false },
    ...denies,
  };
}

function isFilled(rules: unknown): boolean {
  return Array.isArray(rules) && rules.length > 0;
}
