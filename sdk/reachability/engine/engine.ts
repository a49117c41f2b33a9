import type { Snapshot } from "../model/snapshot";
import { matchesName } from "../readers/fqdn";
import type { DnsPattern, Rule } from "../model/rules";
import { TrafficSet } from "../model/sets/ports";
import { MAYBE, NO, triAnd, triOr, YES, type Tri } from "../model/unknown";
import type { Direction } from "../model/direction";
import type { Flow, Peer, Verdict } from "../model/verdicts";
import { isBehindWaypoint, pastWaypoints, usesWaypoints } from "./waypoints";
import { probeAddressOf, tcpOf, throughTunnel, tunnelled } from "./tunnel";
import { Endpoints, isSamePod, type Endpoint, type PodEndpoint } from "./endpoints";
import { evaluateRequests, evaluateTiers, trafficOfRule, type Circumstances, type TierSelection } from "./evaluate";
import { matchesAnyPeer, type MatchContext } from "./matching";
import { judgedBy, MeshTransport } from "./mesh-transport";
import { PolicyIndex } from "./policy-index";
import { contradicts, Routes, wantedOf, type Route, type RoutedPort } from "./routes";
import { anything, eitherOf, everything, intersect, type TrafficRange } from "./traffic-range";

/** Answers what passes from a source to a destination of a snapshot. */
export class Engine {
  readonly endpoints: Endpoints;
  readonly index: PolicyIndex;
  /** Policies of the service mesh. */
  readonly meshIndex: PolicyIndex;
  /** Policies that waypoints enforce. */
  readonly waypointIndex: PolicyIndex;
  readonly context: MatchContext;
  /** Where connections to addresses and names go. */
  readonly routes: Routes;
  /** How connections reach the proxies of the mesh. */
  readonly transport: MeshTransport;
  /** The names that any pod may ask for through the enforcer's DNS proxy. */
  readonly #dnsNames: readonly DnsPattern[];
  readonly #outside = new Map<readonly TierSelection[], Map<Endpoint, TrafficRange> | "each by itself">();
  readonly #behindWaypoint = new Map<PodEndpoint, boolean>();

