/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, cilium.io/v2.
 * Source: pkg/policy/api (rule_validation.go, selector.go, entity.go), pkg/k8s/apis/cilium.io/utils, pkg/policy/repository.go,
 * and what a real agent was measured to do.
 */
import type { CompiledPolicy, DirectionRules, PeerTerm, Rule, RuleVerdict, Subject } from "../model/rules";
import { tiers } from "../model/rules";
import { all, always, perhaps } from "../model/selectors/conditions";
import { MAYBE, tri, type Tri } from "../model/unknown";
import type { Direction } from "../model/direction";
import { anyPeer, Refused, uncertainPolicy, uncertainRule, type PolicyReader } from "./common";
import { inNamespace } from "../model/selectors/conditions";
import { readCiliumPeers } from "./cilium-peers";
import { ciliumKey, mentions, namespaceKey, withoutMatchLabel, type CiliumScope } from "./cilium-selectors";
import { readCiliumTraffic } from "./cilium-ports";
import { onlyFields, readBoolean, readList, readMap, required, type Fields } from "./fields";
import { uncertainTraffic } from "./l4";
import { readLabelSelector } from "./label-selector";

const sections = ["ingress", "ingressDeny", "egress", "egressDeny"] as const;

export const readCiliumPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const clusterwide = origin.kind === "CiliumClusterwideNetworkPolicy";
  const scope: CiliumScope = { namespace: clusterwide ? undefined : namespace, reader, context };
  const specs: [unknown, string][] = [];
  if (origin.object.spec !== undefined && origin.object.spec !== null) specs.push([origin.object.spec, "spec"]);
  const reach = clusterwide ? always : inNamespace(namespace);
  const uncertain = (): CompiledPolicy[] => [uncertainPolicy(origin, reach, tiers.normal, true)];
  return reader.attempt(() => {
    const more = readList(origin.object["specs"], "specs") ?? [];
    specs.push(...more.map((spec, index): [unknown, string] => [spec, `specs[${index}]`]));
    if (specs.length === 0) {
      reader.notEnforced("the policy has neither spec nor specs: it has no effect", "spec");
      return [];
    }
    try {
      return specs.flatMap(([spec, path]) =>
        reader.attempt(() => {
          const policy = readSpec(spec, path, origin, scope);
          return policy === undefined ? [] : [policy];
        }, uncertain),
      );
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // the agent refuses the whole object for one invalid part
      reader.notEnforced(error.reason, undefined, error.message);
      return [];
    }
  }, uncertain);
};

function readSpec(
  value: unknown,
  path: string,
  origin: CompiledPolicy["origin"],
  scope: CiliumScope,
): CompiledPolicy | undefined {
  const { reader, context } = scope;
  const spec = required(readMap(value, path), path);
  onlyFields(spec, path, [
    ...sections,
    "endpointSelector",
    "nodeSelector",
    "enableDefaultDeny",
    "description",
    "labels",
    "log",
  ]);
  const given = sections.filter((section) => spec[section] !== undefined && spec[section] !== null);
  if (given.length === 0) {
    throw new Refused("the API server refuses the policy: it needs one of ingress, ingressDeny, egress, egressDeny");
  }
  if (given.every((section) => Array.isArray(spec[section]) && spec[section].length === 0)) {
    throw new Refused(
      "the agent refuses the policy and enforces nothing of it: one of ingress, ingressDeny, egress, egressDeny must have a rule",
    );
  }
  const subject = readSubject(spec, path, scope);
  const policy: CompiledPolicy = {
    origin,
    tier: tiers.normal,
    order: 0,
    subject,
    ...readDirection(spec, path, "ingress", scope),
    ...readDirection(spec, path, "egress", scope),
  };
  if (subject.kind === "nodes" && !context.profile.hostFirewall) {
    reader.notEnforced("policies with a nodeSelector need Cilium's host firewall", `${path}.nodeSelector`);
    return undefined;
  }
  return policy;
}

