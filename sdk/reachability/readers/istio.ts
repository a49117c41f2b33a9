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
import { all, any, inNamespace, perhaps, test, type Condition } from "../model/selectors/conditions";
import { TrafficSet } from "../model/sets/ports";
import { anyName, waypointClass } from "./waypoints";
import { isUnknown, NO, YES } from "../model/unknown";
import type { EnforcerProfile } from "../model/profile";
import { Refused, uncertainPolicy, type PolicyReader, type ReaderContext } from "./common";
import {
  NotReadable,
  onlyFields,
  readLabelValue,
  readList,
  readMap,
  readString,
  required,
  type Fields,
  type ObjectReader,
} from "./fields";
import {
  anyClause,
  readCondition,
  readOperation,
  readSource,
  refused,
  type Clause,
  type ClauseScope,
  type RuleEnforcer,
} from "./istio-clauses";
import { allHttp } from "./istio-http";
import { isAnnotated, isDryRun } from "./dry-run";
import { isMap } from "../model/plain";
import type { MeshMode } from "../model/mesh";

const tcp = TrafficSet.protocol("TCP");
const tcpOnly: L4Spec = { must: tcp, may: tcp, named: [] };
const notTcp: L4Spec = { must: TrafficSet.all().subtract(tcp), may: TrafficSet.all().subtract(tcp), named: [] };

/** Pods that take part in the mesh, in one of several ways. */
export function inMesh(...modes: readonly MeshMode[]): Condition {
  return modes.length === 0 ? test("mesh", "", "exists") : test("mesh", "", "in", ...modes);
}

/** Who enforces a policy by its selector; a waypoint does so where it ends the tunnel, for the connection only. */
const enforcers: readonly { readonly enforcer: RuleEnforcer; readonly modes: readonly MeshMode[] }[] = [
  { enforcer: "proxy", modes: ["sidecar", "gateway"] },
  { enforcer: "ztunnel", modes: ["ambient"] },
  { enforcer: "proxy", modes: ["waypoint"] },
];

type Action = "ALLOW" | "DENY" | "CUSTOM" | "AUDIT";

export const readAuthorizationPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const reach = all(inMesh(), namespace === context.profile.meshRootNamespace ? all() : inNamespace(namespace));
  return reader.attempt(
    () => {
      try {
        return readEnforced(origin, namespace, reader, context, reach);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        reader.notEnforced(error.reason, "spec", error.message);
        return [];
      }
    },
    () => [uncertainMeshPolicy(origin, reach)],
  );
};

function readEnforced(
  origin: CompiledPolicy["origin"],
  namespace: LabelValue,
  reader: ObjectReader,
  context: ReaderContext,
  reach: Condition,
): CompiledPolicy[] {
  const spec = readMap(origin.object.spec, "spec") ?? {};
  onlyFields(spec, "spec", ["selector", "targetRef", "targetRefs", "rules", "action", "provider"]);
  const action = readAction(spec);
  checkWhole(spec, action);
  const targeted = isGiven(spec["targetRef"]) || (readList(spec["targetRefs"], "spec.targetRefs") ?? []).length > 0;
  if (targeted) {
    // what is refused is so wherever the target is
    reader.validate((probe) => {
      readFor("proxy", spec, action, perhaps, origin, namespace, probe, context.profile, false);
    });
  }
  const policies = targeted
    ? readTargeted(spec, action, origin, namespace, reader, context)
    : enforcers.flatMap((by) => {
        // told of a selector, istiod gives ztunnel no labels to attach the policy by (buildWorkloadPolicies)
        if (by.enforcer === "ztunnel" && selectsByNothing(spec)) return [];
        const where = all(reach, readWorkloadSelector(spec, reader), inMesh(...by.modes));
        return readFor(
          by.enforcer,
          spec,
          action,
          where,
          origin,
          namespace,
          reader,
          context.profile,
          by.modes[0] === "waypoint",
        );
      });
  return isRehearsed(origin, action, reader) || action === "AUDIT" ? [] : policies;
}

