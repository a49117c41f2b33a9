import type { PolicySource, Snapshot } from "../../reachability";
import { compile } from "../../reachability";
import { evaluate, isViolation } from "../evaluate";
import { metadataEndpointsClosed } from "../rules/core/metadata-endpoints-closed";
import type { Finding, FindingOptions } from "../types";

/** The finding that a policy's own annotation may answer for, although it is about the pods that the policy opens it to. */
export const openedByPolicy = metadataEndpointsClosed.id;

/**
 * Which findings about open metadata endpoints are owed to the given policies alone: in the namespace that a finding is
 * about, nothing reaches an endpoint once they are taken away. Computed, so that an accepted policy never hides what
 * another one opens.
 *
 * @param policies Those whose annotation accepts the finding.
 */
export function owedTo(
  policies: readonly PolicySource[],
  findings: readonly Finding[],
  snapshot: Snapshot,
  options: Pick<FindingOptions, "exemptNamespaces" | "platformNamespaces">,
): ReadonlySet<Finding> {
  const open = findings.filter((finding) => finding.id === openedByPolicy && isViolation(finding));
  if (policies.length === 0 || open.length === 0) return new Set();
  const remaining = evaluate(compile(withoutPolicies(snapshot, new Set(policies))), {
    ...options,
    rules: [metadataEndpointsClosed],
  });
  const stillOpen = new Set(remaining.filter(isViolation).map(homeOf));
  return new Set(open.filter((finding) => !stillOpen.has(homeOf(finding))));
}

function homeOf({ subject }: Finding): string {
  return subject.namespace ?? subject.name;
}

function withoutPolicies(snapshot: Snapshot, removed: ReadonlySet<PolicySource>): Snapshot {
  const keys = new Set([...removed].map(keyOf));
  const isKept = (origin: PolicySource): boolean => !keys.has(keyOf(origin));
  return {
    ...snapshot,
    policies: snapshot.policies.filter(isKept),
    rules: { ...snapshot.rules, policies: snapshot.rules.policies.filter(({ origin }) => isKept(origin)) },
  };
}

function keyOf({ apiVersion, kind, namespace, name }: PolicySource): string {
  return JSON.stringify([apiVersion, kind, namespace ?? "", name]);
}