function readSubject(spec: Fields, path: string, scope: CiliumScope): Subject {
  const endpoint = spec["endpointSelector"];
  const node = spec["nodeSelector"];
  const hasEndpoint = endpoint !== undefined && endpoint !== null;
  const hasNode = node !== undefined && node !== null;
  if (hasEndpoint === hasNode) {
    throw new Refused("the API server refuses the policy: it needs exactly one of endpointSelector and nodeSelector");
  }
  if (hasNode) {
    if (scope.namespace !== undefined) {
      throw new Refused("the agent refuses the policy: only clusterwide policies may have a nodeSelector");
    }
    const where = scope.reader.attempt(
      () => readLabelSelector(node, `${path}.nodeSelector`, ciliumKey),
      () => perhaps,
    );
    return { kind: "nodes", where };
  }
  const selector = scope.namespace === undefined ? endpoint : withoutMatchLabel(endpoint, namespaceKey.cilium);
  const where = scope.reader.attempt(
    () => readLabelSelector(selector, `${path}.endpointSelector`, ciliumKey),
    () => perhaps,
  );
  if (scope.namespace === undefined) return { kind: "pods", where };
  if (selector !== endpoint) {
    scope.reader.notEnforced(
      `a namespaced policy selects pods of its own namespace: the agent overwrites ${namespaceKey.cilium} in its endpointSelector`,
      `${path}.endpointSelector`,
    );
  } else if (mentions(where, "namespace")) {
    scope.reader.notEnforced(
      "a namespaced policy selects pods of its own namespace only; a selector for another namespace selects no pod",
      `${path}.endpointSelector`,
    );
  }
  return { kind: "pods", where: all(inNamespace(scope.namespace), where) };
}

function readDirection(
  spec: Fields,
  path: string,
  direction: Direction,
  scope: CiliumScope,
): { [key in Direction]?: DirectionRules } {
  const allowed = readRules(spec[direction], `${path}.${direction}`, direction, "allow", scope);
  const denied = readRules(spec[`${direction}Deny`], `${path}.${direction}Deny`, direction, "deny", scope);
  const rules = [...denied.rules, ...allowed.rules];
  if (rules.length === 0) return {};
  // a section that cannot be read may be empty, and an empty section isolates nobody (measured)
  const hasRule = [denied, allowed].some((section) => section.readable && section.rules.length > 0);
  const isolates = scope.reader.attempt<Tri>(
    () => {
      const chosen = readMap(spec["enableDefaultDeny"], `${path}.enableDefaultDeny`) ?? {};
      onlyFields(chosen, `${path}.enableDefaultDeny`, ["ingress", "egress"]);
      const wanted = readBoolean(chosen[direction], `${path}.enableDefaultDeny.${direction}`) ?? true;
      const intended = wanted || !scope.context.profile.nonDefaultDenyPolicies;
      return intended && !hasRule ? MAYBE : tri(intended);
    },
    () => MAYBE,
  );
  return { [direction]: { isolates, rules } };
}

/** The rules of a section; where it could not be read, one rule that may match anybody. */
interface ReadSection {
  readonly rules: readonly Rule[];
  readonly readable: boolean;
}

function readRules(
  value: unknown,
  path: string,
  direction: Direction,
  verdict: RuleVerdict,
  scope: CiliumScope,
): ReadSection {
  return scope.reader.attempt<ReadSection>(
    () => ({
      rules: (readList(value, path) ?? []).map((rule, index) =>
        readRule(rule, `${path}[${index}]`, direction, verdict, scope),
      ),
      readable: true,
    }),
    () => ({ rules: [uncertainRule(direction, verdict, path)], readable: false }),
  );
}