/** Whether a selector is given that holds no labels, not even an empty map of them. */
function selectsByNothing(spec: Fields): boolean {
  const selector = spec["selector"];
  return isMap(selector) && !isGiven(selector["matchLabels"]);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** What istiod's webhook refuses of a policy as a whole (ValidateAuthorizationPolicy). */
function checkWhole(spec: Fields, action: Action): void {
  const rules = readList(spec["rules"], "spec.rules") ?? [];
  const provider = readMap(spec["provider"], "spec.provider");
  if ((action === "DENY" || action === "CUSTOM") && rules.length === 0) {
    throw refused(`action ${action} without rules is never triggered; an empty rule is about everything`);
  }
  if (action === "CUSTOM" && (readString(provider?.["name"], "spec.provider.name") ?? "") === "") {
    throw refused("action CUSTOM needs spec.provider.name");
  }
  if (action !== "CUSTOM" && provider !== undefined) throw refused(`spec.provider is for action CUSTOM, not ${action}`);
  const ways = [
    isGiven(spec["selector"]),
    isGiven(spec["targetRef"]),
    (readList(spec["targetRefs"], "spec.targetRefs") ?? []).length > 0,
  ];
  if (ways.filter((way) => way).length > 1) throw refused("only one of selector and targetRefs may be given");
  if (action === "CUSTOM") for (const [index, rule] of rules.entries()) checkCustom(rule, `spec.rules[${index}]`);
}

const forCustom = /^(ipBlocks|notIpBlocks|remoteIpBlocks|notRemoteIpBlocks)$/;

/** An external authorizer is asked before identities are known. */
function checkCustom(value: unknown, path: string): void {
  const rule = readMap(value, path) ?? {};
  for (const each of readList(rule["from"], `${path}.from`) ?? []) {
    const source = readMap(readMap(each, path)?.["source"], path) ?? {};
    for (const [name, given] of Object.entries(source)) {
      if (!forCustom.test(name) && Array.isArray(given) && given.length > 0) {
        throw refused(`${path}.from: ${name} is not supported with action CUSTOM`);
      }
    }
  }
  for (const each of readList(rule["when"], `${path}.when`) ?? []) {
    const key = readString(readMap(each, path)?.["key"], `${path}.when`) ?? "";
    if (/^(source\.(namespace|serviceAccount|trustDomain|principal)$|request\.auth\.)/.test(key)) {
      const why = "is not supported with action CUSTOM";
      throw refused(`${path}.when: this key ${why}`, `${path}.when: ${key} ${why}`);
    }
  }
}

/** Whether a policy is only logged. The webhook takes the annotation with truth values only, and not with every action. */
function isRehearsed(origin: CompiledPolicy["origin"], action: Action, reader: ObjectReader): boolean {
  const path = "metadata.annotations";
  if (isAnnotated(origin.object) && action !== "ALLOW" && action !== "DENY") {
    throw refused(`istio.io/dry-run is for actions ALLOW and DENY, not ${action}`);
  }
  const dryRun = isDryRun(origin.object.metadata);
  if (dryRun === true) {
    reader.notEnforced("istio.io/dry-run: the policy is only logged", path);
    return true;
  }
  if (dryRun === false) return false;
  const value: unknown = origin.object.metadata?.annotations?.["istio.io/dry-run"];
  const message = "istio.io/dry-run is neither true nor false";
  if (typeof value === "string") throw refused(message);
  throw new NotReadable(path, `${path}: ${message}`, "invalid-value");
}

/** A policy that waypoints or gateways enforce, on what passes them to whom. */
function readTargeted(
  spec: Fields,
  action: Action,
  origin: CompiledPolicy["origin"],
  namespace: LabelValue,
  reader: ObjectReader,
  context: ReaderContext,
): CompiledPolicy[] {
  const list = isGiven(spec["targetRef"])
    ? [spec["targetRef"]]
    : (readList(spec["targetRefs"], "spec.targetRefs") ?? []);
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
      if (target.kind === "nobody") {
        reader.notEnforced(target.reason, path, `${path}: ${target.why}`);
        return [];
      }
      reader.report("unsupported", `${path}: ${target.why}`, path, true);
      return [uncertainMeshPolicy(origin, inMesh("ambient"))];
    }
    if (target.waypoint) {
      const why =
        "connections to a pod's own address pass its waypoint by: what the policy denies is denied there only";
      reader.report("unsupported", `${path}: ${why}`, path, true);
    }
    const tier = target.waypoint ? tiers.waypoint : tiers.meshAuthorization;
    const policies = readFor(
      "proxy",
      spec,
      action,
      target.where,
      origin,
      namespace,
      reader,
      context.profile,
      false,
      target.waypoint,
    );
    return policies.map((policy) => ({ ...policy, tier }));
  });
}

