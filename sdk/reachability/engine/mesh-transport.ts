/**
 * How connections reach a pod's proxy: which TCP is redirected to it, and on which ports a client of the mesh comes without
 * its identity. Source: istio pilot/pkg/xds/endpoints/mtls_checker.go, tools/istio-iptables/pkg/capture/run.go.
 */
import type { Snapshot } from "../model/snapshot";
import { MeshServices, type MeshService } from "../readers/mesh-services";
import { hostOf, routedHostsOf } from "../readers/mesh-registry";
import { knownBy } from "../readers/mesh-egress";
import { sidecarScopesOf, type SidecarScope } from "../readers/sidecar-scopes";
import type { OutboundCapture, Redirected } from "../model/mesh";
import { evaluate } from "../model/selectors/conditions";
import { labelOf } from "../model/selectors/labels";
import { AddressSet, type Address } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, triAnd, triNot, triOr, YES, type Tri } from "../model/unknown";
import { tiers } from "../model/rules";
import { podLookup, type Endpoint, type PodEndpoint } from "./endpoints";
import { evaluateTiers, resolvePorts, type TierSelection } from "./evaluate";
import { nothing, subtract, unite, when, type TrafficRange } from "./traffic-range";
import { tunnelled } from "./tunnel";

const tcp = TrafficSet.protocol("TCP");
const allTcp: TrafficRange = { must: tcp, may: tcp };
const someTcp: TrafficRange = { must: TrafficSet.none(), may: tcp };

/** A port by which clients dial a pod, directly or through a Service. */
interface Dialled {
  readonly service: MeshService | undefined;
  readonly port: number;
  readonly targets: TrafficSet;
}

export class MeshTransport {
  #services: MeshServices | undefined;
  #scopes: readonly SidecarScope[] | undefined;
  #routed: ReadonlySet<string> | undefined;
  readonly #dialled = new Map<PodEndpoint, readonly Dialled[]>();
  readonly #plain = new Map<PodEndpoint, PodEndpoint>();
  readonly #unspoken = new Map<readonly TierSelection[], TrafficRange>();
  readonly #opaque = new Map<PodEndpoint, TrafficSet>();

  constructor(private readonly snapshot: Snapshot) {}

