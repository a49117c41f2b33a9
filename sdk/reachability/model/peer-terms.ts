/** What is said about peers, taken apart. */
import type { PeerTerm } from "./rules";
import type { Condition } from "./selectors/conditions";

/** The parts of a term that hold no other terms; what it excludes is among them. */
export function plainTerms(term: PeerTerm): readonly PeerTerm[] {
  switch (term.kind) {
    case "and":
    case "or":
      return term.of.flatMap(plainTerms);
    case "not":
      return plainTerms(term.of);
    default:
      return [term];
  }
}

/** What a term asks of the labels of pods. */
export function conditionsOf(term: PeerTerm): readonly Condition[] {
  return plainTerms(term).flatMap((each) => (each.kind === "pods" || each.kind === "identities" ? [each.where] : []));
}
