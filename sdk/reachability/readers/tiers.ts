/** The tiers of an enforcer. */
import { isUnknown } from "../model/unknown";
import type { SourcedObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import { tiers, type Tier } from "../model/rules";
import { NO, YES, type Tri } from "../model/unknown";
import { isBeforeCalico } from "../model/calico-version";

/** A tier, and whether it denies what its policies leave undecided. */
interface NamedTier {
  readonly tier: Tier;
  readonly isolates: Tri;
}

/** Where the policies of each kind are evaluated. */
export interface TierTable {
  readonly admin: Tier;
  readonly normal: Tier;
  readonly baseline: Tier;
  /** Calico's tier of a name; nothing where there is none. */
  named(name: string): NamedTier | undefined;
}

/**
 * Kubernetes and Cilium have three tiers; Calico puts them among its own: `kube-admin` 1,000, `default` 1,000,000 and
 * `kube-baseline` 10,000,000 (libcalico-go), and takes further ones from Tier objects. Up to 3.31 the outer two are named
 * after AdminNetworkPolicy.
 */
export function tierTable(profile: EnforcerProfile, objects: readonly SourcedObject[]): TierTable {
  if (!profile.namedTiers) return { ...tiers, named: () => undefined };
  const firstMatch = (id: string, order: number): Tier => ({ id, order, combinator: "firstMatch" });
  const old = isBeforeCalico(profile, 32);
  const admin = firstMatch(old ? "adminnetworkpolicy" : "kube-admin", 1_000);
  const normal = firstMatch("default", 1_000_000);
  const baseline = firstMatch(old ? "baselineadminnetworkpolicy" : "kube-baseline", 10_000_000);
  const known = new Map<string, NamedTier>([
    [admin.id, { tier: admin, isolates: NO }],
    [normal.id, { tier: normal, isolates: YES }],
    [baseline.id, { tier: baseline, isolates: NO }],
  ]);
  for (const { object } of objects) {
    const name = object.metadata?.name;
    if (object.kind !== "Tier" || !/projectcalico\.org\//.test(object.apiVersion) || typeof name !== "string") continue;
    if (known.has(name)) continue;
    const tier = readTier(object.spec);
    // without one its policies are not understood: which of them come first decides what they mean
    if (tier !== undefined) known.set(name, { tier: firstMatch(name, tier.order), isolates: tier.isolates });
  }
  return { admin, normal, baseline, named: (name) => known.get(name) };
}

/** A Tier without an order comes last, and denies by default (api/pkg/apis/projectcalico/v3/tier.go). */
function readTier(spec: unknown): { order: number; isolates: Tri } | undefined {
  if (spec === undefined || spec === null) return { order: Infinity, isolates: YES };
  if (typeof spec !== "object" || Array.isArray(spec) || isUnknown(spec)) return undefined;
  const { order, defaultAction = "Deny", ...others } = spec as { order?: unknown; defaultAction?: unknown };
  const isOrder = order === undefined || order === null || typeof order === "number";
  if (!isOrder || (defaultAction !== "Deny" && defaultAction !== "Pass") || Object.keys(others).length > 0) {
    return undefined;
  }
  return { order: order ?? Infinity, isolates: defaultAction === "Pass" ? NO : YES };
}
