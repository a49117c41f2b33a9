/**
 * Istio's AuthorizationPolicy (security.istio.io/v1, v1beta1).
 * Source: istio/api authorization_policy.proto, pilot/pkg/security/authz, ztunnel src/rbac.rs.
 *
 * A mesh judges TCP only, on ingress, after the network. What a rule says about HTTP is opaque here: to a sidecar it may
 * match or not; ztunnel leaves out ALLOW rules that speak of HTTP and ignores what DENY rules say of it.
 */
import type { LabelValue } from "../model/selectors/labels";
import type { CompiledPolicy, DnsPattern, L4Spec, PeerTerm, Rule } from "../model/rules";
import { tiers } from "../model/rules";
import { all, any, not, perhaps, test, type Condition, type Operator } from "../model/selectors/conditions";
import { AddressSet } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { anyName, waypointClass } from "./waypoints";
import { isUnknown, NO, YES } from "../model/unknown";
import { readCidr, uncertainPolicy, type PolicyReader, type ReaderContext } from "./common";
import { inNamespace } from "../model/selectors/conditions";
import {
  NotReadable,
  onlyFields,
  readLabelValue,
  readList,
  readMap,
  readString,
  readStrings,
  required,
  type Fields,
  type ObjectReader,
} from "./fields";
import { isDryRun } from "./dry-run";
import type { MeshMode } from "./mesh";

const tcp = TrafficSet.protocol("TCP");
const tcpOnly: L4Spec = { must: tcp, may: tcp, named: [] };
const notTcp: L4Spec = { must: TrafficSet.all().subtract(tcp), may: TrafficSet.all().subtract(tcp), named: [] };

/** Pods that take part in the mesh in one of two ways. */
export function inMesh(mode?: MeshMode): Condition {
  return mode === undefined ? test("mesh", "", "exists") : test("mesh", "", "in", mode);
}

type Action = "ALLOW" | "DENY" | "CUSTOM" | "AUDIT";

export const readAuthorizationPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const reach = all(inMesh(), namespace === context.profile.meshRootNamespace ? all() : inNamespace(namespace));
  return reader.attempt(
    () => {
      const dryRun = isDryRun(origin.object.metadata);
      if (dryRun === undefined) {
        const path = "metadata.annotations";
        throw new NotReadable(path, `${path}: istio.io/dry-run is neither true nor false`, "invalid-value");
      }
      if (dryRun) {
        reader.report("not-enforced", "istio.io/dry-run: the policy is only logged", "metadata.annotations", false);
        return [];
      }
      const spec = readMap(origin.object.spec, "spec") ?? {};
      onlyFields(spec, "spec", ["selector", "targetRef", "targetRefs", "rules", "action", "provider"]);
      const action = readAction(spec);
      if (action === "AUDIT") return [];
      if (spec["targetRef"] !== undefined || spec["targetRefs"] !== undefined) {
        return readTargeted(spec, action, origin, namespace, reader, context);
      }
      const where = all(reach, readWorkloadSelector(spec, reader));
      return (["sidecar", "ambient"] as const).flatMap((mode) =>
        readFor(mode, spec, action, where, origin, namespace, reader),
      );
    },
    () => [uncertainMeshPolicy(origin, reach)],
  );
};

