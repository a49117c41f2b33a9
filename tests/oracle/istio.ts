/**
 * Oracle for Istio's layer: PeerAuthentication and AuthorizationPolicy at the destination's proxy (sidecar or ztunnel), ANDed
 * with the network's verdict. Read off istio/api security/v1 (authorization_policy.proto, peer_authentication.proto). Only
 * TCP passes a proxy. Whether a connection carries HTTP, and what, is no part of a flow: `layer7` says how such conditions
 * turn out at a sidecar. A ztunnel cannot see them; what it makes of them is fixed (pilot's ambient conversion, ztunnel rbac).
 */
import { refusesPlaintext } from "./ztunnel-peer-authentication";
import { cidrContains } from "./addresses";
import {
  isSamePod,
  namespaceLabels,
  type OracleCluster,
  type OracleFlow,
  type OraclePod,
  type Party,
  type PolicyObject,
} from "./cluster";

const rootNamespace = "istio-system";
const trustDomain = "cluster.local";

interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | null;
}

interface AuthorizationSpec {
  readonly selector?: WorkloadSelector | null;
  readonly action?: "ALLOW" | "DENY" | "AUDIT";
  readonly rules?: readonly Rule[] | null;
}

/**
 * "for": conditions on HTTP let as much pass as they can; "all" and "none": a request that meets all of them, or none.
 */
export type Layer7 = "for" | "all" | "none";

interface Rule {
  readonly from?: readonly { readonly source?: Source }[] | null;
  readonly to?:
    | readonly { readonly operation?: { readonly ports?: readonly string[]; readonly notPorts?: readonly string[] } }[]
    | null;
  readonly when?:
    | readonly { readonly key: string; readonly values?: readonly string[]; readonly notValues?: readonly string[] }[]
    | null;
}

interface Operation {
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  /** `methods`, `paths`, `hosts` and their negations: of HTTP. */
  readonly [http: string]: readonly string[] | undefined;
}

interface Source {
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
}

type MtlsMode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

interface PeerAuthenticationSpec {
  readonly selector?: WorkloadSelector | null;
  readonly mtls?: { readonly mode?: MtlsMode } | null;
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: MtlsMode }>> | null;
}

/** What the destination's proxy knows about the connection. */
interface Connection {
  readonly identity?: { readonly namespace: string; readonly serviceAccount: string };
  readonly addresses: readonly string[];
  readonly port: number;
  /** The ztunnel, or how conditions on HTTP turn out at the sidecar. */
  readonly proxy: "ztunnel" | Layer7;
}

export function meshAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  layer7: Layer7 = "for",
): boolean {
  if (isSamePod(flow) || flow.protocol !== "TCP" || flow.port === undefined) return true;
  if (flow.destination.kind !== "pod" || !isMeshed(cluster, flow.destination.pod)) return true;
  // In ambient mode what comes from the pod's own node (the kubelet's probes) passes the ztunnel by; a sidecar has its
  // probes rewritten instead and treats the node as any peer without identity.
  if (flow.source.kind === "node" && flow.source.where === "local" && !hasSidecar(cluster, flow.destination.pod))
    return true;
  const destination = flow.destination.pod;
  const sidecar = hasSidecar(cluster, destination);
  if (sidecar && !isRedirectedIn(destination, flow.port)) return true;
  const mode = mtlsMode(policies, destination, flow.port, sidecar);
  const meshed =
    flow.source.kind === "pod" &&
    isMeshed(cluster, flow.source.pod) &&
    !(hasSidecar(cluster, flow.source.pod) && isExcludedOut(flow.source.pod, flow.port));
  if (mode === "STRICT" && !meshed) return false;
  const identity =
    meshed && flow.source.kind === "pod" && !(mode === "DISABLE" && sidecar)
      ? { identity: { namespace: flow.source.pod.namespace, serviceAccount: flow.source.pod.serviceAccount } }
      : {};
  const proxy = sidecar ? layer7 : "ztunnel";
  return authorized(policies, destination, {
    ...identity,
    addresses: addressesOf(flow.source),
    port: flow.port,
    proxy,
  });
}

