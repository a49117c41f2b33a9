/** Which connections to try: those that must pass, those that must not, and why. Pure. */
import type { Plan, PlannedDns, PlannedFlow, PlannedPeer } from "../plan";
import { describePlannedPeer } from "../plan";
import { holdsAddress } from "../plan/planned-peers";
import type { ClusterDns, Peer, Reachability, Verdict, Workload } from "../reachability";
import { clusterDnsOf, metadataEndpoints } from "../reachability";

/** What a probe is about, in the order in which they are tried. */
type ProbeGroup =
  /** A workload and an address at which a cloud hands out credentials. */
  | "metadata"
  /** A flow of the declaration (without one: a path that the policies open). */
  | "declared"
  /** A path that nobody declared (without a declaration: one that the policies close). */
  | "undeclared"
  /** A scenario of a file. */
  | "scenario";

/** One end of a probe: a workload of the cluster by its id, or an address outside. */
export type ProbeEnd =
  { readonly kind: "workload"; readonly id: string } | { readonly kind: "address"; readonly address: string };

/** A connection to try. */
export interface Probe {
  readonly group: ProbeGroup;
  readonly source: ProbeEnd;
  readonly destination: ProbeEnd;
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
  /** The destination is a DNS server on the port where it answers: only a DNS question gets an answer from it. */
  readonly isDns?: true;
  /** What must come of it. */
  readonly expected: "allowed" | "denied";
  /** What the policies say, computed. */
  readonly computed: Verdict;
  /** Why this is expected: the flow's own words. */
  readonly reason: string;
}

/** A part of the declaration that no probe can stand for here. */
export interface Unprobed {
  readonly what: string;
  readonly why: string;
  /** It was asked for by name: where it is not tried, not all is proved. */
  readonly wanted?: true;
}

export interface ProbeOptions {
  /** Undeclared paths that are tried from each workload. Default 5; "all" for each of them. */
  readonly sample?: number | "all";
  /** Addresses outside the cluster that answer, as far as the executor knows. */
  readonly outside: readonly string[];
  /** Nothing can be sent from those addresses. Default false. */
  readonly outsideOnlyAnswers?: boolean;
  /** Ids of workloads that have a pod to probe from and to. */
  readonly present: ReadonlySet<string>;
  /** Those of them that probes can start from. Default: all. */
  readonly sources?: ReadonlySet<string>;
  /** Why a workload is not present. Default: none of its pods is ready. */
  readonly whyAbsent?: (id: string) => string | undefined;
}

/** What `probesFor` found. */
export interface ProbePlan {
  readonly probes: readonly Probe[];
  readonly unprobed: readonly Unprobed[];
}

/**
 * Derives probes from a plan and the computed matrix: metadata addresses first, then every declared flow, then undeclared
 * ones. Without a plan the matrix itself says what is expected. Workloads that share the node's network are left out: to
 * every enforcer they are the node.
 */
export function probesFor(reachability: Reachability, plan: Plan | undefined, options: ProbeOptions): ProbePlan {
  return new Derivation(reachability, plan, options).run();
}

/** Says what a probe tries: `shop/web[Deployment] → shop/db[Deployment] TCP 5432`. */
export function describeProbe({ source, destination, protocol, port }: Probe): string {
  return `${describeProbeEnd(source)} → ${describeProbeEnd(destination)} ${protocol} ${port}`;
}

export function describeProbeEnd(end: ProbeEnd): string {
  return end.kind === "workload" ? end.id : end.address;
}

interface Point {
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
}

const defaultSample = 5;

/** The port that stands for an address outside where no flow names one. */
const webPort: Point = { protocol: "TCP", port: 80 };

class Derivation {
  private readonly workloads: readonly Workload[];
  /** A Deployment and a Job may have the same name. */
  private readonly byName = new Map<string, Workload[]>();
  /** Flows of the plan between a source and a destination, by what `keyOf` makes of them. */
  private readonly declared = new Map<string, Probe>();
  /** Connections that may or may not pass, by their content. */
  private readonly undecided = new Set<string>();
  private readonly unprobed: Unprobed[] = [];

  constructor(
    private readonly reachability: Reachability,
    private readonly plan: Plan | undefined,
    private readonly options: ProbeOptions,
  ) {
    const pods = reachability.snapshot.workloads.filter(({ hostNetwork }) => !hostNetwork);
    this.workloads = pods.filter(({ id }) => options.present.has(id));
    for (const workload of this.workloads) {
      const name = `${workload.namespace}/${workload.name}`;
      this.byName.set(name, [...(this.byName.get(name) ?? []), workload]);
    }
    for (const { id, hostNetwork } of reachability.snapshot.workloads) {
      if (hostNetwork)
        this.unprobed.push({ what: id, why: "it shares its node's network: to every enforcer it is the node" });
    }
    for (const { id } of pods) {
      if (!options.present.has(id)) {
        this.unprobed.push({ what: id, why: options.whyAbsent?.(id) ?? "none of its pods is ready" });
      } else if (!this.sends(id)) {
        this.unprobed.push({ what: `from ${id}`, why: options.whyAbsent?.(id) ?? "no probe can start there" });
      }
    }
  }

