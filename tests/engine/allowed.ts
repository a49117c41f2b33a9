/** What a set of Kubernetes objects allows, as the engine of this package computes it. */
import type { Peer, SourcedObject, TrafficSet } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";

export interface Allowed {
  /** "source → destination" → what may pass, certain or possible. */
  readonly pairs: ReadonlyMap<string, TrafficSet>;
}

/** Addresses that stand for the outside: a public one of each family, and two metadata endpoints. */
const outside = ["198.51.100.10", "2001:db8::10", "169.254.169.254", "fd00:ec2::254"];

/**
 * What passes between the workloads, a new pod in each of `namespaces`, and the outside. The pods' own node is left out:
 * no policy of the example is about it.
 */
export function allowedIn(objects: Iterable<SourcedObject>, namespaces: readonly string[]): Allowed {
  const reachability = compile(buildSnapshot([...objects], { profile: profileFor("cilium@1.20") }));
  const pods: [string, Peer][] = [
    ...reachability.snapshot.workloads
      .filter((workload) => !workload.hostNetwork)
      .map((workload): [string, Peer] => [workload.id, { kind: "workload", id: workload.id }]),
    ...namespaces.map((namespace): [string, Peer] => [`new pod in ${namespace}`, { kind: "freshPod", namespace }]),
  ];
  const others: [string, Peer][] = outside.map((address) => [address, { kind: "address", address }]);
  const pairs = new Map<string, TrafficSet>();
  for (const [sourceName, source] of [...pods, ...others]) {
    for (const [destinationName, destination] of [...pods, ...others]) {
      if (source.kind === "address" && destination.kind === "address") continue;
      if (sourceName === destinationName && source.kind === "workload") continue;
      const { possible } = reachability.traffic(source, destination);
      if (!possible.isEmpty()) pairs.set(`${sourceName} → ${destinationName}`, possible);
    }
  }
  return { pairs };
}

/** What `later` allows beyond `earlier`, one line each; only pairs whose two ends `earlier` knows as well. */
export function growth(earlier: Allowed, later: Allowed, ignore: (pair: string) => boolean = () => false): string[] {
  return [...later.pairs].flatMap(([pair, traffic]) => {
    if (ignore(pair)) return [];
    const before = earlier.pairs.get(pair);
    const more = before ? traffic.subtract(before) : traffic;
    return more.isEmpty() ? [] : [`${pair}: ${more.toString()}`];
  });
}
