/** What the guards of every policy API are made of. */
import type { DraftDocument, PlannedObject } from "../documents";
import { managedMetadata } from "./metadata";
import type { GuardRequest, Plain } from "./writer";

/** Rules as a policy API writes them, taken from the policies that it would write for the whole declaration. */
export interface GuardParts {
  readonly flows: readonly Plain[];
  readonly dns: readonly Plain[];
  readonly metadata: readonly Plain[];
}

/**
 * The rules of a guard.
 *
 * @param drafts The policies of a declaration that holds nothing but the guard's subject.
 * @param denySection The section of a policy that closes metadata endpoints. Defaults to `egress`.
 */
export function guardParts(
  drafts: readonly DraftDocument[],
  { hasOwnDns }: GuardRequest,
  denySection = "egress",
): GuardParts {
  const rules = (stage: DraftDocument["stage"], section: string): readonly Plain[] =>
    drafts
      .filter((one) => one.stage === stage)
      .flatMap(({ object }) => ((object["spec"] as Plain | undefined)?.[section] ?? []) as readonly Plain[]);
  return {
    flows: rules("flows", "egress"),
    dns: hasOwnDns ? [] : rules("dns", "egress"),
    metadata: rules("metadata-deny", denySection),
  };
}

/** A policy that isolates, registered with the default deny. */
export function guardDraft(
  apiVersion: string,
  kind: string,
  place: { readonly name: string; readonly namespace?: string },
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  const object: PlannedObject = { apiVersion, kind, metadata: managedMetadata(place, annotations), spec };
  return { stage: "default-deny", object };
}

/** `Ingress` and `Egress`, as NetworkPolicy and Calico write the directions. */
export function policyTypes({ directions }: GuardRequest): readonly string[] {
  return directions.map((direction) => (direction === "ingress" ? "Ingress" : "Egress"));
}
