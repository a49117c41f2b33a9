/** Exceptions between tenants that policies document: which traffic of a path they cover, and until when. */
import type { DocumentedException, ExceptionPorts, ExceptionSide } from "../plan";
import { documentedExceptions } from "../plan";
import type { Peer, PortProtocol, Reachability, Snapshot, Workload } from "../reachability";
import { TrafficSet } from "../reachability";
import type { ExceptionPlaces } from "./exception-places";
import type { PolicyParts } from "./policy-rules";
import { policyObjects, selectsPod } from "./policy-rules";
import type { Tiers } from "./types";

/** What is documented of a path between two pods. */
export interface Coverage {
  /** What no exception covers. */
  readonly rest: TrafficSet;
  /** The first day on which one of the exceptions that cover the rest of it ends; nothing where none covers anything. */
  readonly until?: string;
}

/** The source or the destination of a path. */
export interface PathEnd {
  readonly peer: Peer;
  readonly namespace: string;
  readonly workload?: Workload;
}

interface Documenting {
  readonly object: PolicyParts;
  readonly exceptions: readonly DocumentedException[];
}

/** Reads the exceptions of a snapshot once, and then judges path by path. */
export class TenantExceptions {
  readonly #snapshot: Snapshot;
  readonly #today: string | undefined;
  readonly #documenting: readonly Documenting[];

  constructor({ snapshot }: Reachability, tiers: Tiers, places: ExceptionPlaces, today: string | undefined) {
    this.#snapshot = snapshot;
    this.#today = today;
    const platform = new Set([...tiers.exemptNamespaces, ...tiers.platformNamespaces]);
    const counts = ({ origin: { namespace } }: PolicyParts): boolean =>
      places === "each-side" || (places === "platform" && (namespace === undefined || platform.has(namespace)));
    this.#documenting = policyObjects(snapshot)
      .filter(counts)
      .map((object) => ({ object, exceptions: documentedExceptions(object.origin.object.metadata?.annotations) }))
      .filter(({ exceptions }) => exceptions.length > 0);
  }

  /**
   * What is documented of the traffic from one pod to another. An exception counts where a policy that selects the source
   * and a policy that selects the destination both document it: nobody lets himself in. It covers the ports that both
   * name, until the earlier of the two days.
   */
  cover(source: PathEnd, destination: PathEnd, traffic: TrafficSet): Coverage {
    if (this.#documenting.length === 0) return { rest: traffic };
    const atSource = this.#documentedAt(source, "from", [source, destination]);
    const atDestination = this.#documentedAt(destination, "to", [source, destination]);
    let rest = traffic;
    let until: string | undefined;
    for (const one of atSource) {
      for (const other of atDestination) {
        if (!isSame(one.from, other.from) || !isSame(one.to, other.to)) continue;
        const covered = portsOf(one.ports).intersect(portsOf(other.ports)).intersect(rest);
        if (covered.isEmpty()) continue;
        const end = one.expires < other.expires ? one.expires : other.expires;
        rest = rest.subtract(covered);
        until = until === undefined || end < until ? end : until;
      }
    }
    return { rest, ...(until === undefined ? {} : { until }) };
  }

  /** The exceptions that policies which select a pod document for it, those that have ended left out. */
  #documentedAt(end: PathEnd, side: "from" | "to", [source, destination]: [PathEnd, PathEnd]): DocumentedException[] {
    return this.#documenting.flatMap(({ object, exceptions }) => {
      if (!object.parts.some((part) => selectsPod(part, end.peer, this.#snapshot))) return [];
      return exceptions.filter(
        (exception) =>
          exception.from.namespace === source.namespace &&
          exception.to.namespace === destination.namespace &&
          (this.#today === undefined || exception.expires >= this.#today) &&
          this.#isMeant(exception[side], end, object),
      );
    });
  }

  /** Whether a pod is of the workload that an exception names: by its name or a label, or as the only one selected. */
  #isMeant({ workload: named }: ExceptionSide, { workload, namespace }: PathEnd, { parts }: PolicyParts): boolean {
    if (named === undefined) return true;
    if (workload === undefined) return false;
    if (workload.name === named || Object.values(workload.labels).includes(named)) return true;
    const others = this.#snapshot.workloads.filter((each) => each.namespace === namespace && each !== workload);
    return !others.some(({ id }) => parts.some((part) => selectsPod(part, { kind: "workload", id }, this.#snapshot)));
  }
}

function isSame(one: ExceptionSide, other: ExceptionSide): boolean {
  return one.namespace === other.namespace && one.workload === other.workload;
}

const protocols: readonly PortProtocol[] = ["TCP", "UDP", "SCTP"];

/** The traffic of an exception; everything where it lists no ports. Ports that cannot be are no ports. */
function portsOf(ports: readonly ExceptionPorts[] | undefined): TrafficSet {
  if (ports === undefined) return TrafficSet.all();
  return ports
    .map(({ protocol, port, endPort = port }) => {
      const known = protocols.find((each) => each === protocol);
      const isRange =
        Number.isInteger(port) && Number.isInteger(endPort) && port >= 1 && port <= endPort && endPort <= 65535;
      return known === undefined || !isRange ? TrafficSet.none() : TrafficSet.ports(known, port, endPort);
    })
    .reduce((sum, each) => sum.union(each), TrafficSet.none());
}
