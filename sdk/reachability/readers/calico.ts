/**
 * Calico's NetworkPolicy and GlobalNetworkPolicy, projectcalico.org/v3.
 * Source: api/pkg/apis/projectcalico/v3, libcalico-go lib/backend/syncersv1/updateprocessors, felix/rules.
 */
import type { CompiledPolicy, DirectionRules, L4Spec, PeerTerm, Rule, RuleVerdict } from "../model/rules";
import { tiers } from "../model/rules";
import {
  endpointKey,
  namespaceKey,
  accountKey,
  ofNamespaces,
  parseCalicoSelector,
  SelectorError,
  type CalicoKey,
  type SelectorFunctions,
} from "../model/selectors/calico";
import { all, always, not, perhaps, test, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { AddressSet } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown } from "../model/unknown";
import type { Direction } from "../model/direction";
import {
  readRanges,
  Refused,
  uncertainDirection,
  uncertainPeer,
  uncertainPolicy,
  uncertainRule,
  type PolicyReader,
  type ReaderContext,
} from "./common";
import { inNamespace } from "../model/selectors/conditions";
import {
  NotReadable,
  onlyFields,
  readInteger,
  readList,
  readMap,
  readString,
  readStrings,
  required,
  type Fields,
  type ObjectReader,
} from "./fields";
import { readCalicoTraffic, readPorts, type PortList } from "./calico-traffic";
import { hostStageOf, onTheWayOf } from "./calico-hosts";
import { checkRule, checkSpec } from "./calico-validation";
import { portProtocol, uncertainTraffic } from "./l4";
import { isDoubtful, withSets } from "./network-sets";
import { serviceTerm } from "./services";

interface Scope {
  /** The namespace of a NetworkPolicy; nothing for a global one. */
  readonly namespace: LabelValue | undefined;
  readonly reader: ObjectReader;
  readonly context: ReaderContext;
}

export const readCalicoPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const global = origin.kind === "GlobalNetworkPolicy";
  const scope: Scope = { namespace: global ? undefined : namespace, reader, context };
  const reach = global ? always : inNamespace(namespace);
  return reader.attempt(
    () => {
      try {
        return readSpec(origin, scope, reach);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        reader.notEnforced(error.reason, undefined, error.message);
        return [];
      }
    },
    () => [uncertainPolicy(origin, reach, tiers.unread, true)],
  );
};

function readSpec(origin: CompiledPolicy["origin"], scope: Scope, reach: Condition): CompiledPolicy[] {
  const { reader, context } = scope;
  const spec = readMap(origin.object.spec, "spec") ?? {};
  const globalFields = ["namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"];
  onlyFields(spec, "spec", [
    "tier",
    "order",
    "selector",
    "serviceAccountSelector",
    "types",
    "ingress",
    "egress",
    "performanceHints",
    ...(scope.namespace === undefined ? globalFields : []),
  ]);
  checkSpec(spec);
  const tierName = readString(spec["tier"], "spec.tier") || "default";
  const tier = context.tiers.named(tierName);
  if (tier === undefined) {
    throw new NotReadable("spec.tier", `the Tier ${JSON.stringify(tierName)} is not in the snapshot`, "not-read");
  }
  const order = spec["order"];
  if (order !== undefined && order !== null && typeof order !== "number") {
    throw new NotReadable("spec.order", "spec.order must be a number", "invalid-value");
  }
  const where = all(
    reach,
    selectorAt(spec, "selector", "spec", endpointKey, reader),
    selectorAt(spec, "namespaceSelector", "spec", namespaceKey, reader),
    selectorAt(spec, "serviceAccountSelector", "spec", accountKey, reader),
  );
  const directions = readTypes(spec);
  for (const direction of ["ingress", "egress"] as const) {
    if (directions.has(direction)) continue;
    reader.validate((probe) => readDirection(spec, direction, { ...scope, reader: probe }, tier.isolates));
  }
  const read = (direction: Direction): { [key in Direction]?: DirectionRules } =>
    directions.has(direction) ? { [direction]: readDirection(spec, direction, scope, tier.isolates) } : {};
  const policy: CompiledPolicy = {
    origin,
    tier: tier.tier,
    order: typeof order === "number" ? order : Infinity,
    subject: { kind: "pods", where },
    ...read("ingress"),
    ...read("egress"),
  };
  const stage = hostStageOf(spec);
  const onTheWay = stage !== undefined && context.selectsHostEndpoint(where) ? [onTheWayOf(policy, stage)] : [];
  if (stage === undefined || stage === "forward") return [policy, ...onTheWay];
  if (onTheWay.length > 0) return onTheWay;
  const message = `a policy with ${stage} is about host endpoints, and no HostEndpoint that fits is in the snapshot; those that Calico makes itself are in the cluster only`;
  reader.report("not-read", message, `spec.${stage}`, false);
  return [];
}

