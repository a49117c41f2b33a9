/**
 * What Calico's API refuses although each field by itself can be read. A policy that is refused is not there, so whatever
 * is in it must not be taken for a rule, and least of all for one about everybody.
 * Source: libcalico-go lib/validator/v3/validator.go and the validation rules in api/pkg/apis/projectcalico/v3.
 */
import type { EnforcerProfile } from "../model/profile";
import { parseCidr } from "../model/sets/addresses";
import type { Direction } from "../model/direction";
import { isBeforeCalico } from "../model/calico-version";
import { readProtocol } from "./calico-traffic";
import { isGiven, NotReadable, readBoolean, readInteger, readList, readMap, readString, readStrings } from "./fields";
import type { Fields } from "./fields";

/** Where a rule is. */
export interface RulePlace {
  readonly direction: Direction;
  /** In a GlobalNetworkPolicy. */
  readonly global: boolean;
  readonly profile: EnforcerProfile;
}

function refuse(path: string, reason: string): never {
  throw new NotReadable(path, `Calico refuses ${path}: ${reason}`, "invalid-value");
}

/**
 * Checks what is beside the rules.
 *
 * @throws NotReadable where Calico refuses the policy.
 */
export function checkSpec(spec: Fields): void {
  for (const field of ["selector", "serviceAccountSelector", "namespaceSelector"]) {
    const path = `spec.${field}`;
    if (namesGlobal(readString(spec[field], path)))
      refuse(path, "global() is for the namespaceSelector of a rule only");
  }
  for (const [index, hint] of (readStrings(spec["performanceHints"], "spec.performanceHints") ?? []).entries()) {
    if (hint !== "AssumeNeededOnEveryNode") {
      refuse(`spec.performanceHints[${index}]`, `${JSON.stringify(hint)} is no hint that it knows`);
    }
  }
  const types = readStrings(spec["types"], "spec.types") ?? [];
  if (new Set(types).size < types.length) refuse("spec.types", "a type is given twice");
  const [doNotTrack, preDNAT, forward] = ["doNotTrack", "preDNAT", "applyOnForward"].map(
    (field) => readBoolean(spec[field], `spec.${field}`) === true,
  );
  if (doNotTrack && preDNAT) refuse("spec.preDNAT", "it does not go with doNotTrack");
  if ((doNotTrack || preDNAT) && !forward) {
    refuse(`spec.${preDNAT ? "preDNAT" : "doNotTrack"}`, "it needs applyOnForward: true");
  }
  if (preDNAT && ((readList(spec["egress"], "spec.egress") ?? []).length > 0 || types.includes("Egress"))) {
    refuse("spec.preDNAT", "a preDNAT policy is about ingress only");
  }
}

/**
 * Checks how the parts of a rule go together.
 *
 * @throws NotReadable where Calico refuses the rule.
 */
export function checkRule(rule: Fields, path: string, place: RulePlace): void {
  const sides = (["source", "destination"] as const).map((side): Side => ({
    side,
    path: `${path}.${side}`,
    fields: readMap(rule[side], `${path}.${side}`) ?? {},
  }));
  checkProtocols(rule, path, sides, place.profile);
  checkHttp(rule, path, place.direction);
  checkFamilies(rule, path, sides, place.profile);
  for (const side of sides) {
    checkSelectors(side);
    checkService(side, place);
  }
}

interface Side {
  readonly side: "source" | "destination";
  readonly path: string;
  readonly fields: Fields;
}

function checkProtocols(rule: Fields, path: string, sides: readonly Side[], profile: EnforcerProfile): void {
  const protocol = readProtocol(rule["protocol"], `${path}.protocol`);
  const notProtocol = readProtocol(rule["notProtocol"], `${path}.notProtocol`);
  const version = readInteger(rule["ipVersion"], `${path}.ipVersion`, 4, 6);
  for (const { path: where, fields } of sides) {
    for (const field of ["ports", "notPorts"]) {
      const ports = readList(fields[field], `${where}.${field}`) ?? [];
      if (ports.length === 0) continue;
      if (protocol === undefined) {
        // up to 3.31 named ports need one as well
        if (isBeforeCalico(profile, 32) || !ports.every(isName)) {
          refuse(`${where}.${field}`, "ports need protocol TCP, UDP or SCTP");
        }
      } else if (protocol.ported === undefined) {
        refuse(`${where}.${field}`, `protocol ${String(rule["protocol"])} has no ports`);
      }
    }
  }
  if (isGiven(rule["icmp"]) && protocol?.icmp === undefined) {
    refuse(`${path}.icmp`, "it needs protocol ICMP or ICMPv6");
  }
  for (const family of [protocol?.icmp, notProtocol?.icmp]) {
    if (family !== undefined && version !== undefined && family !== version) {
      refuse(`${path}.ipVersion`, `it must be ${family} with ${family === 4 ? "ICMP" : "ICMPv6"}`);
    }
  }
}

function isName(port: unknown): boolean {
  return typeof port === "string" && !/^\d+(:\d+)?$/.test(port);
}

