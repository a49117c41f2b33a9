/**
 * ClusterNetworkPolicy, policy.networking.k8s.io/v1alpha2.
 * Source: network-policy-api apis/v1alpha2/clusternetworkpolicy_types.go.
 */
import { mapOf } from "../model/plain";
import type { EnforcerProfile } from "../model/profile";
import type { CompiledPolicy, DirectionRules, L4Spec, PeerTerm, Rule, RuleVerdict } from "../model/rules";
import { tiers } from "../model/rules";
import { all, always, perhaps, test, type Condition } from "../model/selectors/conditions";
import { AddressSet, type AddressRange } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { MAYBE, NO } from "../model/unknown";
import type { Direction } from "../model/direction";
import {
  type PolicyReader,
  readCidr,
  type ReaderContext,
  someAddresses,
  somewhereInTheWorld,
  uncertainPeer,
  uncertainPolicy,
  uncertainRule,
} from "./common";
import {
  isGiven,
  NotReadable,
  onlyFields,
  readInteger,
  readList,
  readMap,
  readString,
  required,
  type Fields,
  type ObjectReader,
} from "./fields";
import { clusterNetworkPolicyPattern } from "./fqdn";
import { everyPort, everyTraffic, exactly, uncertainTraffic, uniteL4, unknownPort } from "./l4";
import { namespaceLabels, podLabels, readLabelSelector } from "./label-selector";
import { readPortName } from "./names";
import { withSets } from "./network-sets";

/** What differs between ClusterNetworkPolicy and its predecessors. */
export interface TieredDialect {
  readonly specFields: readonly string[];
  readonly tierOf: (spec: Fields) => "Admin" | "Baseline";
  readonly actions: Readonly<Record<string, RuleVerdict>>;
  readonly hasPriority: boolean;
  readonly trafficField: string;
  /** How many rules a direction and how many peers and ports a rule may have (`maxItems` in the CRDs). */
  readonly most: number;
  /** Peers of egress rules besides namespaces and pods. */
  readonly external: readonly string[];
  readonly readTraffic: (value: unknown, path: string, read: RuleReading) => L4Spec;
}

const dialect: TieredDialect = {
  specFields: ["tier", "priority", "subject", "ingress", "egress"],
  tierOf: (spec) => {
    const name = required(readString(spec["tier"], "spec.tier"), "spec.tier");
    if (name === "Admin" || name === "Baseline") return name;
    throw new NotReadable(
      "spec.tier",
      `spec.tier must be Admin or Baseline, not ${JSON.stringify(name)}`,
      "invalid-value",
    );
  },
  actions: { Accept: "allow", Deny: "deny", Pass: "pass" },
  hasPriority: true,
  trafficField: "protocols",
  most: 25,
  external: ["networks", "nodes", "domainNames"],
  readTraffic: readProtocols,
};

export const readClusterNetworkPolicy: PolicyReader = (origin, namespace, reader, context) =>
  readTieredPolicy(dialect, origin, namespace, reader, context);

/** Reads a policy of the Admin or the Baseline tier. */
export function readTieredPolicy(
  kind: TieredDialect,
  ...[origin, , reader, context]: Parameters<PolicyReader>
): CompiledPolicy[] {
  return reader.attempt(
    () => {
      const spec = required(readMap(origin.object.spec, "spec"), "spec");
      onlyFields(spec, "spec", kind.specFields);
      const read: RuleReading = { kind, reader, profile: context.profile, networkSets: context.networkSets };
      const policy: CompiledPolicy = {
        origin,
        tier: kind.tierOf(spec) === "Admin" ? context.tiers.admin : context.tiers.baseline,
        order: kind.hasPriority
          ? required(readInteger(spec["priority"], "spec.priority", 0, 1000), "spec.priority")
          : 0,
        subject: {
          kind: "pods",
          where: reader.attempt(
            () => readScope(required(readMap(spec["subject"], "spec.subject"), "spec.subject"), "spec.subject"),
            () => perhaps,
          ),
        },
        ...readDirection(spec, "ingress", read),
        ...readDirection(spec, "egress", read),
      };
      return [policy];
    },
    () => [uncertainPolicy(origin, always, tiers.unread, true)],
  );
}