/**
 * What the network sees of a flow: between two pods whose TCP ztunnel carries, a connection to port 15008 (HBONE). Whether a
 * sidecar at one end speaks HBONE is a setting of the mesh, so that either may be the case.
 */
export function flowsOnNetwork(cluster: OracleCluster, flow: OracleFlow): readonly OracleFlow[] {
  const { source, destination } = flow;
  if (flow.protocol !== "TCP" || source.kind !== "pod" || destination.kind !== "pod" || isSamePod(flow)) return [flow];
  const pods = [source.pod, destination.pod];
  if (!pods.every((pod) => isMeshed(cluster, pod))) return [flow];
  const sidecars = pods.filter((pod) => hasSidecar(cluster, pod)).length;
  const carried = { ...flow, port: 15008 };
  return sidecars === 2 ? [flow] : sidecars === 1 ? [flow, carried] : [carried];
}

const traffic = "traffic.sidecar.istio.io/";
const interception = "sidecar.istio.io/interceptionMode";

/**
 * Whether a connection to a pod reaches its sidecar. "includeInboundPorts: a comma separated list of inbound ports for which
 * traffic is to be redirected. * for all ports. An empty list disables it"; "excludeInboundPorts: applies only when all inbound
 * traffic is being redirected". Envoy's and the agent's own ports are left out of "all" (istio.io, resource annotations).
 */
function isRedirectedIn({ annotations = {} }: OraclePod, port: number): boolean {
  if (annotations[interception] === "NONE") return false;
  const included = annotations[`${traffic}includeInboundPorts`] ?? "*";
  if (included !== "*") return listed(included, port);
  return !listed(annotations[`${traffic}excludeInboundPorts`] ?? "", port) && ![15020, 15021, 15090].includes(port);
}

/** Whether a pod's own connections pass its sidecar by, and so come without an identity. */
function isExcludedOut({ annotations = {} }: OraclePod, port: number): boolean {
  return annotations[interception] === "NONE" || listed(annotations[`${traffic}excludeOutboundPorts`] ?? "", port);
}

function listed(list: string, port: number): boolean {
  return list.split(",").includes(String(port));
}

/** A sidecar by injection label, or a ztunnel by data plane mode; a pod's own label wins over its namespace's. */
export function isMeshed(cluster: OracleCluster, pod: OraclePod): boolean {
  const mode =
    pod.labels["istio.io/dataplane-mode"] ?? namespaceLabels(cluster, pod.namespace)["istio.io/dataplane-mode"];
  return hasSidecar(cluster, pod) || (mode === "ambient" && !pod.hostNetwork);
}

function hasSidecar(cluster: OracleCluster, pod: OraclePod): boolean {
  if (pod.hostNetwork) return false;
  const namespace = namespaceLabels(cluster, pod.namespace);
  const inject = pod.labels["sidecar.istio.io/inject"];
  return inject === undefined
    ? namespace["istio-injection"] === "enabled"
    : inject === "true" && namespace["istio-injection"] !== "disabled";
}

// --- PeerAuthentication ---------------------------------------------------------------------------------------------

