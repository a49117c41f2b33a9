/**
 * Rules that hold only for some HTTP requests. A question about a connection has no request: what passes "for GET /x only" is
 * answered from two readings of the policies, the most and the least that any request may do.
 */
import { groupOf, type KubeObject } from "../model/objects";
import { listOf, mapOf, type Fields } from "../model/plain";

/** A rule that looks at requests. */
export interface HttpRule {
  /** Path inside the object, as rules have it: `spec.ingress[0]`. */
  readonly path: string;
  /** The requests that it is about: `GET /x`. */
  readonly requests: string;
  readonly denies: boolean;
}

/** What becomes of a part that looks at requests: it holds for every request, or is not there; the rule then goes with it. */
type Reading = "every request" | "no request";

/** The rules of a policy of Cilium, Calico or Istio that look at requests. */
export function httpRules(object: KubeObject): HttpRule[] {
  const found: HttpRule[] = [];
  rewrite(object, found, "every request");
  return found;
}

/** A policy as a request meets it that fits its allows and none of its denies (`most`), or the other way round (`least`). */
export function readHttp(object: KubeObject, reading: "most" | "least"): KubeObject {
  return rewrite(object, [], reading === "most" ? "every request" : "no request");
}

/** @param allows what becomes of allows; denies become the opposite */
function rewrite(object: KubeObject, found: HttpRule[], allows: Reading): KubeObject {
  const group = groupOf(object.apiVersion);
  if (group === "cilium.io") {
    const ofSpec = (spec: unknown, path: string): unknown => ciliumSpec(spec, path, found, allows);
    const specs = object["specs"];
    return {
      ...object,
      ...(object.spec === undefined ? {} : { spec: ofSpec(object.spec, "spec") }),
      ...(Array.isArray(specs) ? { specs: specs.map((spec, index) => ofSpec(spec, `specs[${index}]`)) } : {}),
    };
  }
  if (/(^|\.)projectcalico\.org$/.test(group)) return { ...object, ...calicoSpec(object.spec, found, allows) };
  if (group === "security.istio.io" && object.kind === "AuthorizationPolicy") {
    return { ...object, ...istioSpec(object.spec, found, allows) };
  }
  return object;
}

function ciliumSpec(spec: unknown, path: string, found: HttpRule[], allows: Reading): unknown {
  const fields = mapOf(spec);
  const changed: Record<string, unknown> = {};
  for (const direction of ["ingress", "egress"]) {
    if (!Array.isArray(fields[direction])) continue;
    changed[direction] = listOf(fields[direction]).flatMap((rule, index) => {
      const ports = mapOf(rule)["toPorts"];
      if (!Array.isArray(ports)) return [rule];
      let looks = false;
      const left = listOf(ports).flatMap((port) => {
        const rules = mapOf(mapOf(port)["rules"]);
        const http = listOf(rules["http"]);
        if (http.length === 0) return [port];
        looks = true;
        const requests = http.map((each) => describeRequest(mapOf(each), "method", "path")).join(" or ");
        found.push({ path: `${path}.${direction}[${index}]`, requests, denies: false });
        if (allows === "no request") return [];
        const { rules: _rules, ...rest } = mapOf(port);
        return [rest];
      });
      if (!looks) return [rule];
      return left.length === 0 ? [] : [{ ...mapOf(rule), toPorts: left }];
    });
    // Cilium takes an empty list for none at all: a rule that fits nobody keeps the pods isolated
    if (listOf(changed[direction]).length === 0 && listOf(fields[direction]).length > 0) changed[direction] = [{}];
  }
  return { ...fields, ...changed };
}

function calicoSpec(spec: unknown, found: HttpRule[], allows: Reading): { spec?: unknown } {
  if (spec === undefined) return {};
  const fields = mapOf(spec);
  const changed: Record<string, unknown> = {};
  for (const direction of ["ingress", "egress"]) {
    if (!Array.isArray(fields[direction])) continue;
    changed[direction] = listOf(fields[direction]).flatMap((rule, index) => {
      const { http, ...rest } = mapOf(rule);
      if (http === undefined) return [rule];
      const denies = rest["action"] === "Deny";
      const paths = listOf(mapOf(http)["paths"]).map(
        (each) => mapOf(each)["exact"] ?? `${String(mapOf(each)["prefix"])}*`,
      );
      const requests = describeLists(mapOf(http)["methods"], paths);
      found.push({ path: `spec.${direction}[${index}]`, requests, denies });
      return (allows === "every request") === denies ? [] : [rest];
    });
  }
  return { spec: { ...fields, ...changed } };
}

/** Parts of an operation that are about requests; its ports are about connections. */
const requestFields = ["methods", "notMethods", "paths", "notPaths", "hosts", "notHosts"] as const;

function istioSpec(spec: unknown, found: HttpRule[], allows: Reading): { spec?: unknown } {
  if (spec === undefined) return {};
  const fields = mapOf(spec);
  if (!Array.isArray(fields["rules"])) return { spec };
  const denies = fields["action"] === "DENY";
  const rules = listOf(fields["rules"]).flatMap((rule, index) => {
    const to = mapOf(rule)["to"];
    let looks = false;
    const left = listOf(to).flatMap((each) => {
      const operation = mapOf(mapOf(each)["operation"]);
      if (!requestFields.some((field) => operation[field] !== undefined)) return [each];
      looks = true;
      const negative = describeLists(operation["notMethods"], listOf(operation["notPaths"]));
      const positive = describeLists(operation["methods"], [
        ...listOf(operation["paths"]),
        ...listOf(operation["hosts"]),
      ]);
      const requests = negative === "" ? positive : `${positive === "" ? "every request" : positive} but ${negative}`;
      found.push({ path: `spec.rules[${index}]`, requests, denies });
      if ((allows === "every request") === denies) return [];
      const rest = Object.fromEntries(
        Object.entries(operation).filter(([key]) => !(requestFields as readonly string[]).includes(key)),
      );
      return [Object.keys(rest).length === 0 ? { operation: { ports: ["*"] } } : { operation: rest }];
    });
    if (!looks) return [rule];
    if (left.length === 0) return [];
    const isWide = left.some((each) => JSON.stringify(each).includes('"ports":["*"]'));
    const { to: _to, ...others } = mapOf(rule);
    return [isWide ? others : { ...others, to: left }];
  });
  return { spec: { ...fields, rules } };
}

function describeRequest(rule: Fields, method: string, path: string): string {
  const parts = [rule[method], rule[path]].filter((each) => typeof each === "string" && each !== "");
  if (parts.length > 0) return parts.join(" ");
  return Object.keys(rule).length === 0 ? "every request" : `requests by ${Object.keys(rule).join(", ")}`;
}

function describeLists(methods: unknown, paths: readonly unknown[]): string {
  return [listOf(methods).join(","), paths.join(",")].filter((each) => each !== "").join(" ");
}
