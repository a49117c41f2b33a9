/**
 * Istio's `outboundTrafficPolicy: REGISTRY_ONLY` as normalized rules: a sidecar lets out TCP to what it knows, and sends
 * everything else nowhere. Source: istio pilot/pkg/networking/core/listener_builder.go
 * (buildOutboundCatchAllNetworkFiltersOnly).
 */
import type { ObjectRef, SourcedObject } from "../model/objects";
import type { Problem } from "../model/problems";
import type { CompiledPolicy, PeerTerm, Rule } from "../model/rules";
import { tiers } from "../model/rules";
import { all, any, evaluate, inNamespace, not, perhaps, test, type Condition } from "../model/selectors/conditions";
import type { ServiceEntry as Service } from "../model/services";
import { TrafficSet } from "../model/sets/ports";
import { MAYBE, NO, triAnd, YES, type Tri } from "../model/unknown";
import { anyNodePerhaps, isExported, perhapsOf, registeredOf, routedHostsOf, type Registered } from "./mesh-registry";
import { dependsOnClient, knows, sidecarScopesOf, type SidecarScope } from "./sidecar-scopes";

const tcp = TrafficSet.protocol("TCP");

/** Whose sidecar takes all TCP that they send. */
const captured = test("sidecarOutbound", "", "in", "all");

/** What the policies of a mesh for what leaves it are made from. */
interface Grounds {
  readonly registered: readonly Registered[];
  readonly routed: ReadonlySet<string>;
  readonly namespaces: readonly string[];
  /** For pods of namespaces of which no Service was read. */
  readonly unread: Rule;
}

/**
 * A policy for each scope that is REGISTRY_ONLY, or one for each namespace where it knows other services for each.
 *
 * @param namespaces Names of all namespaces that pods may be in.
 * @param report Is told once what is not known.
 */
export function meshEgressOf(
  objects: readonly SourcedObject[],
  services: readonly Service[],
  namespaces: readonly string[],
  rootNamespace: string,
  report: (problem: Problem) => void,
): CompiledPolicy[] {
  const closing = sidecarScopesOf(objects, rootNamespace).filter(({ registryOnly }) => registryOnly !== NO);
  const [first] = closing;
  if (first === undefined) return [];
  const read = new Set(services.map(({ namespace }) => namespace));
  const unread = namespaces.filter((name) => !read.has(name));
  const problems: Problem[] = [];
  const grounds: Grounds = {
    registered: registeredOf(objects, services, problems),
    routed: routedHostsOf(objects),
    namespaces,
    unread: passing(
      [perhapsOf({ kind: "pods", where: not(any(...[...read].map(inNamespace))) })],
      { must: tcp, may: tcp, named: [] },
      first.path,
    ),
  };
  problems.forEach(report);
  if (unread.length > 0) report(aboutUnread(first, unread));
  return closing.flatMap((scope) => policiesOf(scope, grounds));
}

/** So many namespaces appear in a message. */
const shown = 5;

function aboutUnread({ origin, path }: SidecarScope, unread: readonly string[]): Problem {
  const { apiVersion, kind, name, namespace, source } = origin;
  const object: ObjectRef = { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
  const names = [...unread].sort();
  const more = names.length > shown ? ` and ${names.length - shown} others` : "";
  return {
    code: "unsupported",
    message: `REGISTRY_ONLY: no Service of ${names.slice(0, shown).join(", ")}${more} was read, so whether sidecars reach pods there is not known`,
    object,
    ...(source === undefined ? {} : { source }),
    path,
    affectsVerdicts: true,
  };
}

function policiesOf(scope: SidecarScope, grounds: Grounds): CompiledPolicy[] {
  const policy = (where: Condition, client: string | undefined): CompiledPolicy => ({
    origin: scope.origin,
    tier: tiers.meshEgress,
    order: 0,
    subject: { kind: "pods", where: all(where, scope.where, captured, scope.registryOnly === MAYBE ? perhaps : all()) },
    egress: { isolates: NO, rules: rulesOf(scope, client, grounds) },
  });
  const differs = dependsOnClient(scope) || grounds.registered.some(({ exportTo }) => exportTo.length > 0);
  if (scope.namespace !== undefined || !differs) return [policy(all(), scope.namespace)];
  const known = grounds.namespaces.filter((name) => couldHold(scope, name));
  return [
    ...known.map((name) => policy(inNamespace(name), name)),
    policy(not(any(...grounds.namespaces.map(inNamespace))), undefined),
  ];
}

/** Whether some pod of a namespace may be of a scope. */
function couldHold({ where }: SidecarScope, namespace: string): boolean {
  return evaluate(where, (field) => (field === "namespace" ? namespace : undefined)) !== NO;
}

function rulesOf(scope: SidecarScope, client: string | undefined, { registered, routed, unread }: Grounds): Rule[] {
  const { path } = scope;
  const rules: Rule[] = [];
  for (const each of registered) {
    const exported = isExported(each, client);
    if (exported === NO) continue;
    for (const { port, ways } of each.ports) {
      const known = triAnd(port === undefined ? MAYBE : exported, knownBy(scope, client, each, port, routed));
      if (known === NO) continue;
      for (const { peers, l4 } of ways) {
        rules.push(passing(known === YES ? peers : peers.map((peer) => perhapsOf(peer)), l4, path));
      }
    }
  }
  const rest: Rule = {
    direction: "egress",
    verdict: "deny",
    peers: [{ kind: "any" }],
    l4: { must: tcp, may: tcp, named: [] },
    path,
  };
  return [...rules, passing([anyNodePerhaps], rest.l4, path), unread, rest];
}

/** Whether the proxies of a scope know a port of something; perhaps where only a route leads there. */
export function knownBy(
  scope: SidecarScope,
  client: string | undefined,
  target: { readonly namespace: string; readonly host: string },
  port: number | undefined,
  routed: ReadonlySet<string>,
): Tri {
  const known = knows(scope, client, target, port);
  return known === NO && routed.has(target.host) ? MAYBE : known;
}

function passing(peers: readonly PeerTerm[], l4: Rule["l4"], path: string): Rule {
  return { direction: "egress", verdict: "pass", peers, l4, path, implied: true };
}
