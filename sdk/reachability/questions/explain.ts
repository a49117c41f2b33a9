/** Why a flow passes or not: the ordered chain of rules on both sides, what decided, and why the others did not. */
import { probeAddressOf, seenInTunnel, tunnelled } from "../engine/tunnel";
import { isSamePod, type Endpoint } from "../engine/endpoints";
import { trafficOfFlow, verdictOn, type Engine } from "../engine/engine";
import { contradicts, wantedOf, type Route } from "../engine/routes";
import { describeRef, type ObjectRef } from "../model/objects";
import { TrafficSet } from "../model/sets/ports";
import { NO, YES, type Tri } from "../model/unknown";
import type { DirectionExplanation, Explanation, FlipHint, Flow, RuleRef, Verdict } from "../model/verdicts";
import type { Direction } from "../model/direction";
import { describeEnd } from "./ends";
import { describeRule } from "./rule-refs";
import { missText, walkTiers, type Walk } from "./tier-walk";

export function explainFlow(engine: Engine, flow: Flow): Explanation {
  const asked = trafficOfFlow(flow, engine.endpoints);
  const traffic = engine.traffic(flow.source, flow.destination);
  const verdict = verdictOn(traffic, asked);
  const [source, destination, arriving] = tellingEnds(engine, flow, asked, verdict);
  const carried = tunnelled(source, destination);
  // network policies see what carries the connection
  const onNetwork = carried === YES ? seenInTunnel(arriving) : arriving;
  const layers = {
    egress: inTunnel(explainDirection(engine, onNetwork, "egress", source, destination), carried),
    ingress: inTunnel(explainDirection(engine, onNetwork, "ingress", source, destination), carried),
    ...(engine.hasMesh || engine.passesWaypoints(source, destination)
      ? { mesh: explainMesh(engine, arriving, source, destination) }
      : {}),
  };
  const resolved = resolutionOf(engine, flow, destination, arriving, asked);
  return {
    flow,
    verdict,
    ...(resolved === undefined ? {} : { resolved }),
    ...layers,
    traffic: { allowed: traffic.must, possible: traffic.may },
    flip: flipHints(verdict, [
      [layers.egress, onNetwork],
      [layers.ingress, onNetwork],
      ...(layers.mesh === undefined ? [] : [[layers.mesh, arriving] as const]),
    ]),
  };
}

/** Says that ztunnel carries the connection: otherwise a policy for the application's port looks as if it allowed it. */
function inTunnel(explanation: DirectionExplanation, carried: Tri): DirectionExplanation {
  if (carried === NO || explanation.chain.length + explanation.isolatedBy.length === 0) return explanation;
  const how = carried === YES ? "carries" : "may carry";
  const note = `ztunnel ${how} TCP between these pods to port 15008 (HBONE): network policies see that port, not the application's`;
  return { ...explanation, reason: `${explanation.reason}; ${note}` };
}

type TellingEnds = readonly [source: Endpoint, destination: Endpoint, arriving: TrafficSet];

/**
 * Of several possibilities (a pod on the host network is the local node or another, a Service has several pods) one that has
 * the verdict, with what arrives there of the traffic asked about: behind a Service another port.
 */
function tellingEnds(engine: Engine, flow: Flow, asked: TrafficSet, verdict: Verdict): TellingEnds {
  let first: TellingEnds | undefined;
  const sources = engine.routes.from(flow.source);
  for (const source of sources) {
    for (const [destination, arriving] of arrivals(engine.routes.to(flow.destination), asked)) {
      if (contradicts(source, destination)) continue;
      first ??= [source, destination, arriving];
      const own = verdictOn(engine.between(source, destination), arriving);
      if (own === verdict || (verdict === "unknown" && own === "denied")) return [source, destination, arriving];
    }
  }
  if (first !== undefined) return first;
  // an address at which nobody answers on the port asked about
  const [source] = sources;
  const nobody: Endpoint = { kind: "world", name: "nobody", address: undefined, apiServer: NO };
  if (source === undefined) throw new RangeError("an end of the flow is nothing at all");
  return [source, nobody, asked];
}