/** A selector; where it cannot be parsed it may select anybody. */
function selectorAt(fields: Fields, field: string, path: string, keyOf: CalicoKey, reader: ObjectReader): Condition {
  return reader.attempt(
    () => parseSelector(readString(fields[field], `${path}.${field}`) ?? "", `${path}.${field}`, keyOf),
    () => perhaps,
  );
}

function parseNamespaceSelector(text: string, path: string): Condition {
  return parseSelector(text, path, namespaceKey, ofNamespaces);
}

function parseSelector(text: string, path: string, keyOf: CalicoKey, functions?: SelectorFunctions): Condition {
  try {
    return parseCalicoSelector(text, keyOf, functions);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw new NotReadable(path, `${path} is not a selector of Calico: ${error.message}`, "invalid-value");
  }
}

/** Without `types`: egress if there are egress rules only, both if there are both, else ingress. */
function readTypes(spec: Fields): Set<Direction> {
  const types = readStrings(spec["types"], "spec.types") ?? [];
  if (types.length > 0) {
    return new Set(
      types.map((type, index): Direction => {
        if (type === "Ingress") return "ingress";
        if (type === "Egress") return "egress";
        const path = `spec.types[${index}]`;
        throw new NotReadable(path, `${path} must be Ingress or Egress, not ${JSON.stringify(type)}`, "invalid-value");
      }),
    );
  }
  const has = (direction: Direction): boolean => (readList(spec[direction], `spec.${direction}`) ?? []).length > 0;
  if (!has("egress")) return new Set(["ingress"]);
  return new Set(has("ingress") ? ["ingress", "egress"] : ["egress"]);
}

function readDirection(spec: Fields, direction: Direction, scope: Scope, isolates: 0 | 1 | 2): DirectionRules {
  const path = `spec.${direction}`;
  return scope.reader.attempt(
    () => ({
      isolates,
      rules: (readList(spec[direction], path) ?? []).flatMap((rule, index) =>
        readRule(rule, direction, `${path}[${index}]`, scope),
      ),
    }),
    () => ({ ...uncertainDirection(direction, path, true), isolates }),
  );
}

const verdicts: Readonly<Record<string, RuleVerdict | "log">> = {
  Allow: "allow",
  Deny: "deny",
  Pass: "pass",
  Log: "log",
};

function readRule(value: unknown, direction: Direction, path: string, scope: Scope): Rule[] {
  return scope.reader.attempt<Rule[]>(
    () => {
      const rule = required(readMap(value, path), path);
      onlyFields(rule, path, [
        "action",
        "ipVersion",
        "protocol",
        "notProtocol",
        "icmp",
        "notICMP",
        "source",
        "destination",
        "http",
        "metadata",
      ]);
      const action = required(readString(rule["action"], `${path}.action`), `${path}.action`);
      const verdict = Object.hasOwn(verdicts, action) ? verdicts[action] : undefined;
      if (verdict === undefined) {
        throw new NotReadable(`${path}.action`, `${path}.action must be Allow, Deny, Pass or Log`, "invalid-value");
      }
      checkWhereKnown(rule, direction, path, scope);
      if (verdict === "log") {
        scope.reader.validate((reader) => readMatch(rule, direction, path, "allow", { ...scope, reader }));
        return [];
      }
      return [readMatch(rule, direction, path, verdict, scope)];
    },
    () => [uncertainRule(direction, "allow", path), uncertainRule(direction, "deny", path)],
  );
}

