/**
 * Bypasses: policies that lift the others from single pods for a time. No annotation does that. A policy that allows
 * everything to pods with a label does, in every policy API, and leaves explicit denies in force. The label decides, so an
 * admission policy limits who may set it.
 */
import { meshWriter, networkWriters } from "./apis/registry";
import type { BypassPolicy, BypassRequest } from "./apis/writer";
import { bypassLabel, bypassLabelPrefix } from "./bypass-label";
import { PolicyMode } from "./declaration";
import type { DraftDocument, PlannedBypass, PlannedObject, Stage } from "./documents";
import { logicalNameOf, managedByLabel } from "./documents";
import { describePeer, modeOf } from "./halves";
import type { Model, ModelBypass } from "./model";
import { labelGuard } from "./label-guard";
import { homeOfBypass } from "./resolve/bypasses";
import type { Shortfalls } from "./unsupported";

/**
 * The policies of the bypasses that have not ended, and what guards their label.
 *
 * @param drafts The other policies of the plan. What isolates pods comes after their flows.
 */
export function bypassDocuments(model: Model, drafts: readonly DraftDocument[]): readonly DraftDocument[] {
  const open = model.bypasses.filter(({ isEnded }) => !isEnded);
  const homes = [...new Set(open.map(homeOfBypass))].sort();
  return [
    ...homes.flatMap((home) => {
      const [first] = open.filter((one) => homeOfBypass(one) === home);
      return first === undefined
        ? []
        : labelGuard(`protect-bypass-label-in-${home}`, home, bypassLabel, first.grantedTo);
    }),
    ...open.flatMap((bypass) => {
      const home = homeOfBypass(bypass);
      const isHeld = model.enforcerAudits || modeOf(model, home) === PolicyMode.Enforce;
      const flows = drafts.filter(({ stage, object }) => stage === "flows" && object.metadata.namespace === home);
      return [
        // in mode audit nothing is denied that a bypass could open
        ...(isHeld ? [networkDocument(model, bypass, flows)] : []),
        ...(model.mesh?.namespaces.includes(home) === true
          ? [document(bypass, "mesh", nameOf(bypass, "to"), meshWriter.bypass(model, requestOf(bypass)))]
          : []),
      ];
    }),
  ];
}

/** Says what is lifted and what has ended: a bypass is never silent. */
export function noteBypasses(model: Model, shortfalls: Shortfalls): void {
  for (const { of, label, expires, owner, state } of bypassesOf(model)) {
    if (state === "closed") {
      shortfalls.note(
        "bypass-ended",
        ["bypasses", of],
        "The last day of a bypass is over: it no longer has an effect.",
        "Remove it, or renew it with its owner.",
        `${owner}, until ${expires}`,
      );
    } else {
      shortfalls.note(
        "bypass-open",
        ["bypasses", of],
        "Pods with the label of a bypass are exempt from their policies; explicit denies, such as those of metadata endpoints, stay in force.",
        "Look for such pods with kubectl get pods --selector before you deploy the bypass and after it was used.",
        `${label}, ${owner}`,
      );
    }
  }
}

/** The register of bypasses. */
export function bypassesOf(model: Model): readonly PlannedBypass[] {
  return model.bypasses.map(({ subject, reason, owner, expires, grantedTo, isEnded }) => ({
    of: describePeer(subject),
    label: `${bypassLabel}=${expires}`,
    grantedTo,
    reason,
    owner,
    expires,
    state: isEnded ? "closed" : "open",
  }));
}

/**
 * `allow-bypass-of-<workload>`, and in the mesh, where only the destination is isolated, `allow-bypass-to-<workload>`: by
 * its name, too, the pack knows that it has to say its owner, its reason and its end.
 */
function nameOf({ subject }: ModelBypass, side: "of" | "to" = "of"): string {
  return `allow-bypass-${side}-${subject.kind === "workload" ? subject.workload.name : "namespace"}`;
}

function requestOf({ subject, expires }: ModelBypass): BypassRequest {
  return { subject, label: [bypassLabel, expires] };
}

function networkDocument(model: Model, bypass: ModelBypass, flows: readonly DraftDocument[]): DraftDocument {
  const policy = networkWriters[model.dialect].bypass(model, requestOf(bypass));
  const draft = document(bypass, "flows", nameOf(bypass), policy);
  return policy.isolates ? { ...draft, after: flows.map(logicalNameOf) } : draft;
}

function document(bypass: ModelBypass, stage: Stage, derivedName: string, policy: BypassPolicy): DraftDocument {
  const { apiVersion, kind, namePrefix = "", spec } = policy;
  const { reason, owner, expires } = bypass;
  const stated = { until: expires, owner, reason };
  const annotations = Object.fromEntries(
    Object.entries(stated).map(([key, value]) => [`${bypassLabelPrefix}${key}`, value]),
  );
  const name = `${namePrefix}${derivedName}`;
  const object: PlannedObject = {
    apiVersion,
    kind,
    metadata: { name, namespace: homeOfBypass(bypass), labels: managedByLabel, annotations },
    spec,
  };
  return { stage, derivedName, object };
}
