/**
 * What a rule of an AuthorizationPolicy asks for: `from.source`, `to.operation` and `when`, and what istiod's webhook
 * refuses of them. Source: istio pkg/config/validation (ValidateAuthorizationPolicy), pkg/config/security,
 * pilot/pkg/security/authz/model, pilot/pkg/serviceregistry/ambient/authorization.go (handleRule).
 */
import type { EnforcerProfile } from "../model/profile";
import type { HttpCondition, PeerTerm } from "../model/rules";
import { all, any, not, test, type Condition, type Field, type Operator } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { AddressSet, parseAddress, parseCidr, type AddressRange } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown } from "../model/unknown";
import { Refused } from "./common";
import { onlyFields, readList, readMap, readString, readStrings, required, type Fields } from "./fields";
import { httpOf, httpWhen } from "./istio-http";

/** Who enforces a rule: Envoy (sidecars, gateways, waypoints), or ztunnel, which knows of layer 4 only. */
export type RuleEnforcer = "proxy" | "ztunnel";

export interface ClauseScope {
  readonly enforcer: RuleEnforcer;
  /** The policy's namespace. */
  readonly namespace: LabelValue;
  readonly profile: EnforcerProfile;
}

/** What a part of a rule says. */
export interface Clause {
  readonly peer: PeerTerm;
  /** About the policy's own side: the address that was connected to. */
  readonly own?: PeerTerm;
  readonly ports: TrafficSet;
  readonly http?: HttpCondition;
  /** The clause asks something that ztunnel is not given, so that an ALLOW rule with it is left out there. */
  readonly beyondZtunnel: boolean;
  /** Something is left of the clause for ztunnel. */
  readonly transport: boolean;
}

const tcp = TrafficSet.protocol("TCP");
const anyPeer: PeerTerm = { kind: "any" };

/** The clause that every connection meets. */
export const anyClause: Clause = { peer: anyPeer, ports: tcp, beyondZtunnel: false, transport: false };

const identityFields = ["principals", "namespaces", "serviceAccounts", "trustDomains"] as const;
type IdentityField = (typeof identityFields)[number];
const requestFields = ["requestPrincipals", "notRequestPrincipals"];
const remoteFields = ["remoteIpBlocks", "notRemoteIpBlocks"];

function negative(name: string): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** @throws Refused, NotReadable */
export function readSource(fields: Fields, path: string, scope: ClauseScope): Clause {
  const known = [
    ...identityFields.flatMap((name) => [name, negative(name)]),
    "ipBlocks",
    "notIpBlocks",
    ...requestFields,
    ...remoteFields,
  ];
  onlyFields(fields, path, known);
  const list = (name: string): readonly string[] => readValues(fields[name], `${path}.${name}`);
  const given = new Map(known.map((name) => [name, list(name)] as const));
  const has = (...names: string[]): boolean => names.some((name) => (given.get(name) ?? []).length > 0);
  if (!has(...known)) throw refused(`${path} is empty`);
  if (
    has("serviceAccounts", "notServiceAccounts") &&
    has("principals", "notPrincipals", "namespaces", "notNamespaces")
  ) {
    throw refused(`${path} names serviceAccounts beside principals or namespaces`);
  }
  const clause = sourceOf(given, path, scope);
  const requests = requestFields.flatMap((name) => given.get(name) ?? []);
  return {
    ...clause,
    ...(requests.length === 0 || scope.enforcer === "ztunnel" ? {} : { http: httpOf(fields) }),
    beyondZtunnel: has(...requestFields, ...remoteFields),
  };
}

