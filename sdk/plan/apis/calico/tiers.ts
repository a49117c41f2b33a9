/** The tiers of Calico's policies, which are a part of their names. */
import type { DraftDocument, PlannedObject } from "../../documents";
import { managedByLabel } from "../../documents";
import { withNames } from "../../policy-names";
import type { Plain } from "../writer";

/** Before `kube-admin` (order 1000): nothing opens a metadata endpoint again. */
export const guardTier = { name: "cluster-security-guard", order: 500 };

/** After `kube-admin`, before `default` (order 1,000,000). */
export const flowTier = { name: "cluster-security", order: 500_000 };

export function tier({ name, order }: { name: string; order: number }): DraftDocument {
  return {
    stage: "metadata-deny",
    object: {
      apiVersion: "projectcalico.org/v3",
      kind: "Tier",
      metadata: { name, labels: managedByLabel },
      spec: { order, defaultAction: "Pass" },
    },
  };
}

/** Policies of a tier other than `default` carry its name, as Calico asks for. */
export function nameInTier(tierName: string, name: string): string {
  return tierName === "default" ? name : `${tierName}.${name}`;
}

/** What stands before the dot in the name of a policy of a tier; empty where the name does not state the tier. */
function prefixOf({ metadata: { name }, spec }: PlannedObject): string {
  const tierName = (spec as Plain | undefined)?.["tier"];
  return typeof tierName === "string" && name.startsWith(`${tierName}.`) ? `${tierName}.` : "";
}

/** The same policies in the tier `default`, which every cluster has. */
export function inDefaultTier(drafts: readonly DraftDocument[]): readonly DraftDocument[] {
  const renamed = withNames(drafts, ({ object }) => {
    return `default.${object.metadata.name.slice(prefixOf(object).length)}`;
  });
  return renamed.map((draft) => ({
    ...draft,
    object: { ...draft.object, spec: { ...(draft.object["spec"] as Plain), tier: "default" } },
  }));
}

/**
 * In the name of a Calico policy the dot after its tier is the only one (libcalico-go, validator/v3:
 * `networkPolicyNameRegex`, `globalNetworkPolicyNameRegex`); two hyphens take the place of others.
 */
export function objectName(object: PlannedObject): string {
  const { name } = object.metadata;
  if (!object.kind.endsWith("Policy")) return name;
  const prefix = prefixOf(object);
  return prefix + name.slice(prefix.length).replaceAll(".", "--");
}