type PolicyTarget =
  | { readonly kind: "pods"; readonly where: Condition; readonly waypoint: boolean }
  | { readonly kind: "names"; readonly hosts: readonly DnsPattern[] }
  | { readonly kind: "anybody"; readonly why: string }
  /** The reason quotes no value. */
  | { readonly kind: "nobody"; readonly why: string; readonly reason: string };

/** Which traffic a reference is about (pilot/pkg/model/policyattachment.go, ShouldAttachPolicy). */
function readTarget(ref: Fields, path: string, own: LabelValue, context: ReaderContext): PolicyTarget {
  onlyFields(ref, path, ["group", "kind", "name", "namespace"]);
  const { waypoints, profile } = context;
  const kind = required(readString(ref["kind"], `${path}.kind`), `${path}.kind`);
  const name = required(readString(ref["name"], `${path}.name`), `${path}.name`);
  checkTarget(ref, kind, name, path);
  if (isUnknown(own)) throw new NotReadable(path, "the policy's namespace is not known yet", "unknown-value");
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
          reason: "no waypoint serves the Service (istio.io/use-waypoint): nothing enforces it",
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
          reason: `a GatewayClass is a target in Istio's root namespace only, and only ${waypointClass}`,
        };
      return { kind: "pods", where: passing(), waypoint: true };
    case "ServiceEntry":
      return { kind: "names", hosts: waypoints.hosts(own, name) ?? [anyName] };
    default:
      throw refused(
        `${path}.kind is no target of policies`,
        `${path}.kind ${JSON.stringify(kind)} is no target of policies`,
      );
  }
}

const targetGroups: Readonly<Record<string, string>> = {
  Service: "",
  ServiceEntry: "networking.istio.io",
  Gateway: "gateway.networking.k8s.io",
  GatewayClass: "gateway.networking.k8s.io",
};