function sourceOf(given: ReadonlyMap<string, readonly string[]>, path: string, scope: ClauseScope): Clause {
  const terms: PeerTerm[] = [];
  const list = (name: string): readonly string[] => given.get(name) ?? [];
  for (const name of identityFields) {
    for (const text of [...list(name), ...list(negative(name))]) checkIdentity(name, text, path);
    // what ztunnel is given has no field for trust domains
    if (name === "trustDomains" && scope.enforcer === "ztunnel") continue;
    const tests = (values: readonly string[]): Condition =>
      any(...values.map((text) => identityTest(name, text, scope)));
    if (list(name).length > 0) terms.push(identities(tests(list(name))));
    if (list(negative(name)).length > 0) terms.push(identities(not(tests(list(negative(name))))));
  }
  if (list("ipBlocks").length > 0) terms.push(blocks(list("ipBlocks"), `${path}.ipBlocks`));
  if (list("notIpBlocks").length > 0) {
    terms.push({ kind: "not", of: blocks(list("notIpBlocks"), `${path}.notIpBlocks`) });
  }
  const remote = remoteFields.filter((name) => list(name).length > 0);
  for (const name of remote) blocks(list(name), `${path}.${name}`);
  // the client's address as a header states it, which anyone may write
  if (remote.length > 0 && scope.enforcer === "proxy") terms.push({ kind: "uncertain" });
  return {
    peer: terms.length === 0 ? anyPeer : { kind: "and", of: terms },
    ports: tcp,
    beyondZtunnel: false,
    transport: terms.length > 0,
  };
}

function identities(where: Condition): PeerTerm {
  return { kind: "identities", where };
}

function checkIdentity(name: IdentityField, text: string, path: string): void {
  if (name === "serviceAccounts") checkAccount(text, path);
  if (name !== "trustDomains") return;
  checkWildcard(text, path);
  if (text.includes("/")) throw refusedText(path, text, "holds a slash", "the trust domain ");
}

/** `account` or `namespace/account`, without wildcards (CheckServiceAccount). */
function checkAccount(text: string, path: string): void {
  const parts = text.split("/");
  if (text.includes("*") || parts.length > 2 || parts.includes("") || text.length > 320) {
    throw refusedText(path, text, "is no serviceAccount or namespace/serviceAccount without wildcards");
  }
}

/** One wildcard, at the beginning or the end (CheckWildcardValues). */
function checkWildcard(text: string, path: string): void {
  const stars = text.split("*").length - 1;
  if (stars > 1 || (stars === 1 && text !== "*" && !text.startsWith("*") && !text.endsWith("*"))) {
    throw refusedText(path, text, "has a wildcard elsewhere than at one end");
  }
}

/** A principal, namespace, service account or trust domain; only peers with mutual TLS have one. */
function identityTest(name: IdentityField, text: string, scope: ClauseScope): Condition {
  switch (name) {
    case "namespaces":
      return namespaceTest(text, scope.enforcer);
    case "trustDomains":
      return textTest("meshTrustDomain", text);
    case "serviceAccounts": {
      // without a namespace: the policy's own
      const slash = text.indexOf("/");
      const account = test("meshAccount", "", "in", text.slice(slash + 1));
      const namespace = slash < 0 ? scope.namespace : text.slice(0, slash);
      return all(account, test("meshNamespace", "", "in", namespace));
    }
    case "principals":
      return any(...principalsMeant(text, scope).map((each) => textTest("principal", each)));
  }
}

/**
 * A principal, and the same with the local trust domain where it names an alias of it or `cluster.local`, which stands for
 * it (istio pilot/pkg/security/trustdomain; not for ztunnel).
 */
function principalsMeant(text: string, { enforcer, profile }: ClauseScope): string[] {
  const parts = text.split("/");
  const [domain = ""] = parts;
  const local = profile.meshTrustDomain;
  if (enforcer === "ztunnel" || parts.length !== 5 || domain === "*" || domain === local) return [text];
  const meant = domain === "cluster.local" || (profile.meshTrustDomainAliases ?? []).includes(domain);
  return meant ? [text, [local, ...parts.slice(1)].join("/")] : [text];
}

/**
 * Envoy looks for `/ns/<pattern>/` in the whole identity, so that a wildcard elsewhere than at the end may run past the
 * namespace (srcNamespaceGenerator); ztunnel compares the namespace itself.
 */
function namespaceTest(text: string, enforcer: RuleEnforcer): Condition {
  const inner = text.slice(0, -1).includes("*");
  if (enforcer === "ztunnel" || !inner) return textTest("meshNamespace", text);
  const pattern = text.split("*").map(escapeExpression).join(".*");
  return test("principal", "", "matches", `^.*/ns/${pattern}/.*$`);
}

