/** Whom a policy may open a path to, by its rules alone. */
import type { CompiledPolicy, Lookup, PeerTerm, Snapshot } from "../../reachability";
import { evaluateCondition, labelOf, unknownValue } from "../../reachability";

/** Whether a policy may allow something to or from pods of a namespace, by the namespace's name and labels alone. */
export function mayOpenTo(part: CompiledPolicy, namespace: string, snapshot: Snapshot): boolean {
  const labels = snapshot.namespaces.get(namespace)?.labelSet;
  const lookup: Lookup = (field, key) => {
    if (field === "namespace") return namespace;
    return field === "namespaceLabel" && labels !== undefined ? labelOf(labels, key) : unknownValue;
  };
  const fits = (peer: PeerTerm): boolean => {
    switch (peer.kind) {
      case "pods":
      case "identities":
        return evaluateCondition(peer.where, lookup) !== 0;
      case "cidr":
      case "fqdn":
      case "nodes":
        return false;
      default:
        return true;
    }
  };
  const allows = [...(part.ingress?.rules ?? []), ...(part.egress?.rules ?? [])];
  return allows.some((rule) => rule.verdict !== "deny" && rule.peers.some(fits));
}