/** Whom and what a rule is about. @throws NotReadable */
function readMatch(rule: Fields, direction: Direction, path: string, verdict: RuleVerdict, scope: Scope): Rule {
  const source = readEntity(rule["source"], `${path}.source`, scope);
  const destination = readEntity(rule["destination"], `${path}.destination`, scope);
  const peer = direction === "ingress" ? source : destination;
  const own = direction === "ingress" ? destination : source;
  const terms = [...peer.terms, ...readFamily(rule["ipVersion"], `${path}.ipVersion`), ...own.family];
  let l4 = narrowed(
    scope.reader,
    () => readCalicoTraffic(rule, path, destination.ports),
    () => uncertainTraffic,
  );
  if (destination.services !== undefined) l4 = intersectL4(l4, destination.services);
  // which port a connection comes from is not known; HTTP attributes are not looked at
  if (source.ports.given || rule["http"] !== undefined) terms.push(uncertainPeer);
  return {
    direction,
    verdict,
    path,
    peers: [andTerm(terms)],
    ...(own.terms.length === 0 ? {} : { own: andTerm(own.terms) }),
    l4,
    ...(rule["http"] === undefined ? {} : { l7: true }),
  };
}

/** What Calico refuses makes the whole rule unknown; a value that is not known yet is reported where it is read. */
function checkWhereKnown(rule: Fields, direction: Direction, path: string, scope: Scope): void {
  try {
    checkRule(rule, path, { direction, global: scope.namespace === undefined, profile: scope.context.profile });
  } catch (error) {
    if (!(error instanceof NotReadable) || error.code === "invalid-value") throw error;
  }
}

/**
 * Reads a part that can only narrow a rule down. What cannot be read there leaves the rest of the rule as it is; an invalid
 * value does not, as Calico refuses it.
 */
function narrowed<T>(reader: ObjectReader, read: () => T, otherwise: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NotReadable) || error.code === "invalid-value") throw error;
    reader.report(error.code, error.message, error.path, true);
    return otherwise();
  }
}

function intersectL4(a: L4Spec, b: L4Spec): L4Spec {
  return { ...a, must: a.must.intersect(b.must), may: a.may.intersect(b.may) };
}

function andTerm(terms: readonly PeerTerm[]): PeerTerm {
  if (terms.length === 0) return { kind: "any" };
  return terms.length === 1 ? (terms[0] as PeerTerm) : { kind: "and", of: terms };
}

/** Packets of one IP version. */
function readFamily(value: unknown, path: string): PeerTerm[] {
  if (value === undefined || value === null) return [];
  if (value !== 4 && value !== 6) throw new NotReadable(path, `${path} must be 4 or 6`, "invalid-value");
  return [{ kind: "cidr", set: value === 4 ? AddressSet.allV4 : AddressSet.allV6 }];
}

interface Entity {
  /** All of these must fit; none means anybody. */
  readonly terms: readonly PeerTerm[];
  /** The family of its addresses, which is that of the whole rule and so of the other side too. */
  readonly family: readonly PeerTerm[];
  readonly ports: PortList;
  /** The ports of a Service that the entity names. */
  readonly services?: L4Spec;
}

const entityFields = [
  "nets",
  "notNets",
  "selector",
  "notSelector",
  "namespaceSelector",
  "ports",
  "notPorts",
  "serviceAccounts",
  "services",
] as const;

const noPorts: PortList = { given: false, ports: undefined, notPorts: undefined };