const peerFields: Readonly<Record<Direction, readonly string[]>> = {
  ingress: ["fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "fromNodes", "fromGroups"],
  egress: ["toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toNodes", "toGroups", "toServices", "toFQDNs"],
};

/**
 * Lists that say nothing when they are empty; of the others an empty one selects nobody, whatever the ports (measured with
 * 1.20.2; mergeEndpointSelectors in pkg/policy/utils/parserules.go).
 */
const sayNothingEmpty: ReadonlySet<string> = new Set(["toServices", "toFQDNs", "toGroups", "fromGroups"]);

function readRule(value: unknown, path: string, direction: Direction, verdict: RuleVerdict, scope: CiliumScope): Rule {
  const { reader } = scope;
  return reader.attempt<Rule>(
    () => {
      const rule = required(readMap(value, path), path);
      onlyFields(rule, path, [...peerFields[direction], "toPorts", "icmps", "authentication"]);
      const used = peerFields[direction].filter((field) => rule[field] !== undefined && rule[field] !== null);
      const filled = used.filter((field) => !Array.isArray(rule[field]) || rule[field].length > 0);
      if (filled.length > 1) {
        throw new Refused(
          `the agent refuses the policy and enforces nothing of it: ${path} combines ${filled.join(" and ")}, write two rules`,
        );
      }
      const traffic = reader.attempt(
        () => readCiliumTraffic(rule, path, direction, verdict, reader),
        () => ({ l4: uncertainTraffic, restricted: true, l7: false, dnsProxy: false, dnsNames: [] }),
      );
      const nobody = used.some((field) => !filled.includes(field) && !sayNothingEmpty.has(field));
      const about = { verdict, restrictsPorts: traffic.restricted };
      const peers = nobody ? readNobody(rule, path, filled, about, scope) : readPeers(rule, path, filled, about, scope);
      return {
        direction,
        verdict,
        peers,
        l4: traffic.l4,
        path,
        ...(traffic.l7 ? { l7: true } : {}),
        ...(traffic.dnsProxy ? { dnsProxy: true } : {}),
        ...(traffic.dnsNames.length > 0 ? { dnsNames: traffic.dnsNames } : {}),
      };
    },
    () => uncertainRule(direction, verdict, path),
  );
}

/**
 * Without any list a rule with ports is about everybody, and a rule without ports about nobody (measured: `ingress: [{}]`
 * denies everything). A list of Services that stands for no endpoint counts as none.
 */
function readPeers(
  rule: Fields,
  path: string,
  filled: readonly string[],
  about: { readonly verdict: RuleVerdict; readonly restrictsPorts: boolean },
  scope: CiliumScope,
): PeerTerm[] {
  const everybodyOnPorts: PeerTerm[] = about.restrictsPorts ? [anyPeer] : [];
  if (filled.length === 0) return everybodyOnPorts;
  return filled.flatMap((field) => {
    const at = `${path}.${field}`;
    if (field !== "toServices") return readCiliumPeers(field, rule[field], at, scope);
    const peers =
      about.verdict === "deny" ? unresolvedInDenials(at, scope) : readCiliumPeers(field, rule[field], at, scope);
    if (!peers.every(isNobody)) return peers;
    if (about.restrictsPorts) {
      const message = `${at} matches no endpoint: the rule applies to every destination on its ports, not to none`;
      scope.reader.notEnforced(message, at);
    }
    return everybodyOnPorts;
  });
}

/** An empty list beside another one selects nobody; what is refused in that refuses the policy all the same. */
function readNobody(...[rule, path, filled, about, scope]: Parameters<typeof readPeers>): PeerTerm[] {
  scope.reader.validate((reader) =>
    reader.attempt(
      () => readPeers(rule, path, filled, about, { ...scope, reader }),
      () => [],
    ),
  );
  return [];
}

/** The agent resolves Services for rules that allow, and for no others (measured; processRule in pkg/policy/k8s/service.go). */
function unresolvedInDenials(at: string, scope: CiliumScope): PeerTerm[] {
  scope.reader.notEnforced(`${at}: Cilium does not resolve Services in rules that deny`, at);
  return [];
}

/** Whether a list's entry selects nothing for certain: no such Service, or one without a selector and without addresses. */
function isNobody(peer: PeerTerm): boolean {
  if (peer.kind === "or") return peer.of.every(isNobody);
  return peer.kind === "cidr" && peer.set.isEmpty();
}