/** What reading a rule needs to know. */
export interface RuleReading {
  readonly kind: TieredDialect;
  readonly reader: ObjectReader;
  readonly profile: EnforcerProfile;
  readonly networkSets: ReaderContext["networkSets"];
}

/** `namespaces` or `pods`, of which exactly one is given. */
function readScope(fields: Fields, path: string): Condition {
  onlyFields(fields, path, ["namespaces", "pods"]);
  const namespaces = readMap(fields["namespaces"], `${path}.namespaces`);
  const pods = readMap(fields["pods"], `${path}.pods`);
  if ((namespaces === undefined) === (pods === undefined)) {
    throw new NotReadable(path, `${path} must hold exactly one of namespaces and pods`, "invalid-value");
  }
  if (pods === undefined) return readLabelSelector(namespaces, `${path}.namespaces`, namespaceLabels);
  onlyFields(pods, `${path}.pods`, ["namespaceSelector", "podSelector"]);
  const selector = (field: string): Fields =>
    required(readMap(pods[field], `${path}.pods.${field}`), `${path}.pods.${field}`);
  return all(
    readLabelSelector(selector("namespaceSelector"), `${path}.pods.namespaceSelector`, namespaceLabels),
    readLabelSelector(selector("podSelector"), `${path}.pods.podSelector`, podLabels),
  );
}

function readDirection(spec: Fields, direction: Direction, read: RuleReading): { [key in Direction]?: DirectionRules } {
  const path = `spec.${direction}`;
  return read.reader.attempt<{ [key in Direction]?: DirectionRules }>(
    () => {
      const rules = (readAtMost(read.kind.most, spec[direction], path) ?? []).map((rule, index) =>
        readRule(rule, direction, `${path}[${index}]`, read),
      );
      return rules.length === 0 ? {} : { [direction]: { isolates: NO, rules: rules.flat() } };
    },
    () => ({
      [direction]: {
        isolates: MAYBE,
        rules: [uncertainRule(direction, "allow", path), uncertainRule(direction, "deny", path)],
      },
    }),
  );
}

function readRule(value: unknown, direction: Direction, path: string, read: RuleReading): Rule[] {
  const { kind, reader, profile } = read;
  const peerField = direction === "ingress" ? "from" : "to";
  return reader.attempt<Rule[]>(
    () => {
      const rule = required(readMap(value, path), path);
      onlyFields(rule, path, ["name", "action", peerField, kind.trafficField]);
      const action = required(readString(rule["action"], `${path}.action`), `${path}.action`);
      const verdict = Object.hasOwn(kind.actions, action) ? kind.actions[action] : undefined;
      if (verdict === undefined) {
        const message = `${path}.action must be ${Object.keys(kind.actions).join(", ")}, not ${JSON.stringify(action)}`;
        throw new NotReadable(`${path}.action`, message, "invalid-value");
      }
      const peerPath = `${path}.${peerField}`;
      if ((readString(rule["name"], `${path}.name`) ?? "").length > 100) {
        throw new NotReadable(`${path}.name`, `${path}.name is longer than 100 characters`, "invalid-value");
      }
      checkNamedPorts(rule[peerField], rule[kind.trafficField], `${path}.${kind.trafficField}`);
      const failed = profile.readsExperimentalPeers ? undefined : experimentalPeer(rule[peerField]);
      if (failed !== undefined) {
        // a rule it cannot express: an Accept is left out, Deny and Pass deny everything (libcalico-go conversion.go)
        const effect = verdict === "allow" ? "leaves the rule out" : "denies everything instead";
        reader.notEnforced(`${profile.title} does not support ${failed} in ${peerPath}, and ${effect}`, path);
        return verdict === "allow"
          ? []
          : [{ direction, verdict: "deny", path, peers: [{ kind: "any" }], l4: everyTraffic }];
      }
      const peers = readFilled(kind.most, rule[peerField], peerPath).map((peer, index) =>
        reader.attempt<PeerTerm[]>(
          () => readPeer(peer, direction, verdict, `${peerPath}[${index}]`, read),
          () => [uncertainPeer],
        ),
      );
      const l4 = reader.attempt(
        () => kind.readTraffic(rule[kind.trafficField], `${path}.${kind.trafficField}`, read),
        () => uncertainTraffic,
      );
      const dnsNames = peers.flat().flatMap((term) => (term.kind === "fqdn" ? [term.pattern] : []));
      // Cilium adds a DNS rule for the names of an Accept rule (pkg/k8s/cluster_network_policy.go)
      const dns = profile.addsDnsRules && dnsNames.length > 0 ? { dnsNames } : {};
      return [{ direction, verdict, path, peers: peers.flat(), l4, ...dns }];
    },
    () => [uncertainRule(direction, "allow", path), uncertainRule(direction, "deny", path)],
  );
}