/** The oldest policy of the mesh, of the namespace and of the workload; UNSET inherits from the wider one. */
function mtlsMode(policies: readonly PolicyObject[], pod: OraclePod, port: number, sidecar: boolean): MtlsMode {
  const all = policies.filter((policy) => policy.kind === "PeerAuthentication");
  const spec = (policy: PolicyObject | undefined): PeerAuthenticationSpec =>
    (policy?.spec ?? {}) as PeerAuthenticationSpec;
  const bare = (policy: PolicyObject): boolean => Object.keys(spec(policy).selector?.matchLabels ?? {}).length === 0;
  const namespaceOf = (policy: PolicyObject): string => policy.metadata.namespace ?? "default";
  const mesh = oldest(all.filter((policy) => namespaceOf(policy) === rootNamespace && bare(policy)));
  const own = all.filter((policy) => namespaceOf(policy) === pod.namespace && namespaceOf(policy) !== rootNamespace);
  const namespace = oldest(own.filter(bare));
  const workload = oldest(own.filter((policy) => !bare(policy) && selectorMatches(spec(policy).selector, pod)));
  let mode: MtlsMode = "PERMISSIVE";
  for (const policy of [mesh, namespace, workload]) {
    const next = spec(policy).mtls?.mode ?? "UNSET";
    if (next !== "UNSET") mode = next;
  }
  const ports = spec(workload).portLevelMtls ?? {};
  const ofPort = ports[String(port)]?.mode ?? "UNSET";
  if (!sidecar && workload !== undefined) {
    const above = (policy: PolicyObject | undefined) => (policy === undefined ? null : spec(policy).mtls?.mode);
    const own = {
      mode: spec(workload).mtls?.mode,
      ports: Object.fromEntries(Object.entries(ports).map(([number, one]) => [number, one.mode ?? "UNSET"])),
    };
    return refusesPlaintext(own, above(namespace), above(mesh), port) ? "STRICT" : "PERMISSIVE";
  }
  return ofPort === "UNSET" ? mode : ofPort;
}

function oldest(policies: readonly PolicyObject[]): PolicyObject | undefined {
  const time = (policy: PolicyObject): string => policy.metadata.creationTimestamp ?? "";
  return [...policies].sort((a, b) => (time(a) < time(b) ? -1 : time(a) > time(b) ? 1 : 0))[0];
}

// --- AuthorizationPolicy --------------------------------------------------------------------------------------------

/** DENY that matches ⇒ deny; no ALLOW policy ⇒ allow; ALLOW that matches ⇒ allow; else deny. AUDIT changes nothing. */
function authorized(policies: readonly PolicyObject[], pod: OraclePod, connection: Connection): boolean {
  const candidates = policies.filter((policy) => {
    if (policy.kind !== "AuthorizationPolicy") return false;
    if (policy.metadata.annotations?.["istio.io/dry-run"] === "true") return false;
    const namespace = policy.metadata.namespace ?? "default";
    if (namespace !== rootNamespace && namespace !== pod.namespace) return false;
    return selectorMatches(((policy.spec ?? {}) as AuthorizationSpec).selector, pod);
  });
  const matches = (policy: PolicyObject): boolean => {
    const spec = (policy.spec ?? {}) as AuthorizationSpec;
    const namespace = policy.metadata.namespace ?? "default";
    return (spec.rules ?? []).some((rule) => ruleMatches(rule, spec.action ?? "ALLOW", namespace, connection));
  };
  const action = (policy: PolicyObject): string => ((policy.spec ?? {}) as AuthorizationSpec).action ?? "ALLOW";
  if (candidates.some((policy) => action(policy) === "DENY" && matches(policy))) return false;
  const allows = candidates.filter((policy) => action(policy) === "ALLOW");
  return allows.length === 0 || allows.some(matches);
}

function selectorMatches(selector: WorkloadSelector | null | undefined, pod: OraclePod): boolean {
  return Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => pod.labels[key] === value);
}

/** "A match occurs when at least one source, one operation and all conditions match. An empty rule is always matched." */
function ruleMatches(rule: Rule, action: string, policyNamespace: string, connection: Connection): boolean {
  const from = rule.from ?? [];
  const to = rule.to ?? [];
  const when = rule.when ?? [];
  const ztunnel = connection.proxy === "ztunnel";
  const ofHttp =
    from.some(({ source }) => hasHttp(source)) ||
    to.some(({ operation }) => hasHttp(operation)) ||
    when.some(({ key }) => isHttpKey(key));
  // "Within an ALLOW policy, rules matching HTTP attributes are omitted."
  if (ztunnel && ofHttp && action === "ALLOW") return false;
  const http = connection.proxy === "for" ? action === "ALLOW" : connection.proxy === "all";
  // What a ztunnel cannot see is left out of a match; a match of which nothing is left matches nobody.
  const holds = (condition: object | undefined, rest: boolean): boolean =>
    hasHttp(condition) ? (ztunnel ? keepsSomething(condition) && rest : http && rest) : rest;
  return (
    (from.length === 0 ||
      from.some(({ source }) => holds(source, sourceMatches(source ?? {}, policyNamespace, connection)))) &&
    (to.length === 0 || to.some(({ operation }) => holds(operation, operationMatches(operation ?? {}, connection)))) &&
    when.every((condition) => (isHttpKey(condition.key) ? !ztunnel && http : conditionHolds(condition, connection)))
  );
}