/** A policy that waypoints or gateways enforce, on what passes them to whom. */
function readTargeted(
  spec: Fields,
  action: Action,
  origin: CompiledPolicy["origin"],
  namespace: LabelValue,
  reader: ObjectReader,
  context: ReaderContext,
): CompiledPolicy[] {
  if (spec["selector"] !== undefined && spec["selector"] !== null) {
    throw new NotReadable("spec.selector", "a policy has either a selector or targetRefs", "invalid-value");
  }
  const single = spec["targetRef"] === undefined ? [] : [spec["targetRef"]];
  const list = readList(spec["targetRefs"], "spec.targetRefs") ?? single;
  return list.flatMap((value, index) => {
    const path = `spec.targetRefs[${index}]`;
    const target = readTarget(required(readMap(value, path), path), path, namespace, context);
    if (target.kind === "names") {
      context.waypointHosts.push(...target.hosts);
      reader.report(
        "unsupported",
        `${path}: what a waypoint lets pass to the names of a ServiceEntry is not known`,
        path,
        true,
      );
      return [];
    }
    if (target.kind !== "pods") {
      const enforced = target.kind === "anybody";
      reader.report(enforced ? "unsupported" : "not-enforced", `${path}: ${target.why}`, path, enforced);
      return enforced ? [uncertainMeshPolicy(origin, inMesh("ambient"))] : [];
    }
    if (target.waypoint) {
      const why =
        "connections to a pod's own address pass its waypoint by: what the policy denies is denied there only";
      reader.report("unsupported", `${path}: ${why}`, path, true);
    }
    const tier = target.waypoint ? tiers.waypoint : tiers.meshAuthorization;
    const policies = readFor("sidecar", spec, action, target.where, origin, namespace, reader, target.waypoint);
    return policies.map((policy) => ({ ...policy, tier, subject: { kind: "pods", where: target.where } }));
  });
}

type PolicyTarget =
  | { readonly kind: "pods"; readonly where: Condition; readonly waypoint: boolean }
  | { readonly kind: "names"; readonly hosts: readonly DnsPattern[] }
  | { readonly kind: "nobody" | "anybody"; readonly why: string };

/** Which traffic a reference is about (pilot/pkg/model/policyattachment.go, ShouldAttachPolicy). */
function readTarget(ref: Fields, path: string, own: LabelValue, context: ReaderContext): PolicyTarget {
  onlyFields(ref, path, ["group", "kind", "name", "namespace"]);
  const { waypoints, profile } = context;
  const kind = required(readString(ref["kind"], `${path}.kind`), `${path}.kind`);
  const name = required(readString(ref["name"], `${path}.name`), `${path}.name`);
  const given = readString(ref["namespace"], `${path}.namespace`);
  if (isUnknown(own)) throw new NotReadable(path, "the policy's namespace is not known yet", "unknown-value");
  if (given !== undefined && given !== own)
    return { kind: "nobody", why: "a target in another namespace is never met" };
  const passing = (waypoint?: string): Condition =>
    any(
      ...waypoints.uses
        .filter((use) => waypoint === undefined || (use.waypoint.namespace === own && use.waypoint.name === waypoint))
        .map((use) => use.where),
    );
  switch (kind) {
    case "Service": {
      const service = waypoints.service(own, name);
      if (service === undefined) return { kind: "anybody", why: `Service ${own}/${name} is not in the snapshot` };
      if (!service.uses)
        return {
          kind: "nobody",
          why: `no waypoint serves Service ${own}/${name} (istio.io/use-waypoint): nothing enforces it`,
        };
      return { kind: "pods", where: service.where, waypoint: true };
    }
    case "Gateway": {
      const gateway = waypoints.gateway(own, name);
      if (gateway === undefined) return { kind: "anybody", why: `Gateway ${own}/${name} is not in the snapshot` };
      if (gateway === "waypoint") return { kind: "pods", where: passing(name), waypoint: true };
      const pods = test("label", "gateway.networking.k8s.io/gateway-name", "in", name);
      return { kind: "pods", where: all(inNamespace(own), pods), waypoint: false };
    }
    case "GatewayClass":
      if (own !== profile.meshRootNamespace || name !== waypointClass)
        return {
          kind: "nobody",
          why: `a GatewayClass is a target in ${profile.meshRootNamespace} only, and only ${waypointClass}`,
        };
      return { kind: "pods", where: passing(), waypoint: true };
    case "ServiceEntry":
      return { kind: "names", hosts: waypoints.hosts(own, name) ?? [anyName] };
    default:
      throw new NotReadable(
        `${path}.kind`,
        `${path}.kind ${JSON.stringify(kind)} is no target of policies`,
        "unsupported",
      );
  }
}

function uncertainMeshPolicy(origin: CompiledPolicy["origin"], where: Condition): CompiledPolicy {
  const { egress: _egress, ...policy } = uncertainPolicy(origin, where, tiers.meshAuthorization, true);
  return policy;
}