function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Exact, `prefix*`, `*suffix` or `*` (anything that is not empty). */
function textTest(field: Field, text: string): Condition {
  if (text === "*") return test(field, "", "exists");
  const build = (operator: Operator, value: string): Condition => test(field, "", operator, value);
  if (text.startsWith("*")) return build("endsWith", text.slice(1));
  if (text.endsWith("*")) return build("startsWith", text.slice(0, -1));
  return build("in", text);
}

function blocks(texts: readonly string[], path: string): PeerTerm {
  const ranges = texts.map((text): AddressRange => {
    const address = text.includes("/") ? undefined : parseAddress(text);
    const range =
      address === undefined
        ? text.includes("/")
          ? parseCidr(text)
          : undefined
        : { family: address.family, from: address.value, to: address.value };
    if (range === undefined) throw refusedText(path, text, "is no address and no range");
    return range;
  });
  return { kind: "cidr", set: AddressSet.of(...ranges), literal: true };
}

const httpFields = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];

/** @throws Refused, NotReadable */
export function readOperation(fields: Fields, path: string, scope: ClauseScope): Clause {
  onlyFields(fields, path, [...httpFields, "ports", "notPorts"]);
  const http = httpFields.filter((name) => readValues(fields[name], `${path}.${name}`).length > 0);
  for (const name of ["paths", "notPaths"]) {
    for (const text of readValues(fields[name], `${path}.${name}`)) checkPath(text, `${path}.${name}`);
  }
  const ports = readPorts(fields["ports"], `${path}.ports`);
  const notPorts = readPorts(fields["notPorts"], `${path}.notPorts`);
  if (http.length === 0 && ports === undefined && notPorts === undefined) throw refused(`${path} is empty`);
  return {
    peer: anyPeer,
    ports: (ports ?? tcp).subtract(notPorts ?? TrafficSet.none()),
    ...(http.length === 0 || scope.enforcer === "ztunnel" ? {} : { http: httpOf(fields) }),
    beyondZtunnel: http.length > 0,
    transport: ports !== undefined || notPorts !== undefined,
  };
}