function checkHttp(rule: Fields, path: string, direction: Direction): void {
  if (!isGiven(rule["http"])) return;
  const where = `${path}.http`;
  if (direction === "egress") refuse(where, "it is for ingress rules only");
  if (rule["action"] !== "Allow") refuse(where, "it is for Allow rules only");
  const { protocol } = rule;
  if (isGiven(protocol) && protocol !== "TCP" && protocol !== 6) refuse(where, "it needs protocol TCP");
  const http = readMap(rule["http"], where) ?? {};
  const methods = readStrings(http["methods"], `${where}.methods`) ?? [];
  if (new Set(methods).size < methods.length) refuse(`${where}.methods`, "a method is given twice");
  for (const [index, item] of (readList(http["paths"], `${where}.paths`) ?? []).entries()) {
    const at = `${where}.paths[${index}]`;
    const fields = readMap(item, at) ?? {};
    const given = ["exact", "prefix"].map((field) => readString(fields[field], `${at}.${field}`) ?? "");
    const [text = "", ...more] = given.filter((each) => each !== "");
    if (text === "" || more.length > 0) refuse(at, "it must hold either exact or prefix");
    if (!text.startsWith("/") || /[? #]/.test(text)) refuse(at, "a path starts with / and holds no ?, # or blank");
  }
}

/** The lists of addresses of one rule are of one family (scanNets in validateRule). */
function checkFamilies(rule: Fields, path: string, sides: readonly Side[], profile: EnforcerProfile): void {
  const version = readInteger(rule["ipVersion"], `${path}.ipVersion`, 4, 6);
  let seen: 4 | 6 | undefined = version === 4 || version === 6 ? version : undefined;
  for (const { path: where, fields } of sides) {
    for (const field of ["nets", "notNets"]) {
      for (const [index, net] of (readStrings(fields[field], `${where}.${field}`) ?? []).entries()) {
        const at = `${where}.${field}[${index}]`;
        const range = net.includes("/") ? parseCidr(net) : undefined;
        if (range === undefined) refuse(at, `${JSON.stringify(net)} is not a CIDR`);
        const size = range.to - range.from + 1n;
        if (range.from % size !== 0n || !startsItsRange(net)) {
          refuse(at, `${net} has bits behind its prefix`);
        }
        if (seen !== undefined && seen !== range.family) {
          refuse(
            at,
            version === undefined
              ? "a rule holds addresses of one family only"
              : `${net} is not of IP version ${version}`,
          );
        }
        seen = range.family;
        const whole = range.from === 0n && size === (range.family === 4 ? 1n << 32n : 1n << 128n);
        if (field === "notNets" && whole && !isBeforeCalico(profile, 31)) {
          refuse(at, `a rule that leaves out ${net} matches nothing`);
        }
      }
    }
  }
}

/** Whether the address of a CIDR is the first of its range. */
function startsItsRange(net: string): boolean {
  const [text = ""] = net.split("/");
  const [address, range] = [parseCidr(text), parseCidr(net)];
  return address === undefined || range === undefined || address.from === range.from;
}

function checkSelectors({ path, fields }: Side): void {
  const text = (field: string): string => readString(fields[field], `${path}.${field}`) ?? "";
  if (namesGlobal(text("selector"))) {
    refuse(`${path}.selector`, "global() is for the namespaceSelector of a rule only");
  }
  const namespaces = text("namespaceSelector");
  if (namesGlobal(namespaces) && !/^[ \t]*global\([ \t]*\)[ \t]*$/.test(namespaces)) {
    refuse(`${path}.namespaceSelector`, "global() cannot be combined with other selectors");
  }
}

function namesGlobal(selector: string | undefined): boolean {
  return selector?.includes("global(") === true;
}

function checkService({ side, path, fields }: Side, { direction, global }: RulePlace): void {
  const service = readMap(fields["services"], `${path}.services`);
  if (service === undefined) return;
  const where = `${path}.services`;
  if (side !== (direction === "ingress" ? "source" : "destination")) {
    refuse(where, `it is for the ${direction === "ingress" ? "source" : "destination"} of ${direction} rules only`);
  }
  if ((readString(service["name"], `${where}.name`) ?? "") === "") refuse(where, "it needs the name of a Service");
  if (global && (readString(service["namespace"], `${where}.namespace`) ?? "") === "") {
    refuse(where, "in a GlobalNetworkPolicy it needs a namespace");
  }
  for (const field of ["selector", "notSelector", "namespaceSelector"]) {
    if ((readString(fields[field], `${path}.${field}`) ?? "") !== "") refuse(where, `it does not go with ${field}`);
  }
  const lists = side === "destination" ? ["nets", "notNets", "ports", "notPorts"] : ["nets", "notNets"];
  for (const field of lists) {
    if ((readList(fields[field], `${path}.${field}`) ?? []).length > 0) refuse(where, `it does not go with ${field}`);
  }
  if (isGiven(fields["serviceAccounts"])) refuse(where, "it does not go with serviceAccounts");
}
