import type { Peer, Reachability, TrafficSet } from "../../reachability";
import { describeTraffic } from "../connections";
import { outside } from "../summary";
import type { ReportPath } from "./model";

/**
 * Everything that may pass between two workloads, or between one and the outside; however many ranges the outside is cut
 * into, it is one end.
 */
export function reportPaths(reachability: Reachability): ReportPath[] {
  const found = new Map<string, { from: string; to: string; allowed: TrafficSet; possible: TrafficSet }>();
  const nameOf = (peer: Peer, id: string): string => (peer.kind === "workload" ? id : outside);
  for (const { source, destination, sourceId, destinationId, allowed, possible } of reachability.matrix()) {
    const [from, to] = [nameOf(source, sourceId), nameOf(destination, destinationId)];
    if (from === to || possible.isEmpty()) continue;
    const key = `${from}\n${to}`;
    const known = found.get(key);
    if (known === undefined) found.set(key, { from, to, allowed, possible });
    else {
      known.allowed = known.allowed.union(allowed);
      known.possible = known.possible.union(possible);
    }
  }
  return [...found.values()].map(({ from, to, allowed, possible }) => ({
    from,
    to,
    traffic: describeTraffic(allowed, possible),
    ...(allowed.isEmpty() ? { possible: true as const } : {}),
  }));
}

/** The namespace of an end; none for the outside. */
export function homeOf(end: string): string | undefined {
  const slash = end.indexOf("/");
  return slash < 0 ? undefined : end.slice(0, slash);
}
