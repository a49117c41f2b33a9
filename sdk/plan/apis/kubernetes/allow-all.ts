/** What lets flows pass while NetworkPolicies are deleted: each of them isolates, those that allow too. */
import { cidrInside, metadataCidrs } from "../../addresses";
import type { PlannedObject } from "../../documents";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";
import { everywhereButMetadata } from "./network-policy";

/** Policies that allow everything, in two groups. */
export interface AllowAlls {
  /** One for each default deny: for the same pods, every connection but those to metadata endpoints. */
  readonly everyPod: readonly PlannedObject[];
  /**
   * For pods that may reach a metadata endpoint: that one too. Deleted after the others, since a pod that only these select
   * loses nothing.
   */
  readonly withMetadata: readonly PlannedObject[];
}

/**
 * What has to be there before the first of these policies is deleted, so that no flow is cut until the last is gone.
 *
 * Nothing where metadata endpoints are denied by a policy of another API (ClusterNetworkPolicy): there the accepts of
 * that API isolate nobody, and each NetworkPolicy beside them holds all that its pods may do.
 *
 * @param denies The default denies among `policies`.
 */
export function allowAllsFor(policies: readonly PlannedObject[], denies: readonly PlannedObject[]): AllowAlls {
  const isPlain = (object: PlannedObject): boolean => object.apiVersion === networkPolicies;
  // names in this order: where a tool deletes by name, from the last to the first, `pods` goes before the numbers
  const everyPod = denies.filter(isPlain).map((deny) => {
    const { podSelector, policyTypes } = deny["spec"] as Plain;
    const types = policyTypes as readonly string[];
    return policyFor(deny.metadata.namespace ?? "", "removal-allow-all-pods", {
      podSelector,
      policyTypes: types,
      ...(types.includes("Ingress") ? { ingress: [{}] } : {}),
      ...(types.includes("Egress") ? { egress: [everywhereButMetadata] } : {}),
    });
  });
  return { everyPod, withMetadata: withMetadata(policies.filter(isPlain)) };
}

const networkPolicies = "networking.k8s.io/v1";

function withMetadata(policies: readonly PlannedObject[]): readonly PlannedObject[] {
  const groups = new Map<string, { namespace: string; podSelector: unknown; rules: Plain[] }>();
  for (const { metadata, spec } of policies as readonly (PlannedObject & { spec: Plain })[]) {
    const rules = ((spec["egress"] ?? []) as readonly Plain[]).flatMap(metadataPartOf);
    if (rules.length === 0) continue;
    const namespace = metadata.namespace ?? "";
    const key = JSON.stringify([namespace, spec["podSelector"]]);
    const group = groups.get(key) ?? { namespace, podSelector: spec["podSelector"], rules: [] };
    group.rules.push(...rules);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ namespace, podSelector, rules }, index) =>
    policyFor(namespace, `removal-allow-all-${index + 1}`, {
      podSelector,
      policyTypes: ["Egress"],
      egress: [everywhereButMetadata, ...rules],
    }),
  );
}

/** A rule without the peers that are no metadata endpoints; nothing where it names none. */
function metadataPartOf({ to, ...rest }: Plain): readonly Plain[] {
  const peers = ((to ?? []) as readonly { readonly ipBlock?: { readonly cidr: string } }[]).filter(
    ({ ipBlock }) => ipBlock !== undefined && metadataCidrs.some((closed) => cidrInside(ipBlock.cidr, closed)),
  );
  return peers.length === 0 ? [] : [{ to: peers, ...rest }];
}

function policyFor(namespace: string, name: string, spec: Plain): PlannedObject {
  return { apiVersion: networkPolicies, kind: "NetworkPolicy", metadata: managedMetadata({ name, namespace }), spec };
}
