/** Calico's policies as objects: their kinds, names and tiers. */
import { PolicyMode } from "../../declaration";
import type { DraftDocument, Stage } from "../../documents";
import { stagedPrefix } from "../../documents";
import { modeOf } from "../../halves";
import type { Model } from "../../model";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";
import { flowTier, nameInTier } from "./tiers";

const stagedKinds: Readonly<Record<string, string>> = {
  GlobalNetworkPolicy: "StagedGlobalNetworkPolicy",
  NetworkPolicy: "StagedNetworkPolicy",
};

/** A policy for one namespace has the mode of that namespace; a clusterwide one says for which mode it is. */
export function withStagedKinds(model: Model, drafts: readonly CalicoDraft[]): readonly DraftDocument[] {
  return drafts.map(({ mode, ...draft }): DraftDocument => {
    const { object, home } = draft;
    const own = mode ?? (home === undefined ? PolicyMode.Enforce : modeOf(model, home));
    const kind = own === PolicyMode.Audit ? (stagedKinds[object.kind] ?? object.kind) : object.kind;
    return kind === object.kind ? draft : { ...draft, object: { ...object, kind } };
  });
}

/** Staged and enforced policies for namespaces by their mode may stand side by side: the staged one says so in its name. */
export function byMode(draft: DraftDocument, mode: PolicyMode, after?: readonly string[]): CalicoDraft {
  const { metadata, spec } = draft.object;
  const tierName = (spec as Plain)["tier"];
  const prefix = tierName === "default" ? "" : `${String(tierName)}.`;
  const name =
    mode === PolicyMode.Audit ? `${prefix}${stagedPrefix}${metadata.name.slice(prefix.length)}` : metadata.name;
  const object = { ...draft.object, metadata: { ...metadata, name } };
  return { ...draft, object, mode, ...(after === undefined ? {} : { after }) };
}

/** A document that knows for which mode it is. */
export interface CalicoDraft extends DraftDocument {
  /** The mode that it is for, where it covers namespaces by their mode. */
  readonly mode?: PolicyMode;
}

function draftOf(
  kind: "GlobalNetworkPolicy" | "NetworkPolicy",
  stage: Stage,
  place: { readonly tier: string; readonly name: string; readonly namespace?: string },
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  const { tier, name, ...home } = place;
  return {
    stage,
    derivedName: name,
    object: {
      apiVersion: "projectcalico.org/v3",
      kind,
      metadata: managedMetadata({ name: nameInTier(tier, name), ...home }, annotations),
      spec: { tier, ...spec },
    },
  };
}

export function globalPolicy(
  stage: Stage,
  tierName: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return draftOf("GlobalNetworkPolicy", stage, { tier: tierName, name }, annotations, spec);
}

/** A global policy for the pods of one namespace, which its name says. */
export function inNamespace(
  namespace: string,
  stage: Stage,
  tierName: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): CalicoDraft {
  const draft = globalPolicy(stage, tierName, `${namespace}.${name}`, annotations, spec);
  return { ...draft, derivedName: name, home: namespace };
}

export function namespacedPolicy(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return draftOf("NetworkPolicy", stage, { tier: flowTier.name, name, namespace }, annotations, spec);
}
