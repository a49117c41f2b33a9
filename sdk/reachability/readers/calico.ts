/**
 * Calico's NetworkPolicy and GlobalNetworkPolicy, projectcalico.org/v3.
 * Source: api/pkg/apis/projectcalico/v3, libcalico-go lib/backend/syncersv1/updateprocessors, felix/rules.
 */
import type { CompiledPolicy, DirectionRules, L4Spec, PeerTerm, Rule, RuleVerdict, Subject } from "../model/rules";
import { tiers } from "../model/rules";
import {
  endpointKey,
  namespaceKey,
  accountKey,
  parseCalicoSelector,
  SelectorError,
  type CalicoKey,
} from "../model/selectors/calico";
import { all, always, perhaps, test, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { AddressSet } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown } from "../model/unknown";
import type { Direction } from "../model/direction";
import {
  readCidr,
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
  readBoolean,
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
import { portProtocol, uncertainTraffic } from "./l4";
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
        reader.report("not-enforced", error.message, undefined, false);
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
  for (const field of ["doNotTrack", "preDNAT"]) {
    if (readBoolean(spec[field], `spec.${field}`) === true) {
      throw new Refused(`a policy with ${field} is about host endpoints, not about pods`);
    }
  }
  const tierName = readString(spec["tier"], "spec.tier") ?? "default";
  const tier = context.tiers.named(tierName);
  if (tier === undefined) {
    throw new NotReadable("spec.tier", `the Tier ${JSON.stringify(tierName)} is not in the snapshot`, "unsupported");
  }
  const order = spec["order"];
  if (order !== undefined && order !== null && typeof order !== "number") {
    throw new NotReadable("spec.order", "spec.order must be a number", "invalid-value");
  }
  const subject: Subject = {
    kind: "pods",
    where: all(
      reach,
      selectorAt(spec, "selector", "spec", endpointKey, reader),
      selectorAt(spec, "namespaceSelector", "spec", namespaceKey, reader),
      selectorAt(spec, "serviceAccountSelector", "spec", accountKey, reader),
    ),
  };
  const directions = readTypes(spec);
  const read = (direction: Direction): { [key in Direction]?: DirectionRules } =>
    directions.has(direction) ? { [direction]: readDirection(spec, direction, scope, tier.isolates) } : {};
  return [
    {
      origin,
      tier: tier.tier,
      order: typeof order === "number" ? order : Infinity,
      subject,
      ...read("ingress"),
      ...read("egress"),
    },
  ];
}

/** A selector; where it cannot be parsed it may select anybody. */
function selectorAt(fields: Fields, field: string, path: string, keyOf: CalicoKey, reader: ObjectReader): Condition {
  return reader.attempt(
    () => parseSelector(readString(fields[field], `${path}.${field}`) ?? "", `${path}.${field}`, keyOf),
    () => perhaps,
  );
}

function parseSelector(text: string, path: string, keyOf: CalicoKey): Condition {
  try {
    return parseCalicoSelector(text, keyOf);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw new NotReadable(path, `${path} is not a selector: ${error.message}`, "invalid-value");
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
      if (verdict === "log") return [];
      const source = readEntity(rule["source"], `${path}.source`, scope);
      const destination = readEntity(rule["destination"], `${path}.destination`, scope);
      const peer = direction === "ingress" ? source : destination;
      const own = direction === "ingress" ? destination : source;
      const family = readFamily(rule["ipVersion"], `${path}.ipVersion`);
      let l4 = readCalicoTraffic(rule, path, destination.ports);
      if (destination.services !== undefined) l4 = intersectL4(l4, destination.services);
      // which port a connection comes from is not known; HTTP attributes are not looked at
      if (source.ports.given || rule["http"] !== undefined)
        l4 = { ...l4, must: TrafficSet.none(), named: [], may: l4.named.length > 0 ? TrafficSet.all() : l4.may };
      return [
        {
          direction,
          verdict,
          path,
          peers: [andTerm([...peer.terms, ...family])],
          ...(own.terms.length === 0 ? {} : { own: andTerm(own.terms) }),
          l4,
          ...(rule["http"] === undefined ? {} : { l7: true }),
        },
      ];
    },
    () => [uncertainRule(direction, "allow", path), uncertainRule(direction, "deny", path)],
  );
}

function intersectL4(a: L4Spec, b: L4Spec): L4Spec {
  return { ...a, must: a.must.intersect(b.must), may: a.may.intersect(b.may) };
}

function andTerm(terms: readonly PeerTerm[]): PeerTerm {
  if (terms.length === 0) return { kind: "any" };
  return terms.length === 1 ? (terms[0] as PeerTerm) : { kind: "and", of: terms };
}