  get services(): MeshServices {
    return (this.#services ??= new MeshServices(
      this.snapshot.others,
      this.snapshot.profile.meshRootNamespace,
      this.snapshot.profile.meshAutoMtls !== false,
    ));
  }

  /** What Sidecars and the mesh's configuration tell clients of services. */
  get #sidecars(): readonly SidecarScope[] {
    const { others, profile } = this.snapshot;
    return (this.#scopes ??= sidecarScopesOf(others, profile.meshRootNamespace));
  }

  /** Whether it depends on the destination's Service how a client connects. */
  get asksServices(): boolean {
    return this.services.hasRules || this.#sidecars.length > 0;
  }

  /** The same pod as a proxy sees it that gets plaintext: without an identity. */
  withoutIdentity(pod: PodEndpoint): PodEndpoint {
    if (pod.mesh === undefined) return pod;
    let plain = this.#plain.get(pod);
    if (plain === undefined) this.#plain.set(pod, (plain = { ...pod, mesh: undefined }));
    return plain;
  }

  /** TCP of a connection that the destination's proxy gets, by its annotations. */
  redirected(source: Endpoint, destination: PodEndpoint): Redirected {
    const { mesh, inbound, bypassesZtunnel } = destination;
    if (mesh === undefined) return allTcp;
    if (mesh === "gateway" || mesh === "waypoint") return allTcp;
    if (mesh === "sidecar") return inbound;
    // through the tunnel it reaches ztunnel whatever the annotation says
    const carried = tunnelled(source, destination);
    const ambient: Redirected =
      bypassesZtunnel === NO || carried === YES
        ? allTcp
        : bypassesZtunnel === YES && carried === NO
          ? nothing
          : someTcp;
    if (mesh === "ambient") return ambient;
    return { must: ambient.must.intersect(inbound.must), may: ambient.may.union(inbound.may) };
  }

  /** TCP on which a client of the mesh comes without its identity. */
  plaintext(source: Endpoint, destination: PodEndpoint, transport: readonly TierSelection[]): TrafficRange {
    if (source.kind !== "pod" || source.mesh === undefined || destination.mesh === undefined) return nothing;
    if (destination.mesh === "ambient") return this.#fromClient(source, destination);
    if (destination.mesh === "gateway" || destination.mesh === "waypoint") {
      // a gateway takes what its Gateway says: mutual TLS of the mesh, or anything else
      return destination.mesh === "waypoint" ? nothing : someTcp;
    }
    const own = this.#unspokenAt(destination, transport);
    const bySource = source.mesh === "ambient" || isUnknown(source.mesh) || isUnknown(destination.mesh);
    return unite(bySource ? when(MAYBE, own) : own, this.#fromClient(source, destination));
  }

  /** TCP on which a sidecar takes plaintext only, so that clients send nothing else. */
  #unspokenAt(destination: PodEndpoint, transport: readonly TierSelection[]): TrafficRange {
    const mode = labelOf(destination.labels, "security.istio.io/tlsMode");
    if (mode !== undefined && mode !== "istio") return isUnknown(mode) ? someTcp : allTcp;
    const known = this.#unspoken.get(transport);
    if (known !== undefined) return known;
    const modes = transport
      .filter(({ tier }) => tier.id === tiers.meshTransport.id)
      .map((each) => ({
        ...each,
        rules: each.rules
          .filter(({ rule }) => rule.verdict === "pass")
          .map((of) => (of.rule.plaintext === true ? { ...of, rule: { ...of.rule, verdict: "deny" as const } } : of)),
      }));
    const spoken = evaluateTiers(modes, ({ rule }) => resolvePorts(rule.l4, destination), {
      closed: false,
      ownNode: false,
      isolationLast: false,
    });
    const result = subtract(allTcp, spoken);
    this.#unspoken.set(transport, result);
    return result;
  }

  /** What the client's side makes of it: ports that its sidecar does not take, DestinationRules. */
  #fromClient(source: PodEndpoint, destination: PodEndpoint): TrafficRange {
    const sidecar = source.mesh === "sidecar" || isUnknown(source.mesh);
    const outbound = sidecar ? source.outbound : undefined;
    const asked = source.mesh !== "ambient" && source.mesh !== "waypoint" && this.asksServices;
    if (outbound === undefined && !asked) return nothing;
    const dialled = this.dialled(destination);
    let byService = nothing;
    let covered = TrafficSet.none();
    let certain = tcp;
    for (const each of dialled) {
      const plain = this.#dialsPlain(source, destination, each, outbound, asked);
      covered = covered.union(each.targets);
      byService = unite(byService, when(plain, { must: each.targets, may: each.targets }));
      // by another Service the client may come with its identity
      if (plain !== YES) certain = certain.subtract(each.targets);
    }
    const through: TrafficRange = { must: byService.must.intersect(certain), may: byService.may };
    const uncovered = tcp.subtract(covered);
    const direct =
      asked && this.services.directTls === "plaintext"
        ? { must: uncovered, may: uncovered }
        : outbound === undefined
          ? nothing
          : this.#direct(outbound, destination, uncovered);
    const result = unite(through, direct);
    return isUnknown(source.mesh) ? when(MAYBE, result) : result;
  }

  #dialsPlain(
    source: PodEndpoint,
    destination: PodEndpoint,
    { service, port }: Dialled,
    outbound: OutboundCapture | undefined,
    asked: boolean,
  ): Tri {
    let result: Tri = NO;
    if (outbound !== undefined) {
      const addresses = service === undefined || service.headless ? destination.addresses : service.addresses;
      result = escapes(outbound, port, addresses);
    }
    if (asked && service !== undefined) {
      const namespace = isUnknown(source.namespace) ? "" : source.namespace;
      const tls = this.services.clientTls({ namespace, lookup: podLookup(source) }, service, port);
      if (tls === "plaintext") result = YES;
      if (tls === "unknown") result = triOr(result, MAYBE);
      // to an address that the proxy does not know it sends what it gets
      if (result !== YES && source.mesh === "sidecar") result = triOr(result, this.#isHidden(source, service, port));
    }
    return result;
  }

  /** Whether the client's sidecar is not told of a Service. */
  #isHidden(source: PodEndpoint, service: MeshService, port: number): Tri {
    const lookup = podLookup(source);
    const client = isUnknown(source.namespace) ? undefined : source.namespace;
    this.#routed ??= routedHostsOf(this.snapshot.others);
    const routed = this.#routed;
    const target = { namespace: service.namespace, host: hostOf(service) };
    return this.#sidecars.reduce<Tri>((result, scope) => {
      const hides = triNot(knownBy(scope, client, target, port, routed));
      return triOr(result, triAnd(evaluate(scope.where, lookup), hides));
    }, NO);
  }

  #direct(outbound: OutboundCapture, destination: PodEndpoint, ports: TrafficSet): TrafficRange {
    const excluded = outbound.excludedPorts.intersect(ports);
    const included = outbound.includedPorts.subtract(outbound.excludedPorts).intersect(ports);
    const rest = ports.subtract(excluded).subtract(included);
    const off = outbound.off;
    const byRange = triOr(off, outsideRanges(outbound, destination.addresses));
    return unite(
      unite({ must: excluded, may: excluded }, when(off, { must: included, may: included })),
      when(byRange, { must: rest, may: rest }),
    );
  }

  /** The ports by which Services lead to a pod. */
  dialled(destination: PodEndpoint): readonly Dialled[] {
    let known = this.#dialled.get(destination);
    if (known === undefined) {
      known = this.services
        .of(podLookup(destination))
        .flatMap(({ service }) =>
          service.ports.map(({ port, target }) => ({ service, port, targets: targetsOf(destination, target) })),
        );
      this.#dialled.set(destination, known);
    }
    return known;
  }

  /**
   * Ports whose protocol is known not to be HTTP, by the Services that lead to them: there Istio leaves HTTP's part of a
   * rule out (istio pkg/config/kube/conversion.go, ConvertProtocol).
   */
  opaque(destination: PodEndpoint): TrafficSet {
    let known = this.#opaque.get(destination);
    if (known === undefined) {
      let closed = TrafficSet.none();
      let open = TrafficSet.none();
      for (const { service, selected } of this.services.of(podLookup(destination))) {
        for (const { port, target, protocol } of service.ports) {
          const targets = targetsOf(destination, target);
          if (selected === YES && isOpaque(protocol, port)) closed = closed.union(targets);
          else open = open.union(targets);
        }
      }
      known = closed.subtract(open);
      this.#opaque.set(destination, known);
    }
    return known;
  }
}