/** What istiod's webhook refuses of a reference (validatePolicyTargetReference). */
function checkTarget(ref: Fields, kind: string, name: string, path: string): void {
  const group = readString(ref["group"], `${path}.group`) ?? "";
  if (name === "") throw refused(`${path}.name is empty`);
  if ((readString(ref["namespace"], `${path}.namespace`) ?? "") !== "") {
    throw refused(`${path}.namespace is set, and a target in another namespace is not supported`);
  }
  const wanted = Object.hasOwn(targetGroups, kind) ? targetGroups[kind] : undefined;
  if (wanted === undefined || (group === "core" ? "" : group) !== wanted) {
    const why = `${path}: a target is a Service, a ServiceEntry, a Gateway or a GatewayClass of its own group`;
    throw refused(why, `${why}, not ${group}/${kind}`);
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
      const wild = Object.entries(labels).find(([key, value]) => key.includes("*") || String(value).includes("*"));
      if (wild !== undefined)
        throw refused("spec.selector holds a wildcard", `spec.selector: ${wild[0]} holds a wildcard`);
      if (Object.hasOwn(labels, "")) throw refused("spec.selector holds an empty key");
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
  enforcer: RuleEnforcer,
  spec: Fields,
  action: Action,
  where: Condition,
  origin: CompiledPolicy["origin"],
  namespace: LabelValue,
  reader: ObjectReader,
  profile: EnforcerProfile,
  connectionOnly: boolean,
  portsUncertain = connectionOnly,
): CompiledPolicy[] {
  const verdict = action === "ALLOW" ? "allow" : "deny";
  const scope: RuleScope = {
    enforcer,
    namespace,
    profile,
    verdict,
    reader,
    certain: action !== "CUSTOM",
    connectionOnly,
    portsUncertain,
  };
  const rules = reader.attempt(
    () =>
      (readList(spec["rules"], "spec.rules") ?? []).flatMap((rule, index) =>
        readRule(rule, `spec.rules[${index}]`, scope),
      ),
    (): Rule[] => [{ direction: "ingress", verdict, peers: [{ kind: "uncertain" }], l4: tcpOnly, path: "spec.rules" }],
  );
  // ztunnel knows neither CUSTOM nor AUDIT
  if (enforcer === "ztunnel" && action === "CUSTOM") return [];
  if (action === "ALLOW") {
    rules.push({
      direction: "ingress",
      verdict: "allow",
      peers: [{ kind: "any" }],
      l4: notTcp,
      path: "spec",
      implied: true,
    });
  }
  return [
    {
      origin,
      tier: tiers.meshAuthorization,
      order: 0,
      subject: { kind: "pods", where },
      ingress: { isolates: action === "ALLOW" ? YES : NO, rules },
    },
  ];
}

interface RuleScope extends ClauseScope {
  readonly verdict: "allow" | "deny";
  readonly reader: ObjectReader;
  /** False: an external authorizer decides. */
  readonly certain: boolean;
  /** What the enforcer sees is the connection, not its requests. */
  readonly connectionOnly: boolean;
  /** At a waypoint ports are those of the Service, which may be others than the pods'. */
  readonly portsUncertain: boolean;
}

function readRule(value: unknown, path: string, scope: RuleScope): Rule[] {
  const { verdict, reader } = scope;
  return reader.attempt<Rule[]>(
    () => {
      if (value === null) throw refused(`${path} is null`);
      const rule = required(readMap(value, path), path);
      onlyFields(rule, path, ["from", "to", "when"]);
      const from = readAlternatives(rule["from"], `${path}.from`, "source", (fields, where) =>
        readSource(fields, where, scope),
      );
      const to = readAlternatives(rule["to"], `${path}.to`, "operation", (fields, where) =>
        readOperation(fields, where, scope),
      );
      const when = (readList(rule["when"], `${path}.when`) ?? []).map((each, index) =>
        readCondition(each, `${path}.when[${index}]`, scope),
      );
      // pilot hands ztunnel no ALLOW rule of which any part is about more than the connection
      const beyond = [...from, ...to, ...when].some((clause) => clause.beyondZtunnel);
      if (scope.enforcer === "ztunnel" && verdict === "allow" && beyond) return [];
      return to.flatMap((operation) => from.flatMap((source) => combine([source, operation, ...when], path, scope)));
    },
    () => [{ direction: "ingress", verdict, peers: [{ kind: "uncertain" }], l4: tcpOnly, path }],
  );
}

/** All clauses at once; nothing where the enforcer leaves the rule out. */
function combine(clauses: readonly Clause[], path: string, scope: RuleScope): Rule[] {
  const { verdict } = scope;
  // ztunnel is given DENY rules without what goes beyond the connection; a match of which nothing remains matches nobody
  // (ztunnel src/rbac.rs)
  if (scope.enforcer === "ztunnel" && clauses.some((clause) => clause !== anyClause && !clause.transport)) return [];
  const http = allHttp(clauses.flatMap((clause) => clause.http ?? []));
  if (scope.connectionOnly && http !== undefined && verdict === "allow") return [];
  const terms = clauses.map((clause) => clause.peer).filter((term) => term.kind !== "any");
  const peer: PeerTerm = terms.length === 0 ? { kind: "any" } : { kind: "and", of: terms };
  const own = clauses.flatMap((clause) => clause.own ?? []);
  const ports = clauses.reduce((set, clause) => set.intersect(clause.ports), tcp);
  return [
    {
      direction: "ingress",
      verdict,
      path,
      peers: [scope.certain ? peer : { kind: "and", of: [peer, { kind: "uncertain" }] }],
      l4:
        scope.portsUncertain && ports !== tcp
          ? { must: TrafficSet.none(), may: tcp, named: [] }
          : { must: ports, may: ports, named: [] },
      ...(own.length === 0 ? {} : { own: { kind: "and", of: own } }),
      ...(http === undefined || scope.connectionOnly ? {} : { l7: true, http }),
    },
  ];
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
    const entry = readMap(each, `${path}[${index}]`) ?? {};
    onlyFields(entry, `${path}[${index}]`, [field]);
    const where = `${path}[${index}].${field}`;
    const fields = readMap(entry[field], where);
    if (fields === undefined) throw refused(`${where} is missing`);
    return read(fields, where);
  });
}
