/** The names that rules speak of. */
import { plainTerms } from "../model/peer-terms";
import type { PeerTerm } from "../model/rules";
import type { Snapshot } from "../model/snapshot";

const remembered = new WeakMap<Snapshot, readonly string[]>();

/** A name for each pattern of names in the rules of a snapshot. */
export function namesInRules(snapshot: Snapshot): readonly string[] {
  const known = remembered.get(snapshot);
  if (known !== undefined) return known;
  const peers = snapshot.rules.policies.flatMap(({ egress }) => (egress?.rules ?? []).flatMap((rule) => rule.peers));
  const names = [...new Set(peers.flatMap(namesOf))];
  remembered.set(snapshot, names);
  return names;
}

/** A name for each pattern, with something in the place of what stands for anything. */
export function namesOf(term: PeerTerm): readonly string[] {
  return plainTerms(term).flatMap((each) =>
    each.kind === "fqdn" ? [each.pattern.text.replaceAll("**.", "any.").replaceAll("*", "any").toLowerCase()] : [],
  );
}