  run(): ProbePlan {
    for (const flow of this.plan?.flows ?? []) this.declare(flow);
    if (this.plan) this.declareDns(this.plan.dns);
    const metadata = this.metadataProbes();
    const declared = this.plan ? [...this.declared.values()] : this.openPaths();
    const undeclared = this.undeclaredProbes();
    return { probes: [...metadata, ...declared, ...undeclared], unprobed: this.unprobed };
  }

  /** Each pair of live ends that a flow names, on each of its ports. */
  private declare(flow: PlannedFlow): void {
    const [from, to] = [describePlannedPeer(flow.from), describePlannedPeer(flow.to)];
    const what = `${from} → ${to}`;
    const sources = this.endsOf(flow.from);
    const destinations = this.endsOf(flow.to);
    if (sources.length === 0) this.unprobed.push({ what, why: `no probe pod can stand in for ${from}` });
    else if (destinations.length === 0) this.unprobed.push({ what, why: `no probe pod can stand in for ${to}` });
    const able = sources.filter((source) => this.canSend(source));
    if (able.length < sources.length && destinations.length > 0) {
      const unable = sources.filter((source) => !this.canSend(source)).map(describeProbeEnd);
      this.unprobed.push({ what, why: `no probe can start at ${unable.join(", ")}` });
    }
    for (const source of able) {
      for (const destination of destinations) {
        if (source.kind === "address" && destination.kind === "address") continue;
        if (keyOfEnd(source) === keyOfEnd(destination)) continue;
        for (const { protocol, from: first, to: last } of flow.ports) {
          if (protocol === "SCTP") {
            this.unprobed.push({ what, why: "SCTP is not probed" });
            continue;
          }
          if (protocol === "UDP" && destination.kind === "address" && this.options.outsideOnlyAnswers) {
            this.unprobed.push({ what: `${what} UDP ${first}`, why: "silence from outside proves nothing over UDP" });
            continue;
          }
          // both edges of a range stand for it
          for (const port of new Set([first, last])) {
            const point: Point = { protocol: protocol === "UDP" ? "UDP" : "TCP", port };
            const probe = this.probe(
              "declared",
              source,
              destination,
              point,
              "allowed",
              `${flow.reason} (${flow.owner})`,
            );
            this.declared.set(keyOf(probe), probe);
          }
        }
      }
    }
  }

  private sends(id: string): boolean {
    return this.options.sources?.has(id) ?? true;
  }

  private canSend(end: ProbeEnd): boolean {
    return end.kind === "workload" ? this.sends(end.id) : this.options.outsideOnlyAnswers !== true;
  }

  /** Every isolated pod may ask the cluster's DNS: the plan opens it without a flow of its own. */
  private declareDns({ port, closedTo, limitedFor }: PlannedDns): void {
    for (const namespace of limitedFor) {
      this.unprobed.push({ what: `DNS from namespace ${namespace}`, why: "it may ask for some names only" });
    }
    const limited = new Set(limitedFor);
    const askers = this.held().filter(({ id, namespace }) => this.sends(id) && !closedTo.includes(namespace));
    for (const server of this.workloads.filter((workload) => this.dnsOf(workload) !== undefined)) {
      for (const workload of askers) {
        for (const protocol of ["UDP", "TCP"] as const) {
          if (workload === server) continue;
          const point: Point = { protocol, port };
          const probe = this.probe("declared", endOf(workload), endOf(server), point, "allowed", "names must resolve");
          if (limited.has(workload.namespace)) this.undecided.add(keyOf(probe));
          else this.declared.set(keyOf(probe), probe);
        }
      }
    }
  }

  /** The declaration knows where the cluster's DNS is; without one it is where distributions install it. */
  private dnsOf(workload: Workload): ClusterDns | undefined {
    return clusterDnsOf(workload, this.plan && [this.plan.dns]);
  }

  /** Workloads and addresses here that a source or destination of the plan stands for. */
  private endsOf(peer: PlannedPeer): ProbeEnd[] {
    if (peer.kind === "workload") return (this.byName.get(`${peer.namespace}/${peer.name}`) ?? []).map(endOf);
    if (peer.kind === "namespace") return this.workloads.filter((one) => one.namespace === peer.namespace).map(endOf);
    // a metadata address stands for nobody: it stays closed whatever range it lies in
    const addresses = this.options.outside.filter((address) => !isMetadata(address) && holdsAddress(peer, address));
    return addresses.map((address) => ({ kind: "address", address }));
  }

  private metadataProbes(): Probe[] {
    const known = new Map(metadataEndpoints.map(({ address, ports }) => [address, ports]));
    const here = this.options.outside.filter((address) => known.has(address));
    if (here.length === 0) this.unprobed.push({ what: "metadata addresses", why: "none of them answers here" });
    const senders = this.held().filter(({ id }) => this.sends(id));
    return senders.flatMap((workload) =>
      this.withoutAccess(workload, here).flatMap((address) =>
        (known.get(address) ?? []).map((port) => {
          const end: ProbeEnd = { kind: "address", address };
          const point: Point = { protocol: "TCP", port };
          return this.probe("metadata", endOf(workload), end, point, "denied", "metadata endpoints stay closed");
        }),
      ),
    );
  }

