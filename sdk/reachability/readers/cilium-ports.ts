/** `toPorts` and `icmps` of Cilium policies. */
import type { DnsPattern, L4Spec, RuleVerdict } from "../model/rules";
import { mapOf } from "../model/plain";
import { TrafficSet } from "../model/sets/ports";
import type { Direction } from "../model/direction";
import { Refused } from "./common";
import { readNames } from "./cilium-names";
import {
  isGiven,
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
import { everyTraffic, exactly, portProtocol, uniteL4, unknownPort } from "./l4";

export interface CiliumTraffic {
  readonly l4: L4Spec;
  /** The rule speaks of ports or ICMP at all. */
  readonly restricted: boolean;
  readonly l7: boolean;
  readonly dnsProxy: boolean;
  /** What the DNS rules let be asked. */
  readonly dnsNames: readonly DnsPattern[];
}

export function readCiliumTraffic(
  rule: Fields,
  path: string,
  direction: Direction,
  verdict: RuleVerdict,
  reader: ObjectReader,
): CiliumTraffic {
  const toPorts = readList(rule["toPorts"], `${path}.toPorts`) ?? [];
  const icmps = readList(rule["icmps"], `${path}.icmps`) ?? [];
  if (toPorts.length > 0 && icmps.length > 0) {
    throw new NotReadable(`${path}.icmps`, `${path} may not hold both toPorts and icmps`, "invalid-value");
  }
  if (toPorts.length === 0 && icmps.length === 0) {
    return { l4: everyTraffic, restricted: false, l7: false, dnsProxy: false, dnsNames: [] };
  }
  const portRules = toPorts.map((each, index) =>
    readPortRule(each, `${path}.toPorts[${index}]`, direction, verdict, reader),
  );
  const icmpRules = icmps.flatMap((each, index) => readIcmpRule(each, `${path}.icmps[${index}]`));
  return {
    l4: uniteL4([...portRules.map((each) => each.l4), ...icmpRules]),
    restricted: true,
    l7: portRules.some((each) => each.l7),
    dnsProxy: direction === "egress" && portRules.some((each) => each.dnsProxy),
    dnsNames: direction === "egress" ? portRules.flatMap((each) => each.dnsNames) : [],
  };
}

/** As many ports as one entry of `toPorts` may list (CRD, and rule_validation.go). */
const mostPorts = 40;

const allowFields = ["ports", "rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"] as const;

function readPortRule(
  value: unknown,
  path: string,
  direction: Direction,
  verdict: RuleVerdict,
  reader: ObjectReader,
): Omit<CiliumTraffic, "restricted"> {
  const rule = required(readMap(value, path), path);
  onlyFields(rule, path, verdict === "allow" ? allowFields : ["ports"]);
  const ports = readList(rule["ports"], `${path}.ports`) ?? [];
  if (ports.length === 0) {
    throw new NotReadable(`${path}.ports`, `${path} names no ports; what that allows is not documented`, "unsupported");
  }
  const rules = readMap(rule["rules"], `${path}.rules`) ?? {};
  onlyFields(rules, `${path}.rules`, ["http", "kafka", "l7proto", "l7", "dns"]);
  if (ports.length > mostPorts)
    throw new Refused(`the API server refuses the policy: ${path} has more than ${mostPorts} ports`);
  if (direction === "ingress" && rules["dns"] !== undefined) {
    throw new Refused(`the agent refuses the policy: ${path}.rules.dns is for egress only`);
  }
  const overTcp = ["http", "kafka", "l7", "l7proto"].some((kind) => rules[kind] !== undefined);
  if (overTcp && ports.some((port) => (port as Fields | null)?.["protocol"] !== "TCP")) {
    throw new Refused(`the agent refuses the policy: ${path}.rules apply to TCP only`);
  }
  checkSeven(rule, rules, ports, path, direction);
  const l7 = Object.keys(rules).length > 0 || allowFields.slice(2).some((field) => rule[field] !== undefined);
  return {
    l4: uniteL4(
      ports.map((port, index) =>
        reader.attemptUnknown(
          () => readPort(port, `${path}.ports[${index}]`),
          // it may be 0: every protocol
          () => unknownPort(mapOf(port)["protocol"], TrafficSet.all()),
        ),
      ),
    ),
    l7,
    dnsProxy: Array.isArray(rules["dns"]) && rules["dns"].length > 0,
    dnsNames: (readList(rules["dns"], `${path}.rules.dns`) ?? []).flatMap((each, index) =>
      reader.attemptUnknown(
        () => readDnsRule(each, `${path}.rules.dns[${index}]`),
        () => [unknownNames],
      ),
    ),
  };
}

/**
 * What the agent refuses of layer 7 (sanitize of PortRule and L7Rules in pkg/policy/api/rule_validation.go).
 *
 * @throws Refused
 */
function checkSeven(rule: Fields, rules: Fields, ports: readonly unknown[], path: string, direction: Direction): void {
  const refuse = (why: string): never => {
    throw new Refused(`the agent refuses the policy and enforces nothing of it: ${path}${why}`);
  };
  const kinds = Object.keys(rules).filter((kind) => isFilled(rules[kind]));
  if (kinds.includes("http")) checkPatterns(rules["http"], `${path}.rules.http`);
  const names = readStrings(rule["serverNames"], `${path}.serverNames`) ?? [];
  if (names.includes("")) refuse(".serverNames holds an empty name");
  if (names.length > 0 && kinds.length > 0 && !isGiven(rule["terminatingTLS"])) {
    refuse(" has serverNames beside rules, which needs terminatingTLS");
  }
  if (isGiven(rule["listener"]) && direction === "ingress") refuse(".listener is for egress only");
  if (isGiven(rule["listener"]) && kinds.length > 0) refuse(" has a listener beside rules");
  if (kinds.length === 0) return;
  if (kinds.filter((kind) => kind !== "l7proto" && kind !== "l7").length > 1) refuse(".rules are of several protocols");
  for (const [index, port] of ports.entries()) {
    const { port: text, endPort } = (port ?? {}) as Fields;
    const number = typeof text === "string" ? numberOf(text) : 0;
    if (number === 0) refuse(`.ports[${index}]: rules need a port that is not 0`);
    if (kinds.includes("dns") && number !== undefined && typeof endPort === "number" && endPort > number) {
      refuse(`.ports[${index}]: DNS rules are for no range of ports`);
    }
  }
}

/**
 * Methods and paths are expressions, which the agent compiles.
 *
 * @throws NotReadable where one is none.
 */
function checkPatterns(value: unknown, path: string): void {
  for (const [index, rule] of (readList(value, path) ?? []).entries()) {
    const fields = readMap(rule, `${path}[${index}]`) ?? {};
    for (const field of ["method", "path"]) {
      const at = `${path}[${index}].${field}`;
      const text = readString(fields[field], at) ?? "";
      if (isExpression(text)) continue;
      throw new NotReadable(at, `${at} is no regular expression: ${JSON.stringify(text)}`, "invalid-value");
    }
  }
}

/** Whether Go's regexp may take a text: its flags are no part of JavaScript's expressions, and it looks neither ahead nor back. */
function isExpression(text: string): boolean {
  if (/\(\?(?:[=!]|<[=!])|\\[1-9]/.test(text)) return false;
  try {
    new RegExp(
      text
        .replace(/\(\?[a-zA-Z-]+\)/g, "")
        .replace(/\(\?[a-zA-Z-]+:/g, "(?:")
        .replace(/\(\?P</g, "(?<"),
    );
    return true;
  } catch {
    return false;
  }
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isGiven(value);
}

/**
 * The number that a port's text means to the agent (strconv.ParseUint with base 0): `0120` is octal, 80. Nothing where it is
 * none; `080` is no octal number.
 */
function numberOf(text: string): number | undefined {
  if (/^0[0-7]*$/.test(text)) return parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}

/** Names or patterns that may be asked. */
function readDnsRule(value: unknown, path: string): readonly DnsPattern[] {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["matchName", "matchPattern"]);
  return readNames(entry, path);
}

/** Names that are not known yet. */
const unknownNames: DnsPattern = { text: "(unknown *)", expression: /^.*$/, broad: false, perhaps: true };

/** Protocols without ports that `toPorts` may name (the CRD's enumeration), by IP protocol number (IANA). */
const portless: Readonly<Record<string, number>> = {
  IPV6: 41,
  VRRP: 112,
  IGMP: 2,
  ESP: 50,
  AH: 51,
  GRE: 47,
  IPIP: 4,
};

function readPort(value: unknown, path: string): L4Spec {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["port", "endPort", "protocol"]);
  // the CRD takes capitals only
  const protocolName = readString(entry["protocol"], `${path}.protocol`) ?? "ANY";
  const protocol = portProtocol(protocolName);
  const given = readString(entry["port"], `${path}.port`) ?? "";
  if (protocol === undefined && protocolName !== "ANY") {
    const number = Object.hasOwn(portless, protocolName) ? portless[protocolName] : undefined;
    if (number !== undefined && given !== "" && given !== "0") {
      throw new NotReadable(`${path}.port`, `${path}.port is for no port of ${protocolName}`, "invalid-value");
    }
    if (number !== undefined) return exactly(TrafficSet.ipProtocol(number));
    const where = `${path}.protocol`;
    const why = /^icmp(v6)?$/i.test(protocolName)
      ? "is no protocol that toPorts takes: types of ICMP belong into icmps"
      : "is not a protocol Cilium knows";
    throw new NotReadable(where, `${where} ${why}: ${JSON.stringify(protocolName)}`, "invalid-value");
  }
  if (given === "") {
    const message = `${path}.port is missing, which the agent takes with enable-extended-ip-protocols only`;
    throw new NotReadable(`${path}.port`, message, "invalid-value");
  }

  const endPort = readInteger(entry["endPort"], `${path}.endPort`, 0, 65535) ?? 0;
  if (!/^\d+$/.test(given)) {
    if (!/^(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$/i.test(given) || given.length > 15 || endPort > 0) {
      throw new NotReadable(
        `${path}.port`,
        `${path}.port is neither a number nor a port name: ${JSON.stringify(given)}`,
        "invalid-value",
      );
    }
    const name = given.toLowerCase();
    return exactly(TrafficSet.none(), [protocol === undefined ? { name } : { name, protocol }]);
  }
  const port = numberOf(given);
  if (port === undefined || port > 65535) {
    throw new NotReadable(`${path}.port`, `${path}.port is no port: ${JSON.stringify(given)}`, "invalid-value");
  }
  if (endPort > 0 && endPort < port) {
    throw new NotReadable(`${path}.endPort`, `${path}.endPort must not be smaller than port`, "invalid-value");
  }
  const setOf = (each: "TCP" | "UDP" | "SCTP"): TrafficSet =>
    port === 0 ? TrafficSet.protocol(each) : TrafficSet.ports(each, port, endPort > 0 ? endPort : port);
  if (protocol !== undefined) return exactly(setOf(protocol));
  const ported = setOf("TCP").union(setOf("UDP")).union(setOf("SCTP"));
  // port 0 of any protocol: whether that includes protocols without ports is not documented
  return port === 0 ? { must: ported, may: TrafficSet.all(), named: [] } : exactly(ported);
}

/** Names of ICMP types that Cilium takes (pkg/policy/api/icmp.go). */
const icmpNames: Readonly<Record<"IPv4" | "IPv6", Readonly<Record<string, number>>>> = {
  IPv4: {
    EchoReply: 0,
    DestinationUnreachable: 3,
    Redirect: 5,
    Echo: 8,
    EchoRequest: 8,
    RouterAdvertisement: 9,
    RouterSelection: 10,
    TimeExceeded: 11,
    ParameterProblem: 12,
    Timestamp: 13,
    TimestampReply: 14,
    Photuris: 40,
    "ExtendedEcho Request": 42,
    ExtendedEchoRequest: 42,
    "ExtendedEcho Reply": 43,
    ExtendedEchoReply: 43,
  },
  IPv6: {
    DestinationUnreachable: 1,
    PacketTooBig: 2,
    TimeExceeded: 3,
    ParameterProblem: 4,
    EchoRequest: 128,
    EchoReply: 129,
    MulticastListenerQuery: 130,
    MulticastListenerReport: 131,
    MulticastListenerDone: 132,
    RouterSolicitation: 133,
    RouterAdvertisement: 134,
    NeighborSolicitation: 135,
    NeighborAdvertisement: 136,
    RedirectMessage: 137,
    RouterRenumbering: 138,
    ICMPNodeInformationQuery: 139,
    ICMPNodeInformationResponse: 140,
    InverseNeighborDiscoverySolicitation: 141,
    InverseNeighborDiscoveryAdvertisement: 142,
    HomeAgentAddressDiscoveryRequest: 144,
    HomeAgentAddressDiscoveryReply: 145,
    MobilePrefixSolicitation: 146,
    MobilePrefixAdvertisement: 147,
    DuplicateAddressRequestCodeSuffix: 157,
    DuplicateAddressConfirmationCodeSuffix: 158,
    ExtendedEchoRequest: 160,
    ExtendedEchoReply: 161,
  },
};

function readIcmpRule(value: unknown, path: string): L4Spec[] {
  const rule = required(readMap(value, path), path);
  onlyFields(rule, path, ["fields"]);
  const fields = readList(rule["fields"], `${path}.fields`) ?? [];
  return fields.map((each, index) => readIcmpField(each, `${path}.fields[${index}]`));
}

function readIcmpField(value: unknown, path: string): L4Spec {
  const field = required(readMap(value, path), path);
  onlyFields(field, path, ["family", "type"]);
  const family = readString(field["family"], `${path}.family`) ?? "IPv4";
  if (family !== "IPv4" && family !== "IPv6") {
    throw new NotReadable(`${path}.family`, `${path}.family must be IPv4 or IPv6`, "invalid-value");
  }
  const given = field["type"];
  const named =
    typeof given === "string" && Object.hasOwn(icmpNames[family], given) ? icmpNames[family][given] : undefined;
  const number = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
  const type = named ?? required(readInteger(number, `${path}.type`, 0, 255), `${path}.type`);
  return exactly(TrafficSet.icmp(family === "IPv4" ? 4 : 6, type));
}
