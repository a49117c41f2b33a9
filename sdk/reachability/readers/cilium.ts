/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, cilium.io/v2.
 * Source: pkg/policy/api (rule_validation.go, selector.go, entity.go), pkg/k8s/apis/cilium.io/utils, pkg/policy/repository.go,
 * and what a real agent was measured to do.
 */
import type { CompiledPolicy, DirectionRules, PeerTerm, Rule, RuleVerdict, Subject } from "../rules";
import { tiers } from "../rules";
import { all, always, perhaps } from "../selectors/conditions";
import { MAYBE, tri, type Tri } from "../unknown";
import type { Direction } from "../verdicts";
import { inNamespace, Refused, uncertainPolicy, uncertainRule, type PolicyReader } from "./common";
import { readCiliumPeers } from "./cilium-peers";
import { ciliumKey, mentions, type CiliumScope } from "./cilium-selectors";
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
      reader.report("not-enforced", "the policy has neither spec nor specs: it has no effect", "spec", false);
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
      reader.report("not-enforced", error.message, undefined, false);
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
    reader.report(
      "not-enforced",
      "policies with a nodeSelector need Cilium's host firewall",
      `${path}.nodeSelector`,
      false,
    );
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
  const where = scope.reader.attempt(
    () => readLabelSelector(endpoint, `${path}.endpointSelector`, ciliumKey),
    () => perhaps,
  );
  if (scope.namespace === undefined) return { kind: "pods", where };
  if (mentions(where, "namespace")) {
    scope.reader.report(
      "not-enforced",
      "a namespaced policy selects pods of its own namespace only; a selector for another namespace selects nobody",
      `${path}.endpointSelector`,
      false,
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

function readRule(value: unknown, path: string, direction: Direction, verdict: RuleVerdict, scope: CiliumScope): Rule {
  const { reader } = scope;
  return reader.attempt<Rule>(
    () => {
      const rule = readMap(value, path) ?? {};
      onlyFields(rule, path, [...peerFields[direction], "toPorts", "icmps", "authentication"]);
      const used = peerFields[direction].filter((field) => rule[field] !== undefined && rule[field] !== null);
      const filled = used.filter((field) => !Array.isArray(rule[field]) || rule[field].length > 0);
      if (filled.length > 1) {
        throw new Refused(
          `the agent refuses the policy and enforces nothing of it: ${path} combines ${filled.join(" and ")}, write two rules`,
        );
      }
      const traffic = reader.attempt(
        () => readCiliumTraffic(rule, path, direction, verdict),
        () => ({ l4: uncertainTraffic, restricted: true, l7: false, dnsProxy: false, dnsNames: [] }),
      );
      const peers = used.length > filled.length ? [] : readPeers(rule, path, used, traffic.restricted, scope);
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
 * An empty list selects nobody. Without any list a rule with ports is about everybody, and a rule without ports about
 * nobody (measured: `ingress: [{}]` denies everything).
 */
function readPeers(
  rule: Fields,
  path: string,
  used: readonly string[],
  restrictsPorts: boolean,
  scope: CiliumScope,
): PeerTerm[] {
  if (used.length === 0) return restrictsPorts ? [{ kind: "any" }] : [];
  return used.flatMap((field) => readCiliumPeers(field, rule[field], `${path}.${field}`, scope));
}