/**
 * What a proxy lets in: judged by the client's identity, without one where it sends plaintext, and not at all where the
 * connection is not redirected to the proxy.
 */
export function judgedBy(
  identified: TrafficRange,
  anonymous: () => TrafficRange,
  plaintext: TrafficRange,
  redirected: Redirected,
): TrafficRange {
  let { must, may } = identified;
  if (!plaintext.may.isEmpty()) {
    const plain = anonymous();
    must = must.subtract(plaintext.may).union(plain.must.intersect(plaintext.must)).union(must.intersect(plain.must));
    may = may.subtract(plaintext.must).union(plain.may.intersect(plaintext.may));
  }
  return {
    must: must.union(tcp.subtract(redirected.may)),
    may: may.union(tcp.subtract(redirected.must)),
  };
}

/** Whether a sidecar leaves a connection to a port and address alone. Ports count before ranges. */
function escapes(outbound: OutboundCapture, port: number, addresses: readonly Address[] | undefined): Tri {
  const asked = TrafficSet.ports("TCP", port);
  if (outbound.off === YES || asked.isSubsetOf(outbound.excludedPorts)) return YES;
  const rest = asked.isSubsetOf(outbound.includedPorts) ? NO : outsideRanges(outbound, addresses);
  return triOr(outbound.off, rest);
}

function outsideRanges(outbound: OutboundCapture, addresses: readonly Address[] | undefined): Tri {
  const excluded = inside(outbound.excludedRanges, addresses);
  const included = outbound.includedRanges === undefined ? YES : inside(outbound.includedRanges, addresses);
  return triOr(excluded, triNot(included));
}

/** Whether addresses lie in a set; where they are not known, only an empty set and a full one say so. */
function inside(set: AddressSet, addresses: readonly Address[] | undefined): Tri {
  if (set.isEmpty()) return NO;
  if (addresses === undefined) return AddressSet.allV4.isSubsetOf(set) ? YES : MAYBE;
  const hits = addresses.filter((address) => set.contains(address)).length;
  return hits === 0 ? NO : hits === addresses.length ? YES : MAYBE;
}

function targetsOf(destination: PodEndpoint, target: number | string): TrafficSet {
  if (typeof target === "number") {
    return target >= 1 && target <= 65535 ? TrafficSet.ports("TCP", target) : TrafficSet.none();
  }
  return destination.ports
    .filter(({ name, protocol }) => name === target && protocol === "TCP")
    .reduce((set, { port }) => set.union(TrafficSet.ports("TCP", port)), TrafficSet.none());
}

/** Protocols that Istio treats as a byte stream, by the names it knows (istio pkg/config/protocol/instance.go). */
const streams: ReadonlySet<string> = new Set(["tcp", "https", "tls", "mongo", "mysql", "redis"]);
const http: ReadonlySet<string> = new Set(["http", "http2", "grpc", "grpc-web", "http_proxy"]);
/** Ports on which the server speaks first, so that nothing is guessed there. */
const serverFirst: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

function isOpaque(name: string | undefined, port: number): boolean {
  if (name === "kubernetes.io/wss") return true;
  if (name === "kubernetes.io/h2c" || name === "kubernetes.io/ws") return false;
  const text = (name ?? "").toLowerCase();
  const first = text.startsWith("grpc-web") ? "grpc-web" : (text.split("-")[0] ?? "");
  if (streams.has(first)) return true;
  return !http.has(first) && serverFirst.has(port);
}
