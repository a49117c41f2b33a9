/** Ways in from outside that end before the pods they lead to, because policies stop the proxy that carries them. */
import type { Engine } from "../engine/engine";
import type { Endpoint } from "../engine/endpoints";
import type { ObjectRef } from "../model/objects";
import type { TrafficSet } from "../model/sets/ports";
import type { Workload } from "../model/snapshot";
import { YES } from "../model/unknown";
import { targetPorts, waysFromOutside } from "./exposure";

/** A way in whose proxy cannot reach a workload behind it on any of the ports it uses. */
export interface ClosedEntrance {
  /** The Ingress or route. */
  readonly via: ObjectRef;
  /** The Service behind it. */
  readonly service?: ObjectRef;
  readonly workloadId: string;
  /** Who carries it: Cilium's Envoy, which is no pod, or proxies of the snapshot by their names. */
  readonly proxy: "cilium" | readonly string[];
  /** The pods' ports that the way uses. */
  readonly ports: TrafficSet;
  /** Which side stops it; `mesh` where the network lets it pass. */
  readonly closedFor: "ingress" | "egress" | "mesh";
}

/**
 * What is closed for certain: proxies that are not known, and ways of which it is not known whether they are open, are left
 * out.
 */
export function* closedEntrancesOf(engine: Engine): Iterable<ClosedEntrance> {
  for (const way of waysFromOutside(engine)) {
    const { via, carrier, target, open } = way;
    if (carrier.kind !== "proxies" || open !== YES) continue;
    const proxies = carrier.proxies.flat();
    const byCilium = proxies.every(({ kind }) => kind === "ingress");
    for (const workload of engine.snapshot.workloads) {
      if (workload.namespace !== target.namespace || target.selects(workload) !== YES) continue;
      const ports = targetPorts(target, workload).may;
      const closedFor = ports.isEmpty() ? undefined : closedSide(engine, proxies, workload, ports);
      if (closedFor === undefined) continue;
      yield {
        via,
        ...(target.service === undefined ? {} : { service: target.service }),
        workloadId: workload.id,
        proxy: byCilium ? "cilium" : proxies.map(({ name }) => name),
        ports,
        closedFor,
      };
    }
  }
}

function closedSide(
  engine: Engine,
  proxies: readonly Endpoint[],
  workload: Workload,
  ports: TrafficSet,
): ClosedEntrance["closedFor"] | undefined {
  const pairs = proxies.flatMap((from) => engine.endpoints.ofWorkload(workload).map((to) => [from, to] as const));
  const isClosed = (what: (from: Endpoint, to: Endpoint) => { readonly may: TrafficSet }): boolean =>
    pairs.every(([from, to]) => what(from, to).may.intersect(ports).isEmpty());
  if (!isClosed((from, to) => engine.between(from, to))) return undefined;
  if (isClosed((from, to) => engine.direction("ingress", from, to))) return "ingress";
  return isClosed((from, to) => engine.direction("egress", from, to)) ? "egress" : "mesh";
}