function readFamily(value: unknown, path: string): PeerTerm[] {
  if (value === undefined || value === null) return [];
  if (value !== 4 && value !== 6) throw new NotReadable(path, `${path} must be 4 or 6`, "invalid-value");
  return [{ kind: "cidr", set: value === 4 ? AddressSet.allV4 : AddressSet.allV6 }];
}

interface Entity {
  /** All of these must fit; none means anybody. */
  readonly terms: readonly PeerTerm[];
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

function readEntity(value: unknown, path: string, scope: Scope): Entity {
  const entity = readMap(value, path) ?? {};
  onlyFields(entity, path, entityFields);
  const terms: PeerTerm[] = [];
  const ports = readPorts(entity, path);
  const nets = readStrings(entity["nets"], `${path}.nets`) ?? [];
  if (nets.length > 0) terms.push(netsTerm(nets, `${path}.nets`));
  const notNets = readStrings(entity["notNets"], `${path}.notNets`) ?? [];
  if (notNets.length > 0) terms.push({ kind: "not", of: netsTerm(notNets, `${path}.notNets`) });
  const text = (field: string): string => readString(entity[field], `${path}.${field}`) ?? "";
  const accounts = readMap(entity["serviceAccounts"], `${path}.serviceAccounts`);
  const speaksOfEndpoints = text("selector") !== "" || text("notSelector") !== "" || accounts !== undefined;
  const place = placeOf(text("namespaceSelector"), path, speaksOfEndpoints, scope);
  const positive = [
    ...(place === undefined ? [] : [place]),
    ...(text("selector") === "" ? [] : [parseSelector(text("selector"), `${path}.selector`, endpointKey)]),
    ...accountConditions(accounts, `${path}.serviceAccounts`),
  ];
  if (positive.length > 0) terms.push(labelled(all(...positive), path, scope));
  if (text("notSelector") !== "") {
    const excluded = parseSelector(text("notSelector"), `${path}.notSelector`, endpointKey);
    terms.push({ kind: "not", of: labelled(excluded, path, scope) });
  }
  const service = readMap(entity["services"], `${path}.services`);
  if (service === undefined) return { terms, ports };
  return { ...readService(service, `${path}.services`, scope, terms), ports };
}

/** Where a selector looks: in the namespaces given, or in the policy's own. */
function placeOf(
  namespaceSelector: string,
  path: string,
  speaksOfEndpoints: boolean,
  scope: Scope,
): Condition | undefined {
  if (namespaceSelector !== "") {
    const chosen = parseSelector(namespaceSelector, `${path}.namespaceSelector`, namespaceKey);
    // global() is the absence of a namespace; all() and everything else is about namespaced endpoints
    return namespaceSelector.includes("global()") ? chosen : all(test("namespace", "", "exists"), chosen);
  }
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

function netsTerm(nets: readonly string[], path: string): PeerTerm {
  return {
    kind: "cidr",
    set: AddressSet.of(
      ...nets.map((net, index) =>
        readCidr(net.includes("/") ? net : `${net}${net.includes(":") ? "/128" : "/32"}`, `${path}[${index}]`),
      ),
    ),
  };
}

/** Whatever carries labels to Calico: pods, and network sets of addresses. */
function labelled(where: Condition, path: string, { context, reader }: Scope): PeerTerm {
  const sets = context.networkSets(where);
  if (sets.some(({ kind }) => kind !== "cidr")) {
    reader.report("unsupported", `${path}: the addresses or labels of a network set are not known`, path, true);
  }
  return sets.length === 0 ? { kind: "pods", where } : { kind: "or", of: [{ kind: "pods", where }, ...sets] };
}

function readService(service: Fields, path: string, scope: Scope, terms: readonly PeerTerm[]): Omit<Entity, "ports"> {
  onlyFields(service, path, ["name", "namespace"]);
  const name = required(readString(service["name"], `${path}.name`), `${path}.name`);
  const own = typeof scope.namespace === "string" ? scope.namespace : "default";
  const namespace = readString(service["namespace"], `${path}.namespace`) ?? own;
  const entry = scope.context.services.find(namespace, name);
  if (entry === undefined) {
    scope.reader.report("unsupported", `${path}: Service ${namespace}/${name} is not in the snapshot`, path, true);
    return { terms: [...terms, uncertainPeer] };
  }
  const term = serviceTerm(entry);
  if (term.kind === "uncertain") {
    scope.reader.report(
      "unsupported",
      `${path}: whom Service ${namespace}/${name} stands for is not known`,
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
