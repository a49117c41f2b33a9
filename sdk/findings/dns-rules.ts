/** What the DNS rules of Cilium let pods ask for: the proxy refuses all other names, and learns no address of them. */
import type { CompiledPolicy, DnsPattern, Peer, PeerTerm, Snapshot } from "../reachability";
import { TrafficSet } from "../reachability";
import { policyObjects, selectsPod } from "./policy-rules";

const dnsPort = TrafficSet.ports("UDP", 53).union(TrafficSet.ports("TCP", 53));

/**
 * The names that the DNS proxy lets a pod ask for. Nothing where no DNS rule is for the pod, or where a rule beside it lets
 * DNS pass without looking at names.
 */
export function askableNames(pod: Peer, snapshot: Snapshot): readonly DnsPattern[] | undefined {
  const rules = policyObjects(snapshot)
    .flatMap(({ parts }) => parts)
    .filter((part) => part.egress !== undefined && selectsPod(part, pod, snapshot))
    .flatMap((part) => part.egress?.rules ?? [])
    .filter((rule) => rule.verdict === "allow" && !rule.l4.may.intersect(dnsPort).isEmpty())
    .filter((rule) => rule.dnsProxy === true || rule.peers.some(mayBeServer));
  const proxied = rules.filter((rule) => rule.dnsProxy === true);
  if (proxied.length === 0 || rules.some((rule) => rule.dnsNames === undefined || rule.dnsNames.length === 0)) {
    return undefined;
  }
  return proxied.flatMap((rule) => rule.dnsNames ?? []);
}

/** Whether a peer may be the cluster's DNS server: hosts and addresses outside are asked past the proxy. */
function mayBeServer(peer: PeerTerm): boolean {
  return peer.kind === "entity" ? peer.entity === "all" || peer.entity === "cluster" : !outside.has(peer.kind);
}

const outside: ReadonlySet<PeerTerm["kind"]> = new Set(["fqdn", "cidr", "nodes"]);

/** The patterns of a part's toFQDNs with the paths of their rules. */
export function namesIn(part: CompiledPolicy): { readonly path: string; readonly pattern: DnsPattern }[] {
  return (part.egress?.rules ?? []).flatMap(({ path, verdict, peers }) =>
    verdict !== "allow" ? [] : peers.flatMap((peer) => (peer.kind === "fqdn" ? [{ path, pattern: peer.pattern }] : [])),
  );
}

/** Whether some name may fit two patterns. True where that is hard to tell. */
export function mayOverlap(one: DnsPattern, other: DnsPattern): boolean {
  const [a, b] = [labelsOf(one), labelsOf(other)];
  if (!one.text.includes("*")) return other.expression.test(a.join("."));
  if (!other.text.includes("*")) return one.expression.test(b.join("."));
  // from the right: up to the first wildcard on either side the labels have to be the same
  for (let index = 1; index <= Math.min(a.length, b.length); index++) {
    const [left, right] = [a[a.length - index] ?? "", b[b.length - index] ?? ""];
    if (left.includes("*") || right.includes("*")) return true;
    if (left !== right) return false;
  }
  return true;
}

function labelsOf({ text }: DnsPattern): string[] {
  return text.toLowerCase().replace(/\.$/, "").split(".");
}
