/**
 * Policies that protect the pods of one subject by themselves, for clusters of which nothing else is declared: what is
 * allowed, DNS, the deny of metadata endpoints, and the isolation, all in one object, so that no moment lies between them.
 */
import { flowAnnotations } from "./annotations";
import { asApplied, networkWriters } from "./apis/registry";
import type { GuardRequest } from "./apis/writer";
import type { DraftDocument, PlanWarning, WarningCode } from "./documents";
import { halvesOf, namespaceOf } from "./halves";
import type { Model } from "./model";
import type { Shortfalls } from "./unsupported";

/**
 * The guard of a subject: its flows (`model.flows` are its own), DNS, metadata endpoints closed, and in the given
 * directions everything else that no other policy allows.
 */
export function guardDocuments(
  model: Model,
  shortfalls: Shortfalls,
  request: Omit<GuardRequest, "annotations">,
): readonly DraftDocument[] {
  const annotations = model.flows.length === 0 ? {} : flowAnnotations(halvesOf(model.flows));
  const own = asApplied(alone(model, namespaceOf(request.subject)));
  return networkWriters[model.dialect].guard(own, shortfalls, { ...request, annotations });
}

/** The model as if there were no other namespace: what is opened to others is not opened to this one. */
function alone(model: Model, home: string): Model {
  return {
    ...model,
    namespaces: new Map([...model.namespaces].filter(([name]) => name === home)),
    dnsNames: new Map([...model.dnsNames].filter(([name]) => name === home)),
    tenants: [],
    bypasses: [],
    breakGlass: [],
  };
}

const aboutDenies: ReadonlySet<WarningCode> = new Set(["metadata-deny-not-final", "deny-not-final"]);

/**
 * The warnings about guards. NetworkPolicy has no deny, and warns of it also where it is written beside the deny of another
 * policy API.
 */
export function guardWarnings(
  { warnings }: { readonly warnings: readonly PlanWarning[] },
  { limits }: Pick<Model, "limits">,
): readonly PlanWarning[] {
  return limits.finalDeny ? warnings.filter(({ code }) => !aboutDenies.has(code)) : warnings;
}