function readAction(spec: Fields): Action {
  const action = spec["action"] ?? "ALLOW";
  if (action === "ALLOW" || action === "DENY" || action === "CUSTOM" || action === "AUDIT") return action;
  throw new NotReadable("spec.action", "spec.action must be ALLOW, DENY, CUSTOM or AUDIT", "invalid-value");
}

/** `spec.selector.matchLabels`; without it every pod. */
export function readWorkloadSelector(spec: Fields, reader: ObjectReader): Condition {
  return reader.attempt(
    () => {
      const selector = readMap(spec["selector"], "spec.selector") ?? {};
      onlyFields(selector, "spec.selector", ["matchLabels"]);
      const labels = readMap(selector["matchLabels"], "spec.selector.matchLabels") ?? {};
      return all(
        ...Object.entries(labels).map(([key, value]) =>
          test("label", key, "in", readLabelValue(value, `spec.selector.matchLabels[${key}]`)),
        ),
      );
    },
    () => perhaps,
  );
}

function readFor(
  mode: MeshMode,
  spec: Fields,
  action: Action,
  where: Condition,
  origin: CompiledPolicy["origin"],
  namespace: LabelValue,
  reader: ObjectReader,
  portsUncertain = false,
): CompiledPolicy[] {
  // ztunnel knows neither CUSTOM nor AUDIT
  if (mode === "ambient" && action === "CUSTOM") return [];
  const verdict = action === "ALLOW" ? "allow" : "deny";
  const rules = reader.attempt(
    () =>
      (readList(spec["rules"], "spec.rules") ?? []).flatMap((rule, index) =>
        readRule(rule, `spec.rules[${index}]`, {
          mode,
          verdict,
          namespace,
          reader,
          certain: action !== "CUSTOM",
          portsUncertain,
        }),
      ),
    (): Rule[] => [{ direction: "ingress", verdict, peers: [{ kind: "uncertain" }], l4: tcpOnly, path: "spec.rules" }],
  );
  if (action === "ALLOW") {
    rules.push({ direction: "ingress", verdict: "allow", peers: [{ kind: "any" }], l4: notTcp, path: "spec" });
  }
  return [
    {
      origin,
      tier: tiers.meshAuthorization,
      order: 0,
      subject: { kind: "pods", where: all(where, inMesh(mode)) },
      ingress: { isolates: action === "ALLOW" ? YES : NO, rules },
    },
  ];
}

interface RuleScope {
  /** The policy's namespace. */
  readonly namespace: LabelValue;
  readonly mode: MeshMode;
  readonly verdict: "allow" | "deny";
  readonly reader: ObjectReader;
  /** False: an external authorizer decides. */
  readonly certain: boolean;
  /** At a waypoint ports are those of the Service, which may be others than the pods'. */
  readonly portsUncertain: boolean;
}

/** What a part of a rule says: about the peer, about traffic, and whether it speaks of HTTP. */
interface Clause {
  readonly peer: PeerTerm;
  readonly ports: TrafficSet;
  readonly http: boolean;
  /** The clause says something besides HTTP. */
  readonly transport: boolean;
}

const anyClause: Clause = { peer: { kind: "any" }, ports: tcp, http: false, transport: false };

function readRule(value: unknown, path: string, scope: RuleScope): Rule[] {
  const { verdict, reader } = scope;
  return reader.attempt<Rule[]>(
    () => {
      const rule = required(readMap(value, path), path);
      onlyFields(rule, path, ["from", "to", "when"]);
      const from = readAlternatives(rule["from"], `${path}.from`, "source", (fields, where) =>
        readSource(fields, where, scope.namespace),
      );
      const to = readAlternatives(rule["to"], `${path}.to`, "operation", readOperation);
      const when = (readList(rule["when"], `${path}.when`) ?? []).map((each, index) =>
        readCondition(each, `${path}.when[${index}]`, scope.namespace),
      );
      // pilot hands ztunnel no ALLOW rule of which any part speaks of HTTP (istio ambient/authorization.go, handleRule)
      const http = [...from, ...to, ...when].some((clause) => clause.http);
      if (scope.mode === "ambient" && verdict === "allow" && http) return [];
      return to.flatMap((operation) => {
        const peers = from
          .map((source) => combine([source, operation, ...when], scope))
          .filter((each) => each !== undefined);
        return peers.map(({ peer, ports, certain }): Rule => ({
          direction: "ingress",
          verdict,
          path,
          peers: [scope.certain && certain ? peer : { kind: "and", of: [peer, { kind: "uncertain" }] }],
          l4:
            scope.portsUncertain && ports !== tcp
              ? { must: TrafficSet.none(), may: tcp, named: [] }
              : { must: ports, may: ports, named: [] },
          ...(certain ? {} : { l7: true }),
        }));
      });
    },
    () => [{ direction: "ingress", verdict, peers: [{ kind: "uncertain" }], l4: tcpOnly, path }],
  );
}

