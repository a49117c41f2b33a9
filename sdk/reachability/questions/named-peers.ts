/** The names that rules speak of. */
import type { PeerTerm } from "../model/rules";
import type { Snapshot } from "../model/snapshot";

/** A name for each pattern of names in the rules of a snapshot. */
export function namesInRules({ rules }: Snapshot): readonly string[] {
  const named = rules.policies
    .flatMap(({ egress }) => egress?.rules ?? [])
    .flatMap(({ peers }) => peers.flatMap(namesOf));
  return [...new Set(named)];
}

/** A name for each pattern, with something in the place of what stands for anything. */
export function namesOf(term: PeerTerm): readonly string[] {
  switch (term.kind) {
    case "fqdn":
      return [term.pattern.text.replaceAll("**.", "any.").replaceAll("*", "any").toLowerCase()];
    case "and":
    case "or":
      return term.of.flatMap(namesOf);
    case "not":
      return namesOf(term.of);
    default:
      return [];
  }
}