  /** @param like An engine of the same cluster under other policies: ends and routes are worked out once for both. */
  constructor(
    readonly snapshot: Snapshot,
    like?: Engine,
  ) {
    const shared = like !== undefined && differInPoliciesOnly(snapshot, like.snapshot) ? like : undefined;
    this.endpoints = shared?.endpoints ?? new Endpoints(snapshot);
    this.routes = shared?.routes ?? new Routes(snapshot, this.endpoints);
    const { policies, meshEgress } = snapshot.rules;
    this.index = new PolicyIndex(meshEgress === undefined ? policies : [...meshEgress, ...policies], snapshot.profile);
    this.meshIndex = new PolicyIndex(snapshot.rules.mesh, snapshot.profile);
    this.waypointIndex = new PolicyIndex(snapshot.rules.waypoint ?? [], snapshot.profile);
    this.#dnsNames = snapshot.rules.policies.flatMap((policy) =>
      (policy.egress?.rules ?? []).flatMap((rule) => rule.dnsNames ?? []),
    );
    this.transport = shared?.transport ?? new MeshTransport(snapshot);
    this.context = shared?.context ?? {
      profile: snapshot.profile,
      podAddresses: snapshot.podAddresses,
      ...(snapshot.families === undefined ? {} : { families: snapshot.families }),
      opaquePorts: (pod) => this.transport.opaque(pod),
    };
  }

  verdict(flow: Flow): Verdict {
    return verdictOn(this.traffic(flow.source, flow.destination), trafficOfFlow(flow, this.endpoints));
  }

  /** What an address or a name is in the cluster; nothing where it lies outside, and for other peers. */
  knownAs(peer: Peer): string | undefined {
    return peer.kind === "address" || peer.kind === "fqdn" ? this.routes.to(peer).known : undefined;
  }

  /** What passes, over every possibility of what source and destination are. */
  traffic(source: Peer, destination: Peer): TrafficRange {
    const route = this.routes.to(destination);
    let result: TrafficRange | undefined;
    for (const from of this.routes.from(source)) {
      if (isImpossible(from, route)) continue;
      const range = this.#along(from, route);
      result = result === undefined ? range : eitherOf(result, range);
    }
    return result ?? everything;
  }

  /** What the policies of one end let pass, over every possibility of what source and destination are. */
  oneSide(direction: Direction, source: Peer, destination: Peer): TrafficRange {
    let result: TrafficRange | undefined;
    for (const from of this.routes.from(source)) {
      for (const to of this.routes.to(destination).direct) {
        if (contradicts(from, to)) continue;
        const range = this.direction(direction, from, to);
        result = result === undefined ? range : eitherOf(result, range);
      }
    }
    return result ?? everything;
  }

  /** What passes on a route, over every possibility of who answers there. */
  #along(source: Endpoint, { direct, ports, anyPort, sole }: Route): TrafficRange {
    let result: TrafficRange | undefined;
    for (const to of direct) {
      if (contradicts(source, to)) continue;
      const range = this.between(source, to);
      result = result === undefined ? range : eitherOf(result, range);
    }
    // behind nothing but ports: whether the node answers a ping of such an address depends on its proxy
    result ??= sole ? { must: TrafficSet.none(), may: this.#nodePing(source) } : everything;
    if (ports.length + anyPort.length === 0) return result;
    for (const [asked, translated] of this.#translated(source, ports)) {
      const now: TrafficRange = { must: result.must.intersect(asked), may: result.may.intersect(asked) };
      const then = sole ? translated : eitherOf(now, translated);
      result = {
        must: result.must.subtract(asked).union(then.must),
        may: result.may.subtract(asked).union(then.may),
      };
    }
    for (const to of anyPort) {
      const { may } = this.between(source, to);
      let open = TrafficSet.none();
      for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
        const whole = TrafficSet.protocol(protocol);
        if (!may.intersect(whole).isEmpty()) open = open.union(whole);
      }
      result = { must: result.must, may: result.may.union(open) };
    }
    return result;
  }

  /** What passes at each routed port, given that one of its backends gets the connection. */
  *#translated(source: Endpoint, ports: readonly RoutedPort[]): Iterable<readonly [TrafficSet, TrafficRange]> {
    for (const { backends, imagined, ...port } of ports) {
      const asked = TrafficSet.ports(port.protocol, port.port);
      let must = backends.length > 0 && !imagined;
      let may = false;
      for (const backend of backends) {
        if (contradicts(source, backend.endpoint)) continue;
        const range = this.between(source, backend.endpoint);
        const wanted = wantedOf(port.protocol, backend);
        must &&= backend.target !== undefined && wanted.isSubsetOf(range.must);
        may ||= !range.may.intersect(wanted).isEmpty();
      }
      yield [asked, { must: must ? asked : TrafficSet.none(), may: may ? asked : TrafficSet.none() }];
    }
  }

  #nodePing(source: Endpoint): TrafficSet {
    const icmp = TrafficSet.icmp(4).union(TrafficSet.icmp(6));
    return this.endpoints
      .anyNode()
      .map((node) => this.between(source, node).may.intersect(icmp))
      .reduce((a, b) => a.union(b), TrafficSet.none());
  }

  between(source: Endpoint, destination: Endpoint): TrafficRange {
    // a pod always reaches itself
    if (isSamePod(source, destination)) return everything;
    const egress = this.direction("egress", source, destination);
    const waypoints = this.passesWaypoints(source, destination);
    if (egress.may.isEmpty() && !waypoints) return egress;
    const carried = tunnelled(source, destination);
    const ingress = this.direction("ingress", source, destination);
    const network = intersect(throughTunnel(egress, carried), throughTunnel(ingress, carried));
    const direct =
      this.hasMesh && !network.may.isEmpty() ? intersect(network, this.mesh(source, destination)) : network;
    return waypoints && source.kind === "pod" && destination.kind === "pod"
      ? pastWaypoints(this, source, destination, direct)
      : direct;
  }

  /** What network policies let pass, of what they see. */
  network(source: Endpoint, destination: Endpoint): TrafficRange {
    const carried = tunnelled(source, destination);
    return intersect(
      throughTunnel(this.direction("egress", source, destination), carried),
      throughTunnel(this.direction("ingress", source, destination), carried),
    );
  }

  /** What the policies of the waypoints before a destination let pass. */
  waypoint(source: Endpoint, destination: Endpoint): TrafficRange {
    return evaluateRequests(
      this.waypointIndex.of(destination).ingress,
      ({ rule }) => trafficOfRule(rule, destination, source, destination, this.context),
      meshCircumstances,
    );
  }

  /** Whether a connection may pass a waypoint. */
  passesWaypoints(source: Endpoint, destination: Endpoint): boolean {
    if (!this.hasWaypoints) return false;
    return (
      source.kind === "pod" &&
      destination.kind === "pod" &&
      source !== destination &&
      usesWaypoints(source) &&
      this.isBehindWaypoint(destination)
    );
  }

  /** Whether traffic to a pod may pass a waypoint. */
  isBehindWaypoint(pod: PodEndpoint): boolean {
    let known = this.#behindWaypoint.get(pod);
    if (known === undefined) this.#behindWaypoint.set(pod, (known = isBehindWaypoint(this.snapshot, pod)));
    return known;
  }

  /** What one side lets pass. */
  direction(direction: Direction, source: Endpoint, destination: Endpoint): TrafficRange {
    const subject = direction === "ingress" ? destination : source;
    const peer = direction === "ingress" ? source : destination;
    if (!this.enforces()) return everything;
    if (direction === "ingress" && this.seesProbeAddress(subject, peer)) {
      const probe = this.endpoints.world(probeAddressOf(subject as PodEndpoint));
      return tcpOf(this.#judge(direction, probe, destination), this.#judge(direction, source, destination));
    }
    return this.#judge(direction, source, destination);
  }

  /**
   * Whether a node that connects to one of its own pods comes with istio-cni's address, for which the enforcer's exception
   * for the own node does not hold.
   */
  seesProbeAddress(subject: Endpoint, peer: Endpoint): boolean {
    const { probesComeFromMeshAddress } = this.context.profile;
    return (
      probesComeFromMeshAddress &&
      subject.kind === "pod" &&
      subject.mesh === "ambient" &&
      peer.kind === "node" &&
      peer.local
    );
  }

  #judge(direction: Direction, source: Endpoint, destination: Endpoint): TrafficRange {
    const subject = direction === "ingress" ? destination : source;
    const peer = direction === "ingress" ? source : destination;
    const ownNode = direction === "ingress" && this.isOwnNode(subject, peer);
    if (ownNode && this.context.profile.ownNodeBypassesDenies) return everything;
    const tiers = this.index.of(subject)[direction];
    const evaluated = (): TrafficRange => {
      const context = this.contextFor(direction, subject, peer);
      return evaluateTiers(
        tiers,
        ({ rule }) => trafficOfRule(rule, subject, peer, destination, context),
        this.circumstances(subject, ownNode),
      );
    };
    return direction === "egress" && subject.kind === "pod" && peer.kind === "world"
      ? this.#toOutside(tiers, peer, evaluated)
      : evaluated();
  }

  /** Pods of the same policies reach the same outside, as long as no rule says something of the pod itself. */
  #toOutside(
    tiers: readonly TierSelection[],
    peer: Extract<Endpoint, { kind: "world" }>,
    evaluated: () => TrafficRange,
  ): TrafficRange {
    let known = this.#outside.get(tiers);
    if (known === undefined) {
      const isOwn = tiers.some(({ rules }) => rules.some(({ rule }) => rule.own !== undefined));
      this.#outside.set(tiers, (known = isOwn ? "each by itself" : new Map<Endpoint, TrafficRange>()));
    }
    if (known === "each by itself") return evaluated();
    let range = known.get(peer);
    if (range === undefined) known.set(peer, (range = evaluated()));
    return range;
  }

  /**
   * What the destination's proxy lets in. In ambient mode the traffic of a pod's own node does not go through ztunnel
   * (istio-cni rewrites its source for the sake of probes); a sidecar judges it like any peer without an identity.
   */
  mesh(source: Endpoint, destination: Endpoint): TrafficRange {
    const fromOwnNode = source.kind === "node" && source.local;
    if (fromOwnNode && destination.kind === "pod" && destination.mesh === "ambient") return everything;
    if (this.#waypointDecidesName(source, destination)) return anything;
    if (destination.kind !== "pod") return everything;
    const tiers = this.meshIndex.of(destination).ingress;
    const judge = (peer: Endpoint): TrafficRange =>
      evaluateRequests(
        tiers,
        ({ rule }) => trafficOfRule(rule, destination, peer, destination, this.context),
        meshCircumstances,
      );
    return judgedBy(
      judge(source),
      () => judge(source.kind === "pod" ? this.transport.withoutIdentity(source) : source),
      this.transport.plaintext(source, destination, tiers),
      this.transport.redirected(source, destination),
    );
  }

  /** Whether a waypoint judges connections to a name (a policy for a ServiceEntry): what it says is not modelled. */
  #waypointDecidesName(source: Endpoint, destination: Endpoint): boolean {
    const hosts = this.snapshot.rules.waypointHosts ?? [];
    if (hosts.length === 0 || source.kind !== "pod" || source.mesh === undefined) return false;
    const name = destination.kind === "world" ? destination.dnsName : undefined;
    return name !== undefined && hosts.some((pattern) => matchesName(pattern, name));
  }

  /** Whether any policy of a service mesh is there. */
  get hasMesh(): boolean {
    const { mesh, waypointHosts } = this.snapshot.rules;
    return mesh.length > 0 || (waypointHosts ?? []).length > 0;
  }

  /** Whether pods or Services may be behind a waypoint. */
  get hasWaypoints(): boolean {
    return (this.snapshot.waypoints?.uses.length ?? 0) > 0;
  }

  /** What matching depends on where the subject connects to a name: whether its address is ever learned. */
  contextFor(direction: Direction, subject: Endpoint, peer: Endpoint): MatchContext {
    const named = direction === "egress" && peer.kind === "world" && peer.dnsName !== undefined;
    if (!named || !this.context.profile.namesNeedDnsRule) return this.context;
    return { ...this.context, learns: (name) => this.#learns(subject, name) };
  }

  /**
   * For certain where a DNS rule of the subject's own lets it ask for the name through the proxy. Perhaps where only others
   * may ask: what the agent learns from one pod's answer counts for all pods of the node (Cilium pkg/fqdn/namemanager).
   */
  #learns(subject: Endpoint, name: string): Tri {
    let learned: Tri = NO;
    for (const tier of this.index.of(subject).egress) {
      for (const { selection, rule } of tier.rules) {
        const asked = (rule.dnsNames ?? []).filter((pattern) => matchesName(pattern, name));
        if (asked.length === 0) continue;
        const certain = asked.some((pattern) => pattern.perhaps !== true) ? YES : MAYBE;
        learned = triOr(learned, triAnd(triAnd(selection.selected, certain), this.#asksThere(rule)));
      }
    }
    return learned === NO && this.isAskedFor(name) ? MAYBE : learned;
  }

  /** Whether any pod may ask for a name through the enforcer's DNS proxy. */
  isAskedFor(name: string): boolean {
    return this.#dnsNames.some((pattern) => matchesName(pattern, name));
  }

  /**
   * Whether questions for names go to the peers of a DNS rule: not where a local redirect sends them to other pods. It
   * does on nodes that have such a pod, so without it is never certain that it does not.
   */
  #asksThere(rule: Rule): Tri {
    for (const redirect of this.snapshot.redirects) {
      if (redirect.inForce === NO || !redirect.backendPorts.some(({ port }) => port === 53)) continue;
      for (const pod of this.routes.redirectPods(redirect)) {
        if (matchesAnyPeer(rule.peers, pod, this.context) !== YES) return MAYBE;
      }
    }
    return YES;
  }

  circumstances(subject: Endpoint, ownNode: boolean): Circumstances {
    const { profile } = this.context;
    return {
      closed: profile.enforcementMode === "always" && subject.kind === "pod",
      ownNode,
      isolationLast: profile.isolatesAfterAllTiers,
    };
  }

  /** Whether the enforcer drops anything at all. */
  enforces(): boolean {
    const { profile } = this.context;
    return profile.enforcementMode !== "never" && !profile.auditMode;
  }

  /**
   * Whether the peer is the node that the subject runs on, and may always reach it (probes). Measured: in Cilium a deny
   * rule that selects it stops it nevertheless.
   */
  isOwnNode(subject: Endpoint, peer: Endpoint): boolean {
    return subject.kind === "pod" && peer.kind === "node" && peer.local && this.context.profile.localNodeAlwaysAllowed;
  }
}