function readPeer(
  value: unknown,
  direction: Direction,
  verdict: RuleVerdict,
  path: string,
  { kind: { external }, reader, profile, networkSets }: RuleReading,
): PeerTerm[] {
  const peer = required(readMap(value, path), path);
  onlyFields(peer, path, ["namespaces", "pods", ...(direction === "egress" ? external : [])]);
  const kind = onlyOneOf(peer, path);
  switch (kind) {
    case "networks": {
      return readNetworks(peer["networks"], `${path}.networks`, reader);
    }
    case "nodes":
      return [{ kind: "nodes", where: readLabelSelector(peer["nodes"], `${path}.nodes`, podLabels) }];
    case "domainNames":
      if (verdict !== "allow") {
        throw new NotReadable(`${path}.domainNames`, `${path}.domainNames is for Accept only`, "invalid-value");
      }
      return readFilled(mostNames, peer["domainNames"], `${path}.domainNames`).map((name, index) =>
        reader.attemptUnknown<PeerTerm>(
          () => {
            const known = readDomainName(name, `${path}.domainNames[${index}]`);
            return { kind: "fqdn", pattern: clusterNetworkPolicyPattern(known) };
          },
          () => somewhereInTheWorld,
        ),
      );
    default: {
      const where = readScope(peer, path);
      // measured on Cilium 1.20.2: namespaces chosen by negative conditions alone are everybody – every pod, the node, the
      // world (tests/enforcement/cases/by-absence-*.yaml)
      if (profile.negativeNamespacesAreEverything && kind === "namespaces" && isNegative(where))
        return [{ kind: "any" }];
      if (profile.namespacesHoldNetworkSets && kind === "namespaces") {
        // to Calico "all namespaces" is whatever is in one: pods and network sets, which no condition on pods leaves out
        const chosen = where === always ? inAnyNamespace : where;
        return [withSets(chosen, networkSets(chosen))];
      }
      return [{ kind: "pods", where }];
    }
  }
}

function readNetworks(value: unknown, path: string, reader: ObjectReader): PeerTerm[] {
  const texts = readFilled(mostNames, value, path).map((cidr, index) =>
    reader.attemptUnknown(
      () => required(readString(cidr, `${path}[${index}]`), `${path}[${index}]`),
      () => undefined,
    ),
  );
  const known = texts.filter((text) => text !== undefined);
  if (new Set(known).size < known.length) {
    throw new NotReadable(path, `${path} holds a network twice`, "invalid-value");
  }
  const ranges = texts.flatMap((text, index) => (text === undefined ? [] : readNetwork(text, `${path}[${index}]`)));
  const written: PeerTerm = { kind: "cidr", set: AddressSet.of(...ranges) };
  return known.length === texts.length ? [written] : [written, someAddresses];
}

const inAnyNamespace = test("namespace", "", "exists");

/**
 * What is no pod has no named ports, and the API server refuses a rule with both (XValidation of the egress rule).
 *
 * @throws NotReadable for such a rule.
 */
function checkNamedPorts(peers: unknown, traffic: unknown, path: string): void {
  const has = (list: unknown, fields: readonly string[]): string | undefined =>
    (Array.isArray(list) ? (list as unknown[]) : [])
      .flatMap((item) => (typeof item === "object" && item !== null ? Object.keys(item) : []))
      .find((key) => fields.includes(key));
  const outside = has(peers, ["networks", "nodes", "domainNames"]);
  if (outside === undefined || has(traffic, ["namedPort", "destinationNamedPort"]) === undefined) return;
  throw new NotReadable(path, `${path} names a port beside a peer of ${outside}, which have none`, "invalid-value");
}