/** Who may get the connection, and on which ports. */
function* arrivals(
  { direct, ports, anyPort, sole }: Route,
  asked: TrafficSet,
): Iterable<readonly [Endpoint, TrafficSet]> {
  for (const { backends, ...port } of ports) {
    if (TrafficSet.ports(port.protocol, port.port).intersect(asked).isEmpty()) continue;
    for (const backend of backends) yield [backend.endpoint, wantedOf(port.protocol, backend)];
  }
  for (const endpoint of [...direct, ...(sole ? anyPort : [])]) yield [endpoint, asked];
}

/** What source and destination are in the cluster, and what policies see; nothing where they are what they are called. */
function resolutionOf(
  engine: Engine,
  flow: Flow,
  destination: Endpoint,
  arriving: TrafficSet,
  asked: TrafficSet,
): string | undefined {
  const texts = (["source", "destination"] as const).flatMap((end) => {
    const known = engine.knownAs(flow[end]);
    return known === undefined ? [] : [`${describeEnd(flow[end])} is ${known}`];
  });
  if (engine.routes.to(flow.destination).ports.length > 0 && arriving !== asked) {
    texts.push(`policies see ${destination.name} on ${arriving.toString()}`);
  }
  return texts.length === 0 ? undefined : texts.join("; ");
}

function explainDirection(
  engine: Engine,
  asked: TrafficSet,
  direction: Direction,
  source: Endpoint,
  destination: Endpoint,
): DirectionExplanation {
  const subject = direction === "ingress" ? destination : source;
  const peer = direction === "ingress" ? source : destination;
  const verdict = verdictOn(engine.direction(direction, source, destination), asked);
  const base = { direction, subject: nameOf(subject), verdict };
  const plain = (reason: string): DirectionExplanation => ({
    ...base,
    isolatedBy: [],
    reason,
    chain: [],
    notSelecting: [],
  });
  if (subject.kind === "world") return plain("outside the cluster: no policy applies here");
  if (isSamePod(source, destination)) return plain("a pod always reaches itself");
  if (!engine.enforces()) return plain("the enforcer drops nothing: enforcement is off, or only audited");
  const ownNode = direction === "ingress" && engine.isOwnNode(subject, peer);
  if (ownNode && engine.context.profile.ownNodeBypassesDenies)
    return plain("the pod's own node always reaches it (probes)");
  const { closed, isolationLast } = engine.circumstances(subject, ownNode);
  const side = { direction, subject, peer, asked };
  const walk = walkTiers(engine, engine.index, side, isolationLast);
  if (subject.kind === "pod" && direction === "ingress" && engine.seesProbeAddress(subject, peer)) {
    const probe = engine.endpoints.world(probeAddressOf(subject));
    const seen = walkTiers(engine, engine.index, { ...side, peer: probe }, isolationLast);
    const note = `in ambient mode TCP of the pod's own node comes from ${probe.name}, an address of the world to Cilium`;
    const by = seen.isolatedBy.length > 0 ? `isolated by ${list(seen.isolatedBy)}; ${noRule(seen)}` : "it passes";
    const told = finish(base, seen, by);
    return { ...told, reason: `${told.reason}; ${note}` };
  }
  const defaultReason =
    walk.isolatedBy.length > 0 && !ownNode && verdict === "allowed"
      ? `whether ${list(walk.isolatedBy)} selects it is not known; it passes either way`
      : walk.isolatedBy.length > 0 && !ownNode
        ? `isolated by ${list(walk.isolatedBy)}; ${noRule(walk)}`
        : ownNode
          ? "the pod's own node always reaches it (probes) unless a deny rule selects it"
          : closed
            ? "enforcement mode always: isolated; no rule allows it"
            : subject.kind === "node"
              ? "a node: policies for pods do not apply to it"
              : walk.chain.length === 0
                ? `no policy selects it for ${direction}: everything passes`
                : `no rule decides, and no policy isolates it for ${direction}: it passes`;
  return finish(base, walk, defaultReason);
}

