/** Policies: how they are created and deleted, and what became of them. */
import type { ApiClient } from "../control-plane/index";
import type { Enforcer } from "./enforcer";
import { DatapathError } from "./errors";
import type { LabObject } from "./objects";
import { createOrReplace, objectPath, refusal } from "./objects";

/** What became of a policy. */
export type PolicyState =
  /** The agents have taken it over and every pod has realized it. */
  | { readonly state: "enforced" }
  /** The API server did not store it. */
  | { readonly state: "refused"; readonly message: string }
  /** The API server stored it, and the agents made nothing of it: it is invalid or without any effect. */
  | { readonly state: "stored" };

/** Kinds that an agent turns into rules itself; others (CiliumCIDRGroup) only matter to those. */
export const ciliumPolicyKinds = [
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
  "ClusterNetworkPolicy",
] as const;

/** What others refer to is created first and deleted last: Calico refuses policies of a tier that is not there. */
const firstKinds: readonly string[] = ["Tier", "NetworkSet", "GlobalNetworkSet"];

function rank({ kind }: LabObject): number {
  const index = firstKinds.indexOf(kind);
  return index === -1 ? firstKinds.length : index;
}

/**
 * Creates or replaces policies, and resolves once every agent has taken note of all of them and every pod enforces what is
 * in force now. States are in the order of the policies.
 * @throws DatapathError "not-enforced" where a pod does not get there (HTTP rules need Envoy, which the lab has not)
 */
export async function applyPolicies(
  client: ApiClient,
  enforcer: Enforcer,
  policies: readonly LabObject[],
): Promise<PolicyState[]> {
  const change = await enforcer.change(policies);
  const uids = new Map<LabObject, string>();
  const refusals = new Map<LabObject, string>();
  const made: LabObject[] = [];
  for (const policy of policies.toSorted((one, other) => rank(one) - rank(other))) {
    const { changed, ...answer } = await createOrReplace(client, policy);
    if (answer.status >= 300) refusals.set(policy, refusal(answer));
    else uids.set(policy, (answer.body as { metadata: { uid: string } }).metadata.uid);
    if (changed) made.push(policy);
  }
  const known = await change.settled(made);
  return policies.map((policy): PolicyState => {
    const message = refusals.get(policy);
    if (message !== undefined) return { state: "refused", message };
    const counts = known === undefined || !isCiliumPolicyKind(policy.kind) || known.has(uids.get(policy) ?? "");
    return { state: counts ? "enforced" : "stored" };
  });
}

/** Deletes policies and resolves once no pod enforces them any more. */
export async function deletePolicies(
  client: ApiClient,
  enforcer: Enforcer,
  policies: readonly LabObject[],
): Promise<void> {
  const change = await enforcer.change(policies);
  const made: LabObject[] = [];
  for (const policy of policies.toSorted((one, other) => rank(other) - rank(one))) {
    const answer = await client.call("DELETE", objectPath(policy));
    if (answer.status >= 300 && answer.status !== 404) {
      throw new DatapathError("failed", `${objectPath(policy)} cannot be deleted: ${refusal(answer)}`);
    }
    if (answer.status < 300) made.push(policy);
  }
  await change.settled(made);
}

export type CiliumPolicyKind = (typeof ciliumPolicyKinds)[number];

export function isCiliumPolicyKind(kind: string): kind is CiliumPolicyKind {
  return (ciliumPolicyKinds as readonly string[]).includes(kind);
}