function readEntity(value: unknown, path: string, scope: Scope): Entity {
  const { reader } = scope;
  return narrowed<Entity>(
    reader,
    () => {
      const entity = readMap(value, path) ?? {};
      onlyFields(entity, path, entityFields);
      const nets = readNets(entity["nets"], `${path}.nets`, reader);
      const notNets = readNets(entity["notNets"], `${path}.notNets`, reader);
      const family = [...nets.family, ...notNets.family];
      const terms: PeerTerm[] = [
        ...nets.terms,
        ...notNets.terms.map((of): PeerTerm => ({ kind: "not", of })),
        ...family,
        ...reader.attempt(
          () => selectorTerms(entity, path, scope),
          () => [uncertainPeer],
        ),
      ];
      const ports = narrowed(
        reader,
        () => readPorts(entity, path, reader),
        () => {
          terms.push(uncertainPeer);
          return noPorts;
        },
      );
      const service = readMap(entity["services"], `${path}.services`);
      if (service === undefined) return { terms, family, ports };
      return { ...readService(service, `${path}.services`, scope, terms), family, ports };
    },
    () => ({ terms: [uncertainPeer], family: [], ports: noPorts }),
  );
}

/** Addresses, and their family: a rule with addresses of one family, left out or not, is none for the other. */
function readNets(
  value: unknown,
  path: string,
  reader: ObjectReader,
): { readonly terms: readonly PeerTerm[]; readonly family: readonly PeerTerm[] } {
  return narrowed<ReturnType<typeof readNets>>(
    reader,
    () => {
      const nets = readList(value, path) ?? [];
      if (nets.length === 0) return { terms: [], family: [] };
      const { ranges, complete } = readRanges(nets, path, reader);
      const families = new Set(ranges.map((range) => range.family));
      const written: PeerTerm = { kind: "cidr", set: AddressSet.of(...ranges) };
      const family = families.size > 1 ? [] : readFamily(ranges[0]?.family, path);
      if (complete) return { terms: [written], family };
      // of which family the rule is depends on what is not known
      return { terms: [perhapsMore(written)], family: family.map(perhapsMore) };
    },
    () => ({ terms: [uncertainPeer], family: [] }),
  );
}

function perhapsMore(term: PeerTerm): PeerTerm {
  return { kind: "or", of: [term, uncertainPeer] };
}

/**
 * What the selectors of an entity choose. `notSelector` beside another one is a part of it: whatever carries labels is
 * weighed once, so that an address which an endpoint excludes stays in where a network set has it too. Alone it is about
 * addresses, and the world is not excluded (combineMatchesIfPossible in felix/calc/rule_scanner.go).
 */
function selectorTerms(entity: Fields, path: string, scope: Scope): PeerTerm[] {
  const text = (field: string): string => readString(entity[field], `${path}.${field}`) ?? "";
  const accounts = accountConditions(
    readMap(entity["serviceAccounts"], `${path}.serviceAccounts`),
    `${path}.serviceAccounts`,
  );
  const [selector, notSelector] = [text("selector"), text("notSelector")];
  const place = placeOf(
    text("namespaceSelector"),
    path,
    selector !== "" || notSelector !== "" || accounts.length > 0,
    scope,
  );
  const positive = [
    ...(place === undefined ? [] : [place]),
    ...(selector === "" ? [] : [parseSelector(selector, `${path}.selector`, endpointKey)]),
    ...accounts,
  ];
  const excluded = notSelector === "" ? undefined : parseSelector(notSelector, `${path}.notSelector`, endpointKey);
  if (positive.length > 0) {
    return [labelled(all(...positive, ...(excluded === undefined ? [] : [not(excluded)])), path, scope)];
  }
  return excluded === undefined ? [] : [{ kind: "not", of: labelled(excluded, path, scope) }];
}

/** Where a selector looks: in the namespaces given, or in the policy's own. */
function placeOf(
  namespaceSelector: string,
  path: string,
  speaksOfEndpoints: boolean,
  scope: Scope,
): Condition | undefined {
  if (namespaceSelector !== "") return parseNamespaceSelector(namespaceSelector, `${path}.namespaceSelector`);
  return speaksOfEndpoints && scope.namespace !== undefined ? inNamespace(scope.namespace) : undefined;
}