/** Whether two snapshots are the same but for the policies of the network: made of one, and nothing else exchanged. */
function differInPoliciesOnly(a: Snapshot, b: Snapshot): boolean {
  const alike = <T extends object>(one: T, other: T, except: readonly (keyof T)[]): boolean =>
    (Object.keys({ ...one, ...other }) as (keyof T)[]).every((key) => except.includes(key) || one[key] === other[key]);
  return alike(a, b, ["policies", "rules"]) && alike(a.rules, b.rules, ["policies"]);
}

/** Whether a source cannot be where the only destination is. */
function isImpossible(source: Endpoint, { direct, ports, anyPort }: Route): boolean {
  return ports.length + anyPort.length === 0 && direct.length > 0 && direct.every((to) => contradicts(source, to));
}

export const meshCircumstances: Circumstances = { closed: false, ownNode: false, isolationLast: false };

/** The traffic that a protocol and port name, whatever source and destination are: ICMP is that of both families. */
export function trafficNamed({ protocol, port }: Pick<Flow, "protocol" | "port">): TrafficSet {
  if (protocol === "ICMPv6") return TrafficSet.icmp(6, port);
  if (protocol !== "ICMP") return TrafficSet.ports(protocol, port);
  return TrafficSet.icmp(4, port).union(TrafficSet.icmp(6, port));
}

/** The traffic that a flow asks about: ICMP is ICMPv6 where the source or the destination has IPv6 addresses only. */
export function trafficOfFlow(flow: Flow, endpoints: Endpoints): TrafficSet {
  if (flow.protocol !== "ICMP") return trafficNamed(flow);
  const ends = [...endpoints.resolve(flow.source), ...endpoints.resolve(flow.destination)];
  return TrafficSet.icmp(ends.some((end) => isOnlyOf(end, 6)) ? 6 : 4, flow.port);
}

/** Whether all addresses of a peer are known, and of one family. */
function isOnlyOf(end: Endpoint, family: 4 | 6): boolean {
  const addresses =
    end.kind === "ingress" ? [] : end.kind === "world" ? (end.address ? [end.address] : []) : (end.addresses ?? []);
  return addresses.length > 0 && addresses.every((address) => address.family === family);
}

/** Whether some of the traffic asked about passes. */
export function verdictOn(range: TrafficRange, asked: TrafficSet): Verdict {
  if (!range.must.intersect(asked).isEmpty()) return "allowed";
  return range.may.intersect(asked).isEmpty() ? "denied" : "unknown";
}
