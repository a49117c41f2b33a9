/**
 * Calico's API server asks of whoever lists policies two things for each tier: `get` of the tier, and `list` of the policies
 * of that tier, as the resource `tier.networkpolicies` and its siblings (Calico documentation, "Configure RBAC for tiered
 * policies"). It lists what of the tiers may be read, and says nothing of the rest.
 */
import type { ApiClient } from "./api-client";
import { ApiError } from "./errors";

const group = "projectcalico.org";

const tiered = ["networkpolicies", "globalnetworkpolicies", "stagednetworkpolicies", "stagedglobalnetworkpolicies"];

/** Under which names a resource must be granted; most have one. */
export function grantedAs(resource: { readonly group: string; readonly plural: string }): readonly string[] {
  return isTiered(resource) ? [resource.plural, `tier.${resource.plural}`] : [resource.plural];
}

export function isTiered({ group: of, plural }: { readonly group: string; readonly plural: string }): boolean {
  return of === group && tiered.includes(plural);
}

/**
 * Whether there are tiers whose policies a list leaves out because the role may not read them: asked for the policies of
 * every tier by name, the API server refuses.
 *
 * @param base Path of the group's version, such as `/apis/projectcalico.org/v3`.
 */
export async function hidesTiers(client: ApiClient, base: string, plural: string): Promise<boolean> {
  const tiers = (await unlessRefused(client, `${base}/tiers`)) as List | undefined;
  const names = (tiers?.items ?? []).flatMap(({ metadata }) => metadata?.name ?? []);
  // tiers that may not be listed are a problem of their own
  if (names.length === 0) return false;
  const query = new URLSearchParams({ limit: "1", labelSelector: `projectcalico.org/tier in (${names.join(",")})` });
  return (await unlessRefused(client, `${base}/${plural}?${query.toString()}`)) === undefined;
}

interface List {
  readonly items?: readonly { readonly metadata?: { readonly name?: string } }[];
}

async function unlessRefused(client: ApiClient, path: string): Promise<unknown> {
  try {
    return await client.get(path);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}