/** All clauses at once; nothing where ztunnel leaves the rule out. */
function combine(
  clauses: readonly Clause[],
  scope: RuleScope,
): { peer: PeerTerm; ports: TrafficSet; certain: boolean } | undefined {
  const http = clauses.some((clause) => clause.http);
  if (scope.mode === "ambient") {
    // ztunnel gets DENY rules without what they say of HTTP; a match of which nothing remains matches nobody
    // (ztunnel src/rbac.rs)
    if (clauses.some((clause) => clause !== anyClause && !clause.transport)) return undefined;
  }
  const terms = clauses.map((clause) => clause.peer).filter((term) => term.kind !== "any");
  return {
    peer: terms.length === 0 ? { kind: "any" } : { kind: "and", of: terms },
    ports: clauses.reduce((set, clause) => set.intersect(clause.ports), tcp),
    certain: !http || scope.mode === "ambient",
  };
}

function readAlternatives(
  value: unknown,
  path: string,
  field: string,
  read: (fields: Fields, path: string) => Clause,
): Clause[] {
  const list = readList(value, path) ?? [];
  if (list.length === 0) return [anyClause];
  return list.map((each, index) => {
    const entry = required(readMap(each, `${path}[${index}]`), `${path}[${index}]`);
    onlyFields(entry, `${path}[${index}]`, [field]);
    const where = `${path}[${index}].${field}`;
    // istiod's webhook refuses an entry without it, and one in which it says nothing (validateAuthorizationPolicy)
    return read(required(readMap(entry[field], where), where), where);
  });
}

const requestFields = ["requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks"];

function readSource(fields: Fields, path: string, own: LabelValue): Clause {
  const identity = ["principals", "namespaces", "serviceAccounts", "trustDomains"];
  onlyFields(fields, path, [
    ...identity.flatMap((name) => [name, negative(name)]),
    "ipBlocks",
    "notIpBlocks",
    ...requestFields,
  ]);
  const terms: PeerTerm[] = [];
  const list = (name: string): readonly string[] => readStrings(fields[name], `${path}.${name}`) ?? [];
  for (const name of identity) {
    if (list(name).length > 0) terms.push(identities(any(...list(name).map((text) => identityTest(name, text, own)))));
    const excluded = list(negative(name));
    if (excluded.length > 0) terms.push(identities(not(any(...excluded.map((text) => identityTest(name, text, own))))));
  }
  if (list("ipBlocks").length > 0) terms.push(blocks(list("ipBlocks"), `${path}.ipBlocks`));
  if (list("notIpBlocks").length > 0)
    terms.push({ kind: "not", of: blocks(list("notIpBlocks"), `${path}.notIpBlocks`) });
  return {
    peer: terms.length === 0 ? { kind: "any" } : { kind: "and", of: terms },
    ports: tcp,
    http: requestFields.some((name) => list(name).length > 0),
    transport: terms.length > 0,
  };
}