function explainMesh(engine: Engine, asked: TrafficSet, source: Endpoint, destination: Endpoint): DirectionExplanation {
  const verdict = verdictOn(engine.mesh(source, destination), asked);
  const base = { direction: "ingress" as const, subject: nameOf(destination), verdict };
  const arrival = arrivalOf(engine, asked, source, destination);
  if (arrival.bypasses) {
    const reason = "TCP on this port is not redirected to the pod's proxy: no policy of the mesh applies to it";
    return { ...base, isolatedBy: [], reason, chain: [], notSelecting: [] };
  }
  const { client } = arrival;
  const side = { direction: "ingress", subject: destination, peer: client, asked } as const;
  const walk = walkTiers(engine, engine.meshIndex, side, false);
  const outside = destination.kind !== "pod" || destination.mesh === undefined;
  const reason = outside
    ? "not in the mesh: its policies do not apply"
    : walk.isolatedBy.length > 0
      ? `${list(walk.isolatedBy)} allow only what a rule names; none names this`
      : "no policy of the mesh decides: it passes";
  const plain = finish(base, walk, reason);
  const told =
    client === source
      ? plain
      : { ...plain, reason: `${plain.reason}; the client sends plaintext here, so it comes without its identity` };
  return engine.passesWaypoints(source, destination) ? pastWaypoint(engine, told, asked, source, destination) : told;
}

/** How a connection comes to the destination's proxy: past it, or from a client with or without its identity. */
function arrivalOf(
  engine: Engine,
  asked: TrafficSet,
  source: Endpoint,
  destination: Endpoint,
): { readonly client: Endpoint; readonly bypasses: boolean } {
  if (destination.kind !== "pod") return { client: source, bypasses: false };
  const { transport } = engine;
  if (asked.intersect(transport.redirected(source, destination).may).isEmpty() && destination.mesh !== undefined) {
    return { client: source, bypasses: asked.isSubsetOf(TrafficSet.protocol("TCP")) };
  }
  const plaintext = transport.plaintext(source, destination, engine.meshIndex.of(destination).ingress);
  const plain = source.kind === "pod" && asked.isSubsetOf(plaintext.must);
  return { client: plain ? transport.withoutIdentity(source) : source, bypasses: false };
}

/** Adds what waypoints do to the connection, or may do: those who connect to the pod's own address pass them by. */
function pastWaypoint(
  engine: Engine,
  told: DirectionExplanation,
  asked: TrafficSet,
  source: Endpoint,
  destination: Endpoint,
): DirectionExplanation {
  const side = { direction: "ingress", subject: destination, peer: source, asked } as const;
  const walk = walkTiers(engine, engine.waypointIndex, side, false);
  const open = "no policy of the waypoint decides: it passes";
  const closed = `${list(walk.isolatedBy)} allow only what a rule names; none names this`;
  const atWaypoint = finish(told, walk, walk.isolatedBy.length > 0 ? closed : open);
  const verdict = verdictOn(engine.between(source, destination), asked);
  return {
    ...told,
    verdict: verdict === "denied" ? told.verdict : verdict,
    isolatedBy: [...told.isolatedBy, ...walk.isolatedBy],
    chain: [...told.chain, ...walk.chain],
    notSelecting: [...told.notSelecting, ...walk.notSelecting],
    reason: `${told.reason}; through the waypoint: ${atWaypoint.reason}`,
  };
}

function finish(
  base: { direction: Direction; subject: string; verdict: Verdict },
  walk: Walk,
  defaultReason: string,
): DirectionExplanation {
  const { isolatedBy, chain, notSelecting, deciding, disagreeing } = walk;
  if (disagreeing !== undefined) {
    const names = disagreeing.map(describeRule).join(" and ");
    const outcome =
      base.verdict === "unknown" ? "" : `; either way it is ${base.verdict === "allowed" ? "allowed" : "denied"}`;
    const reason = `${names} have the same priority and disagree: the API leaves open which of them counts${outcome}`;
    return { ...base, isolatedBy, reason, chain, notSelecting };
  }
  if (deciding === undefined) {
    const doubt = base.verdict === "unknown" ? `; ${whatIsNotKnown(walk)}` : "";
    return { ...base, isolatedBy, reason: `${defaultReason}${doubt}`, chain, notSelecting };
  }
  const does = { allow: "allows", deny: "denies", pass: "passes on" }[deciding.verdict];
  return { ...base, isolatedBy, deciding, reason: `${describeRule(deciding)} ${does} it`, chain, notSelecting };
}