/** The kind of peer for which Calico gives up a whole rule; nothing where it supports all of them. */
function experimentalPeer(peers: unknown): string | undefined {
  const entries: readonly unknown[] = Array.isArray(peers) ? (peers as unknown[]) : [];
  return ["nodes", "domainNames"].find((field) =>
    entries.some((peer) => typeof peer === "object" && peer !== null && field in peer),
  );
}

/** Whether a condition has tests, all of which hold where the key is absent. */
function isNegative(where: Condition): boolean {
  const tests = where.op === "and" ? where.of : [where];
  return tests.every((each) => each.op === "test" && (each.operator === "notIn" || each.operator === "doesNotExist"));
}

/**
 * The one field that is given of those that exclude each other (`maxProperties: 1` in the CRDs).
 *
 * @throws NotReadable where there are more, or none.
 */
export function onlyOneOf(fields: Fields, path: string): string {
  const [key, ...more] = Object.keys(fields).filter((each) => isGiven(fields[each]));
  if (key !== undefined && more.length === 0) return key;
  throw new NotReadable(path, `${path} must hold exactly one field`, "invalid-value");
}

/** How many networks or names a peer may have. */
const mostNames = 25;

/** A range of one family: that of IPv4 inside IPv6 is refused. */
function readNetwork(text: string, path: string): AddressRange {
  const mixed = text.includes(":") && text.includes(".");
  if (mixed) throw new NotReadable(path, `${path} is an IPv4 address inside an IPv6 one`, "invalid-value");
  return readCidr(text, path);
}

/** A list that may hold so many items. @throws NotReadable where it holds more. */
export function readAtMost(most: number, value: unknown, path: string): readonly unknown[] | undefined {
  const list = readList(value, path);
  if (list === undefined || list.length <= most) return list;
  throw new NotReadable(path, `${path} may hold ${most} items at most`, "invalid-value");
}

/** A list that has to be there and to hold something (`minItems: 1` in the CRDs). */
function readFilled(most: number, value: unknown, path: string): readonly unknown[] {
  const list = required(readAtMost(most, value, path), path);
  if (list.length > 0) return list;
  throw new NotReadable(path, `${path} must not be empty`, "invalid-value");
}

/** The CRD's pattern for `domainNames`. */
const domainName = /^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/;

function readDomainName(value: unknown, path: string): string {
  const name = required(readString(value, path), path);
  if (domainName.test(name)) return name;
  throw new NotReadable(path, `${path} is not a domain name: ${JSON.stringify(name)}`, "invalid-value");
}

function readProtocols(value: unknown, path: string, { reader }: RuleReading): L4Spec {
  if (!isGiven(value)) return everyTraffic;
  return uniteL4(
    readFilled(dialect.most, value, path).map((each, index) =>
      reader.attemptUnknown(
        () => readProtocol(each, `${path}[${index}]`),
        () => unknownPort(Object.keys(mapOf(each))[0]?.toUpperCase(), everyPort),
      ),
    ),
  );
}

function readProtocol(value: unknown, path: string): L4Spec {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["tcp", "udp", "sctp", "destinationNamedPort"]);
  const key = onlyOneOf(entry, path);
  if (key === "destinationNamedPort") {
    return exactly(TrafficSet.none(), [{ name: readPortName(entry[key], `${path}.${key}`) }]);
  }
  const protocol = key === "tcp" ? "TCP" : key === "udp" ? "UDP" : "SCTP";
  const fields = required(readMap(entry[key], `${path}.${key}`), `${path}.${key}`);
  onlyFields(fields, `${path}.${key}`, ["destinationPort"]);
  const where = `${path}.${key}.destinationPort`;
  const port = required(readMap(fields["destinationPort"], where), where);
  onlyFields(port, where, ["number", "range"]);
  onlyOneOf(port, where);
  const number = readInteger(port["number"], `${where}.number`, 1, 65535);
  if (number !== undefined) return exactly(TrafficSet.ports(protocol, number));
  const range = required(readMap(port["range"], `${where}.range`), `${where}.range`);
  const start = required(readInteger(range["start"], `${where}.range.start`, 1, 65535), `${where}.range.start`);
  const end = required(readInteger(range["end"], `${where}.range.end`, 1, 65535), `${where}.range.end`);
  if (end <= start) throw new NotReadable(where, `${where}.range must end after it starts`, "invalid-value");
  return exactly(TrafficSet.ports(protocol, start, end));
}