  /** Without the addresses that the declaration opens to this workload, for a reason and an owner. */
  private withoutAccess({ namespace, name }: Workload, addresses: readonly string[]): readonly string[] {
    const granted = (this.plan?.metadataAccess ?? []).filter(({ workload }) => workload === `${namespace}/${name}`);
    for (const { workload, service, reason, owner } of granted) {
      this.unprobed.push({ what: `${workload} → ${service}`, why: `its access is declared: ${reason} (${owner})` });
    }
    return addresses.filter((address) => !granted.some((access) => access.addresses.includes(address)));
  }

  /** Without a declaration: what the policies open. */
  private openPaths(): Probe[] {
    return this.allPaths()
      .filter(({ computed }) => computed === "allowed")
      .map((probe) => ({ ...probe, group: "declared", expected: "allowed", reason: "the policies allow it" }));
  }

  private undeclaredProbes(): Probe[] {
    const held = new Set(this.held().map(({ id }) => id));
    const isHeld = (end: ProbeEnd): boolean => end.kind === "workload" && held.has(end.id);
    const closed = this.allPaths().filter((probe) =>
      this.plan
        ? !this.declared.has(keyOf(probe)) &&
          !this.undecided.has(keyOf(probe)) &&
          (isHeld(probe.source) || isHeld(probe.destination))
        : probe.computed === "denied",
    );
    const bySource = new Map<string, Probe[]>();
    for (const probe of closed) {
      const key = keyOfEnd(probe.source);
      bySource.set(key, [...(bySource.get(key) ?? []), probe]);
    }
    const { sample = defaultSample } = this.options;
    return [...bySource.values()].flatMap((probes) => (sample === "all" ? probes : spread(probes, sample)));
  }

  /** Every pair of workloads on the ports of the destination, and every workload and the outside, both ways. */
  private allPaths(): Probe[] {
    const reason = this.plan ? "nobody declared it" : "the policies deny it";
    const paths: Probe[] = [];
    const add = (source: ProbeEnd, destination: ProbeEnd, point: Point): void => {
      paths.push(this.probe("undeclared", source, destination, point, "denied", reason));
    };
    const outside = this.options.outside
      .filter((address) => !isMetadata(address))
      .map((address): ProbeEnd => ({ kind: "address", address }));
    for (const target of this.workloads) {
      const points = pointsOf(target);
      for (const source of this.workloads) {
        if (source === target || !this.sends(source.id)) continue;
        for (const point of points) add(endOf(source), endOf(target), point);
      }
      for (const end of outside) {
        if (this.canSend(end)) for (const point of points) add(end, endOf(target), point);
        if (this.sends(target.id)) add(endOf(target), end, webPort);
      }
    }
    return paths;
  }

  /** The workloads that a default deny isolates; without a plan all of them. */
  private held(): readonly Workload[] {
    const { plan } = this;
    if (!plan) return this.workloads;
    const namespaces = new Set(plan.namespaces.filter(({ tier }) => tier !== "platform").map(({ name }) => name));
    return this.workloads.filter(({ namespace }) => namespaces.has(namespace));
  }

  private probe(
    group: ProbeGroup,
    source: ProbeEnd,
    destination: ProbeEnd,
    { protocol, port }: Point,
    expected: Probe["expected"],
    reason: string,
  ): Probe {
    const flow = { source: peerOf(source), destination: peerOf(destination), protocol, port };
    const computed = this.reachability.verdict(flow);
    const about = { group, source, destination, protocol, port, expected, computed, reason };
    return this.isDns(destination, port) ? { ...about, isDns: true } : about;
  }

  private isDns(end: ProbeEnd, port: number): boolean {
    const workload = end.kind === "workload" ? this.workloads.find(({ id }) => id === end.id) : undefined;
    return workload !== undefined && this.dnsOf(workload)?.port === port;
  }
}

function endOf({ id }: Workload): ProbeEnd {
  return { kind: "workload", id };
}

function peerOf(end: ProbeEnd): Peer {
  return end;
}

function keyOfEnd(end: ProbeEnd): string {
  return describeProbeEnd(end);
}

function keyOf(probe: Probe): string {
  return describeProbe(probe);
}

/** The TCP and UDP ports that a workload declares; one that declares none is asked on the web's. */
export function pointsOf({ ports }: Workload): Point[] {
  const points = ports.flatMap(({ protocol, port }) =>
    protocol === "TCP" || protocol === "UDP" ? [{ protocol, port }] : [],
  );
  return points.length > 0 ? points : [webPort];
}

/** `count` of them, evenly over the whole list, so that no destination is left out for coming last. */
function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from({ length: count }, (_, index) => all[Math.floor((index * all.length) / count)] as T);
}

/** Whether an address is one at which a cloud hands out credentials. */
export function isMetadata(address: string): boolean {
  return metadataEndpoints.some((endpoint) => endpoint.address === address);
}