const layer4Fields = /^(not)?(ports|principals|namespaces|serviceAccounts|ipBlocks)$/i;

function hasHttp(match: object | undefined): boolean {
  return Object.keys(match ?? {}).some((key) => !layer4Fields.test(key));
}

function keepsSomething(match: object | undefined): boolean {
  return Object.keys(match ?? {}).some((key) => layer4Fields.test(key));
}

function isHttpKey(key: string): boolean {
  return key.startsWith("request.");
}

function operationMatches(operation: Operation, connection: Connection): boolean {
  return within(operation.ports, operation.notPorts, (port) => Number(port) === connection.port);
}

function sourceMatches(source: Source, policyNamespace: string, connection: Connection): boolean {
  return (
    within(source.principals, source.notPrincipals, (text) => principalIs(text, connection)) &&
    within(source.namespaces, source.notNamespaces, (text) => namespaceIs(text, connection)) &&
    within(source.serviceAccounts, source.notServiceAccounts, (text) => accountIs(text, policyNamespace, connection)) &&
    within(source.ipBlocks, source.notIpBlocks, (block) =>
      connection.addresses.some((address) => cidrContains(block, address)),
    )
  );
}

function conditionHolds(
  condition: { readonly key: string; readonly values?: readonly string[]; readonly notValues?: readonly string[] },
  connection: Connection,
): boolean {
  const test = (text: string): boolean => {
    switch (condition.key) {
      case "source.principal":
        return principalIs(text, connection);
      case "source.namespace":
        return namespaceIs(text, connection);
      case "source.ip":
        return connection.addresses.some((address) => cidrContains(text, address));
      case "destination.port":
        return Number(text) === connection.port;
      default:
        throw new Error(`the oracle knows no attribute ${condition.key}`);
    }
  };
  return within(condition.values, condition.notValues, test);
}

/** One of the values if there are any, and none of the others. */
function within(
  values: readonly string[] | undefined,
  others: readonly string[] | undefined,
  test: (text: string) => boolean,
): boolean {
  if (values && values.length > 0 && !values.some(test)) return false;
  return !others?.some(test);
}

/** Without mutual TLS there is no principal: nothing matches it, so that its negation holds. */
function principalIs(pattern: string, { identity }: Connection): boolean {
  return (
    identity !== undefined &&
    textMatches(pattern, `${trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`)
  );
}

function namespaceIs(pattern: string, { identity }: Connection): boolean {
  return identity !== undefined && textMatches(pattern, identity.namespace);
}

function accountIs(text: string, policyNamespace: string, { identity }: Connection): boolean {
  const wanted = text.includes("/") ? text : `${policyNamespace}/${text}`;
  return identity !== undefined && wanted === `${identity.namespace}/${identity.serviceAccount}`;
}

/** "Exact match, prefix match (abc*), suffix match (*abc), presence match (*)." */
function textMatches(pattern: string, text: string): boolean {
  if (pattern === "*") return text !== "";
  if (pattern.startsWith("*")) return text.endsWith(pattern.slice(1));
  if (pattern.endsWith("*")) return text.startsWith(pattern.slice(0, -1));
  return text === pattern;
}

function addressesOf(party: Party): readonly string[] {
  // one that is not known is some IPv4 address, which only a range of all is sure to hold
  if (party.kind === "pod") return party.pod.addresses.length > 0 ? party.pod.addresses : ["100.66.1.1"];
  return party.address === undefined ? [] : [party.address];
}