/** The rules that may be about the flow, where there are some. */
function whatIsNotKnown(walk: Walk): string {
  const [rule, ...others] = perhaps(walk);
  if (rule === undefined) return "something it depends on is not known";
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return `whether ${describeRule(rule)}${more} is about it is not known`;
}

function perhaps({ chain }: Walk): RuleRef[] {
  return chain.filter(({ outcome }) => outcome === "maybe-matched").map(({ rule }) => rule);
}

function noRule(walk: Walk): string {
  const { unlearned } = walk;
  return unlearned === undefined
    ? `no rule allows it${perhaps(walk).some(({ verdict }) => verdict === "allow") ? " for certain" : ""}`
    : `${describeRule(unlearned)} names it, but ${missText.unlearned} (add rules.dns to the rule that lets it ask DNS)`;
}

/** The smallest change of a rule or a policy that would turn the verdict around. */
function flipHints(
  verdict: Verdict,
  layers: readonly (readonly [explanation: DirectionExplanation, asked: TrafficSet])[],
): FlipHint[] {
  const directions = layers.map(([explanation]) => explanation);
  if (verdict === "unknown") return [];
  if (verdict === "allowed") {
    // one closed side is enough: the most specific rule that lets it pass
    const [by, asked] = layers.find(([each]) => each.deciding?.verdict === "allow") ?? [];
    if (by?.deciding !== undefined && asked !== undefined) {
      const { policy, path, direction } = by.deciding;
      return [
        { direction, policy, path, text: `take this peer or ${asked.toString()} out of ${describeRule(by.deciding)}` },
      ];
    }
    const open = directions.find((each) => each.subject !== "none" && each.direction === "ingress") ?? directions[0];
    return open === undefined
      ? []
      : [
          {
            direction: open.direction,
            text: `add a policy that selects ${open.subject} and isolates it for ${open.direction}`,
          },
        ];
  }
  // every side that denies has to change
  return layers.filter(([each]) => each.verdict === "denied").map(([each, asked]) => opening(each, asked));
}

/** Kinds that close egress only by what sidecars are told of the mesh's services: Sidecar, and what configures istiod. */
const sidecarPolicies: ReadonlySet<string> = new Set([
  "Sidecar",
  "ConfigMap",
  "Release",
  "HelmRelease",
  "Chart",
  "HelmChart",
  "Application",
  "IstioOperator",
  "Istio",
]);

function opening(explanation: DirectionExplanation, asked: TrafficSet): FlipHint {
  const { direction, deciding } = explanation;
  if (deciding !== undefined) {
    const text =
      direction === "egress" && sidecarPolicies.has(deciding.policy.kind)
        ? `name the destination in a Service or a ServiceEntry that the client's sidecar knows, or change outboundTrafficPolicy in ${describeRef(deciding.policy)}`
        : `narrow or remove ${describeRule(deciding)}`;
    return { direction, policy: deciding.policy, path: deciding.path, text };
  }
  const unlearned = explanation.chain.find(({ because }) => because === "unlearned")?.rule;
  if (unlearned !== undefined) {
    return {
      direction,
      policy: unlearned.policy,
      path: unlearned.path,
      text: `add rules.dns for the name to the rule that lets ${explanation.subject} ask DNS`,
    };
  }
  const near = (because: "port" | "peer"): RuleRef | undefined =>
    explanation.chain.find((step) => step.because === because && step.rule.verdict === "allow")?.rule;
  const port = near("port");
  if (port !== undefined) {
    return {
      direction,
      policy: port.policy,
      path: port.path,
      text: `add ${asked.toString()} to the ports of ${describeRule(port)}`,
    };
  }
  const peer = near("peer");
  if (peer !== undefined) {
    return {
      direction,
      policy: peer.policy,
      path: peer.path,
      text: `add the other end to the peers of ${describeRule(peer)}`,
    };
  }
  const [policy] = explanation.isolatedBy;
  const text = `add a policy that allows ${asked.toString()} for ${direction} at ${explanation.subject}`;
  return policy === undefined ? { direction, text } : { direction, policy, text };
}

function nameOf(endpoint: Endpoint): string {
  return endpoint.kind === "world" ? "none" : endpoint.name;
}

function list(refs: readonly ObjectRef[]): string {
  const names = [...new Set(refs.map(describeRef))];
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