function negative(name: string): string {
  return `not${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function identities(where: Condition): PeerTerm {
  return { kind: "identities", where };
}

/** A principal, namespace or service account; only peers with mutual TLS have one. */
function identityTest(name: string, text: string, own: LabelValue): Condition {
  if (name === "namespaces") return textTest("meshNamespace", text);
  if (name === "trustDomains") return textTest("meshTrustDomain", text);
  if (name === "serviceAccounts") {
    // without a namespace: the policy's own
    const slash = text.indexOf("/");
    const account = textTest("meshAccount", text.slice(slash + 1));
    return all(
      account,
      slash < 0 ? test("meshNamespace", "", "in", own) : textTest("meshNamespace", text.slice(0, slash)),
    );
  }
  return textTest("principal", text);
}

/** Exact, `prefix*`, `*suffix` or `*` (anything that is not empty). */
function textTest(field: "principal" | "meshNamespace" | "meshAccount" | "meshTrustDomain", text: string): Condition {
  if (text === "*") return test(field, "", "exists");
  const build = (operator: Operator, value: string): Condition => test(field, "", operator, value);
  if (text.endsWith("*")) return build("startsWith", text.slice(0, -1));
  if (text.startsWith("*")) return build("endsWith", text.slice(1));
  return build("in", text);
}

function blocks(texts: readonly string[], path: string): PeerTerm {
  const ranges = texts.map((text, index) =>
    readCidr(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`, `${path}[${index}]`),
  );
  return { kind: "cidr", set: AddressSet.of(...ranges), literal: true };
}

const httpFields = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];

function readOperation(fields: Fields, path: string): Clause {
  onlyFields(fields, path, [...httpFields, "ports", "notPorts"]);
  const ports = readPorts(fields["ports"], `${path}.ports`);
  const notPorts = readPorts(fields["notPorts"], `${path}.notPorts`);
  return {
    peer: { kind: "any" },
    ports: (ports ?? tcp).subtract(notPorts ?? TrafficSet.none()),
    http: httpFields.some((name) => (readList(fields[name], `${path}.${name}`) ?? []).length > 0),
    transport: ports !== undefined || notPorts !== undefined,
  };
}

/**
 * A port written as a text.
 *
 * @throws NotReadable for anything but decimal digits: `0x50` is 80 to JavaScript and refused by Istio.
 */
export function readPortText(value: unknown, path: string): number {
  const text = required(readString(value, path), path);
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 65535) throw new NotReadable(path, `${path} is not a port`, "invalid-value");
  return number;
}

function readPorts(value: unknown, path: string): TrafficSet | undefined {
  const list = readList(value, path) ?? [];
  if (list.length === 0) return undefined;
  return list.reduce<TrafficSet>((set, each, index) => {
    const where = `${path}[${index}]`;
    return set.union(TrafficSet.ports("TCP", readPortText(typeof each === "number" ? String(each) : each, where)));
  }, TrafficSet.none());
}

/** Conditions of `when` that are about the connection; others are about HTTP, or not known here. */
function readCondition(value: unknown, path: string, own: LabelValue): Clause {
  const condition = required(readMap(value, path), path);
  onlyFields(condition, path, ["key", "values", "notValues"]);
  const key = required(readString(condition["key"], `${path}.key`), `${path}.key`);
  const values = readStrings(condition["values"], `${path}.values`) ?? [];
  const notValues = readStrings(condition["notValues"], `${path}.notValues`) ?? [];
  const field = {
    "source.namespace": "namespaces",
    "source.principal": "principals",
    "source.ip": "ipBlocks",
    "source.serviceAccount": "serviceAccounts",
  }[key];
  if (field !== undefined) {
    return readSource(
      {
        ...(values.length > 0 ? { [field]: values } : {}),
        ...(notValues.length > 0 ? { [negative(field)]: notValues } : {}),
      },
      path,
      own,
    );
  }
  if (key === "destination.port") return readOperation({ ports: values, notPorts: notValues }, path);
  if (key.startsWith("request.") || key === "remote.ip") return { ...anyClause, http: true };
  if (!/^(destination\.ip|connection\.sni|experimental\.envoy\.filters\..+)$/.test(key)) {
    throw new NotReadable(`${path}.key`, `${path}.key is not a condition that Istio knows`, "invalid-value");
  }
  // destination.ip, connection.sni, experimental.*: may hold or not
  return { ...anyClause, peer: { kind: "uncertain" }, transport: true };
}