/** What a segment may hold beside a template (validLiteral). */
const pathLiteral = /^[a-zA-Z0-9\-._~%!$&'()+,;=:@]+$/;

/** Braces occur in a path only as the segments `{*}` and `{**}`, the latter last (CheckValidPathTemplate). */
function checkPath(text: string, path: string): void {
  const segments = text.replace(/^\/+|\/+$/g, "").split("/");
  const rest = segments.indexOf("{**}");
  const late = rest >= 0 && segments.slice(rest + 1).some((each) => each === "{*}" || each === "{**}");
  if (late || segments.some((each) => each !== "{*}" && each !== "{**}" && /[{}]/.test(each))) {
    throw refusedText(path, text, "has braces elsewhere than in {*} or a last {**}");
  }
  const literals = segments.filter((each) => each !== "{*}" && each !== "{**}");
  if (literals.length < segments.length && literals.some((each) => !pathLiteral.test(each))) {
    throw refusedText(path, text, "holds more than letters of a path beside {*} or {**}");
  }
}

/**
 * A port written as a string.
 *
 * @throws Refused for anything but decimal digits: `0x50` is 80 to JavaScript and refused by Istio.
 */
function readPortText(value: unknown, path: string): number {
  const text = required(readString(value, path), path);
  const number = /^\d+$/.test(text) ? Number(text) : -1;
  if (number < 0 || number > 65535)
    throw refused(`${path} is not a port`, `${path} is not a port: ${JSON.stringify(text)}`);
  return number;
}

function readPorts(value: unknown, path: string): TrafficSet | undefined {
  const list = readList(value, path) ?? [];
  if (list.length === 0) return undefined;
  return list.reduce<TrafficSet>((set, each, index) => {
    const port = readPortText(each, `${path}[${index}]`);
    // no connection goes to port 0
    return port === 0 ? set : set.union(TrafficSet.ports("TCP", port));
  }, TrafficSet.none());
}

/** Attributes of `when` that ztunnel is given (l4WhenAttributes). */
const l4Attributes: ReadonlySet<string> = new Set([
  "source.ip",
  "source.namespace",
  "source.principal",
  "destination.ip",
  "destination.port",
]);
const sourceAttributes: Readonly<Record<string, string>> = {
  "source.namespace": "namespaces",
  "source.principal": "principals",
  "source.ip": "ipBlocks",
  "source.serviceAccount": "serviceAccounts",
  "source.trustDomain": "trustDomains",
  "remote.ip": "remoteIpBlocks",
};
const requestAttribute = /^request\.(auth\.(principal|audiences|presenter)|(headers|auth\.claims)\[.+\])$/;

/** One condition of `when`. @throws Refused, NotReadable */
export function readCondition(value: unknown, path: string, scope: ClauseScope): Clause {
  const condition = required(readMap(value, path), path);
  onlyFields(condition, path, ["key", "values", "notValues"]);
  const key = readString(condition["key"], `${path}.key`) ?? "";
  if (key === "") throw refused(`${path}.key is empty`);
  const values = readValues(condition["values"], `${path}.values`);
  const notValues = readValues(condition["notValues"], `${path}.notValues`);
  if (values.length === 0 && notValues.length === 0) throw refused(`${path} has neither values nor notValues`);
  const beyond = !l4Attributes.has(key);
  const clause = readAttribute(key, values, notValues, path, scope);
  return scope.enforcer === "ztunnel" && beyond ? { ...anyClause, beyondZtunnel: true } : clause;
}

function readAttribute(
  key: string,
  values: readonly string[],
  notValues: readonly string[],
  path: string,
  scope: ClauseScope,
): Clause {
  const field = Object.hasOwn(sourceAttributes, key) ? sourceAttributes[key] : undefined;
  if (field === "trustDomains") {
    for (const text of [...values, ...notValues]) checkWildcard(text, path);
    return trustDomains(values, notValues);
  }
  if (field !== undefined) {
    const given = new Map([
      [field, values],
      [negative(field), notValues],
    ]);
    return sourceOf(given, path, scope);
  }
  if (key === "destination.port") {
    const ports = readPorts(values, `${path}.values`);
    const notPorts = readPorts(notValues, `${path}.notValues`);
    return { ...anyClause, ports: (ports ?? tcp).subtract(notPorts ?? TrafficSet.none()), transport: true };
  }
  if (key === "destination.ip") {
    const terms: PeerTerm[] = [];
    if (values.length > 0) terms.push(blocks(values, `${path}.values`));
    if (notValues.length > 0) terms.push({ kind: "not", of: blocks(notValues, `${path}.notValues`) });
    return { ...anyClause, own: { kind: "and", of: terms }, transport: true };
  }
  if (requestAttribute.test(key)) return { ...anyClause, http: httpWhen(key, values, notValues) };
  // may hold or not
  if (key === "connection.sni" || /^experimental\.envoy\.filters\..+\[.+\]$/.test(key)) {
    return { ...anyClause, peer: { kind: "uncertain" } };
  }
  throw refused(
    `${path}.key is no attribute that Istio knows`,
    `${path}.key ${JSON.stringify(key)} is no attribute that Istio knows`,
  );
}

function trustDomains(values: readonly string[], notValues: readonly string[]): Clause {
  const tests = (texts: readonly string[]): Condition => any(...texts.map((text) => textTest("meshTrustDomain", text)));
  const terms = [
    ...(values.length > 0 ? [identities(tests(values))] : []),
    ...(notValues.length > 0 ? [identities(not(tests(notValues)))] : []),
  ];
  return { ...anyClause, peer: { kind: "and", of: terms } };
}

/** Strings of which none is empty. */
function readValues(value: unknown, path: string): readonly string[] {
  const values = readStrings(value, path) ?? [];
  if (values.some((text) => !isUnknown(text) && text === "")) throw refused(`${path} holds an empty string`);
  return values;
}

/** istiod's webhook refuses the policy. */
export function refused(why: string, quoting = why): Refused {
  const text = "Istio's webhook refuses the policy:";
  return new Refused(`${text} ${why}`, `${text} ${quoting}`);
}

/** A text that the webhook refuses for what it holds. */
function refusedText(path: string, text: string, why: string, noun = ""): Refused {
  return refused(`${path}: ${noun === "" ? "a value " : noun}${why}`, `${path}: ${noun}${JSON.stringify(text)} ${why}`);
}
