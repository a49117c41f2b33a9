/** What names say about an address: the engine judges names by themselves, the datapath knows only where they lie. */
import type { Flow, Reachability, Verdict } from "../../sdk/reachability";

/** Names, and the addresses that a DNS server answers with. */
export type Names = Readonly<Record<string, readonly string[]>>;

/**
 * The verdict for a flow to an address whose names are known: a name that may be reached and that the source was told
 * opens it, and where no name there may be reached it stays as it is without names. Otherwise it depends: what the agent
 * has learned earlier, or for other pods, counts too.
 */
export function verdictWithNames(
  reachability: Reachability,
  flow: Flow,
  names: Names,
  wasTold: (name: string) => boolean,
): Verdict {
  const { destination } = flow;
  const plain = reachability.verdict(flow);
  if (destination.kind !== "address" || plain === "allowed") return plain;
  const verdicts = Object.entries(names)
    .filter(([, addresses]) => addresses.includes(destination.address))
    .map(([name]) => ({ name, verdict: reachability.verdict({ ...flow, destination: { kind: "fqdn", name } }) }));
  if (verdicts.some(({ name, verdict }) => verdict === "allowed" && wasTold(name))) return "allowed";
  return verdicts.every(({ verdict }) => verdict === "denied") ? "denied" : "unknown";
}