function accountConditions(accounts: Fields | undefined, path: string): Condition[] {
  if (accounts === undefined) return [];
  onlyFields(accounts, path, ["names", "selector"]);
  const names = readStrings(accounts["names"], `${path}.names`) ?? [];
  const selector = readString(accounts["selector"], `${path}.selector`) ?? "";
  return [
    ...(names.length === 0 ? [] : [test("serviceAccount", "", "in", ...names)]),
    ...(selector === "" ? [] : [parseSelector(selector, `${path}.selector`, accountKey)]),
  ];
}

/** Whatever carries labels to Calico: pods, network sets of addresses, and host endpoints. */
function labelled(where: Condition, path: string, { context, reader }: Scope): PeerTerm {
  const sets = context.networkSets(where);
  if (sets.some(isDoubtful)) {
    reader.report("unsupported", `${path}: the addresses or labels of a network set are not known`, path, true);
  }
  return withSets(where, sets);
}

/** The API server's Service, which every cluster has and no manifest declares; its port is the API server's own. */
const apiServer: Omit<Entity, "ports" | "family"> = {
  terms: [{ kind: "entity", entity: "kube-apiserver" }],
  services: { must: TrafficSet.ports("TCP", 6443), may: TrafficSet.protocol("TCP"), named: [] },
};

function readService(
  service: Fields,
  path: string,
  scope: Scope,
  terms: readonly PeerTerm[],
): Omit<Entity, "ports" | "family"> {
  onlyFields(service, path, ["name", "namespace"]);
  const name = required(readString(service["name"], `${path}.name`), `${path}.name`);
  const own = typeof scope.namespace === "string" ? scope.namespace : "default";
  const namespace = readString(service["namespace"], `${path}.namespace`) ?? own;
  const entry = scope.context.services.find(namespace, name);
  if (entry === undefined) {
    if (namespace === "default" && name === "kubernetes")
      return { ...apiServer, terms: [...terms, ...apiServer.terms] };
    scope.reader.report("not-read", `${path}: Service ${namespace}/${name} is not in the snapshot`, path, true);
    return { terms: [...terms, uncertainPeer] };
  }
  const term = serviceTerm(entry);
  if (term.kind === "uncertain") {
    scope.reader.report(
      "unsupported",
      `${path}: which pods are behind Service ${namespace}/${name} is not known`,
      path,
      true,
    );
  }
  return { terms: [...terms, term], services: servicePorts(entry.object.spec, `${path} (spec)`, scope.reader) };
}

/** The ports that a Service's endpoints serve; not known for certain where they are named. */
function servicePorts(spec: unknown, path: string, reader: ObjectReader): L4Spec {
  return reader.attempt<L4Spec>(
    () => {
      const ports = readList((readMap(spec, path) ?? {})["ports"], `${path}.ports`) ?? [];
      const sets = ports.map((port, index) => servicePort(port, `${path}.ports[${index}]`));
      const known = sets.filter((set) => set !== undefined);
      const must = known.reduce((all, set) => all.union(set), TrafficSet.none());
      return { must, may: known.length === sets.length ? must : TrafficSet.all(), named: [] };
    },
    () => uncertainTraffic,
  );
}

/** The traffic of one port; nothing where its name decides, which each pod gives to a number of its own. */
function servicePort(value: unknown, path: string): TrafficSet | undefined {
  const port = required(readMap(value, path), path);
  const target = port["targetPort"] ?? port["port"];
  const name = readString(port["protocol"], `${path}.protocol`) ?? "TCP";
  const protocol = portProtocol(name);
  if (protocol === undefined) {
    throw new NotReadable(`${path}.protocol`, `${path}.protocol must be TCP, UDP or SCTP`, "invalid-value");
  }
  if (typeof target === "string" && !isUnknown(target)) return undefined;
  const number = required(readInteger(target, `${path}.targetPort`, 1, 65535), `${path}.port`);
  return TrafficSet.ports(protocol, number);
}
