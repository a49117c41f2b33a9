/** What passes between many pods: looked up in tables, where nothing but the policies of the two decides. */
import type { PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { PodUniverse } from "../engine/pod-universe";
import { entryOf, RangeRegistry, TableBuilder, type PodTable } from "../engine/tables";
import type { TrafficRange } from "../engine/traffic-range";
import type { Peer, Traffic } from "../model/verdicts";

/** What passes from one of the peers to another, by their places in the list. */
export type Among = (source: number, destination: number) => Traffic;

export function trafficAmong(engine: Engine, peers: readonly Peer[]): Among {
  const pods = plainPods(engine, peers);
  if (pods === undefined) {
    return (source, destination) => asTraffic(engine.traffic(peers[source] as Peer, peers[destination] as Peer));
  }
  const registry = new RangeRegistry();
  const universe = universeOf(engine, peers, pods);
  engine.index.selectFor(universe);
  const builder = new TableBuilder(engine, universe, registry);
  const egress = pods.map((pod) => builder.table("egress", pod));
  const ingress = pods.map((pod) => builder.table("ingress", pod));
  const known: Traffic[] = [];
  return (source, destination) => {
    const out = entryOf(egress[source] as PodTable, destination);
    const range = out === 0 ? 0 : registry.intersect(out, entryOf(ingress[destination] as PodTable, source));
    return (known[range] ??= asTraffic(registry.get(range)));
  };
}

/** Which pods the peers of a rule are is found once for all policies that are tried on one cluster. */
function universeOf({ context }: Engine, peers: readonly Peer[], pods: readonly PodEndpoint[]): PodUniverse {
  let known = universes.get(context);
  if (known === undefined) universes.set(context, (known = new WeakMap()));
  let universe = known.get(peers);
  if (universe === undefined) known.set(peers, (universe = new PodUniverse(pods, context)));
  return universe;
}

const universes = new WeakMap<Engine["context"], WeakMap<readonly Peer[], PodUniverse>>();

/** The pods that the peers are; nothing where one may be something else, or a mesh or a waypoint decides too. */
function plainPods(engine: Engine, peers: readonly Peer[]): readonly PodEndpoint[] | undefined {
  if (engine.hasMesh || engine.hasWaypoints) return undefined;
  const pods = new Set<PodEndpoint>();
  for (const peer of peers) {
    const [end, ...others] = peer.kind === "workload" || peer.kind === "freshPod" ? engine.endpoints.resolve(peer) : [];
    if (end?.kind !== "pod" || end.mesh !== undefined || others.length > 0) return undefined;
    pods.add(end);
  }
  return pods.size === peers.length ? [...pods] : undefined;
}

function asTraffic({ must, may }: TrafficRange): Traffic {
  return { allowed: must, possible: may };
}
