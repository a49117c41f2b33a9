/**
 * Oracle for one Cilium cluster: NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and
 * ClusterNetworkPolicy together. Sources: Documentation/security/policy (intro, layer3, layer4, deny), the agent's
 * validation (pkg/policy/api), and a real agent's measured verdicts, which decide where the text is silent.
 */
import { blockContains, cidrContains } from "./addresses";
import {
  icmpFamilyOf,
  isSamePod,
  namespaceLabels,
  type Direction,
  type OracleCluster,
  type OracleFlow,
  type OraclePod,
  type Party,
  type PolicyObject,
} from "./cluster";
import {
  clusterPeerMatches,
  isClusterNetworkPolicy,
  protocolsMatch,
  subjectSelects,
  type ClusterNetworkPolicySpec,
  type ClusterPeer,
  type ClusterRule,
} from "./cluster-network-policy";
import {
  ciliumAccepts,
  ciliumSpecs,
  type CiliumEndpointSelector,
  type CiliumIcmpField,
  type CiliumPeers,
  type CiliumRule,
  type CiliumService,
  type CiliumSpec,
} from "./cilium-rules";
import { isNetworkPolicy, networkPolicyAnswer, type NetworkPolicyRule, type NetworkPolicySpec } from "./kubernetes";
import { expressionMatches, selectorMatches, type LabelSelector } from "./labels";

export interface CiliumOptions {
  /** policy-cidr-match-mode contains "pods". */
  readonly cidrMatchesPods: boolean;
  /** policy-cidr-match-mode contains "nodes". */
  readonly cidrMatchesNodes: boolean;
  /** allow-localhost: the node reaches its own pods unless a rule denies it. */
  readonly localNodeAlwaysAllowed: boolean;
  readonly enforcementMode: "default" | "always" | "never";
  /** enable-k8s-cluster-network-policy. */
  readonly clusterNetworkPolicy: boolean;
}

/** What a stock agent does, with ClusterNetworkPolicy switched on as in the measurements. */
export const stockCilium: CiliumOptions = {
  cidrMatchesPods: false,
  cidrMatchesNodes: false,
  localNodeAlwaysAllowed: true,
  enforcementMode: "default",
  clusterNetworkPolicy: true,
};

const namespaceKey = "io.kubernetes.pod.namespace";
const namespaceLabelsPrefix = "io.cilium.k8s.namespace.labels.";
const serviceAccountKey = "io.cilium.k8s.policy.serviceaccount";
const clusterKey = "io.cilium.k8s.policy.cluster";

export function ciliumAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: CiliumOptions,
): boolean {
  if (isSamePod(flow)) return true;
  // a flow that leaves the message open is allowed where some message is
  if (flow.protocol === "ICMP" && flow.icmpFamily === undefined) {
    const types = flow.port === undefined ? icmpTypes : [flow.port];
    const icmpFamily = icmpFamilyOf(flow);
    return types.some((port) => ciliumAllows(cluster, policies, { ...flow, port, icmpFamily }, options));
  }
  return identityAllows(
    { ...cluster, pods: cluster.pods.map(withIdentityLabels) },
    policies,
    { ...flow, source: partyAsSeen(flow.source), destination: partyAsSeen(flow.destination) },
    options,
  );
}

/** The types that generated rules name, and one that none does. */
const icmpTypes = [0, 8, 128, 250] as const;

/** "Labels that are not relevant for identities": the pods of one Deployment would otherwise have many. */
const leftOut = ["pod-template-hash"];

function withIdentityLabels(pod: OraclePod): OraclePod {
  return { ...pod, labels: Object.fromEntries(Object.entries(pod.labels).filter(([key]) => !leftOut.includes(key))) };
}

function partyAsSeen(party: Party): Party {
  return party.kind === "pod" ? { kind: "pod", pod: withIdentityLabels(party.pod) } : party;
}

function identityAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: CiliumOptions,
): boolean {
  return (
    directionAllows(cluster, policies, flow, "egress", options) &&
    directionAllows(cluster, policies, flow, "ingress", options)
  );
}

function directionAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  direction: Direction,
  options: CiliumOptions,
): boolean {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  // Pods on the host network are the host endpoint, which has no policy without the host firewall.
  if (subject.kind !== "pod" || subject.pod.hostNetwork) return true;
  if (options.enforcementMode === "never") return true;

  const admin = clusterTier(cluster, policies, "Admin", flow, direction, options)?.action;
  if (admin === "Accept") return true;
  if (admin === "Deny") return false;

  const normal = normalTier(cluster, policies, subject.pod, peer, flow, direction, options);
  if (normal === "allowed") return !lostToBaselinePass(cluster, policies, flow, direction, options);
  if (normal === "denied") return false;

  // Measured: default deny is no rule of the normal tier but what is left after the Baseline tier, and so is the node's
  // way to its own pods.
  const baseline = clusterTier(cluster, policies, "Baseline", flow, direction, options)?.action;
  if (baseline === "Accept") return true;
  if (baseline === "Deny") return false;
  if (direction === "ingress" && isLocalHost(peer) && options.localNodeAlwaysAllowed) return true;
  if (normal === "default deny") return false;
  return options.enforcementMode !== "always";
}

/** NetworkPolicy, CNP and CCNP are one tier in which a deny beats an allow and default deny catches the rest. */
function normalTier(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  subject: OraclePod,
  peer: Party,
  flow: OracleFlow,
  direction: Direction,
  options: CiliumOptions,
): "allowed" | "denied" | "default deny" | "undecided" {
  const specs = policies.filter(ciliumAccepts).flatMap((policy) =>
    ciliumSpecs(policy)
      .filter((spec) => specSelects(cluster, policy, spec, subject))
      .map((spec) => ({
        namespace: policy.kind === "CiliumNetworkPolicy" ? (policy.metadata.namespace ?? "default") : "",
        spec,
      })),
  );
  for (const { namespace, spec } of specs) {
    const denies = (direction === "ingress" ? spec.ingressDeny : spec.egressDeny) ?? [];
    if (denies.some((rule) => ruleMatches(cluster, policies, namespace, rule, direction, "deny", peer, flow, options)))
      return "denied";
  }
  for (const { namespace, spec } of specs) {
    const allows = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
    if (allows.some((rule) => ruleMatches(cluster, policies, namespace, rule, direction, "allow", peer, flow, options)))
      return "allowed";
  }
  const seen = asSeen(peer, options);
  const seenFlow = direction === "ingress" ? { ...flow, source: seen } : { ...flow, destination: seen };
  const typed = policies.map((policy) => withTypesAsTheAgentReads(policy));
  const networkPolicy = networkPolicyAnswer(cluster, typed, seenFlow, direction, {
    cidrMatchesPods: options.cidrMatchesPods,
    localNodeAlwaysAllowed: false,
  });
  if (networkPolicy === "allowed") return "allowed";
  const defaultDeny = networkPolicy === "denied" || specs.some(({ spec }) => hasDefaultDeny(spec, direction));
  return defaultDeny ? "default deny" : "undecided";
}

/**
 * Measured, unlike the API's text: rules of a direction that policyTypes does not name are in force too. The agent asks
 * for the type only where the direction has no rule.
 */
function withTypesAsTheAgentReads(policy: PolicyObject): PolicyObject {
  if (!isNetworkPolicy(policy)) return policy;
  const spec = (policy.spec ?? {}) as NetworkPolicySpec;
  const types = spec.policyTypes ?? [];
  const policyTypes: string[] = [];
  if ((spec.ingress ?? []).length > 0 || types.includes("Ingress") || !types.includes("Egress"))
    policyTypes.push("Ingress");
  if ((spec.egress ?? []).length > 0 || types.includes("Egress")) policyTypes.push("Egress");
  return { ...policy, spec: { ...spec, policyTypes } };
}

/**
 * "If the rule has rules in a direction, that direction's default is deny" unless enableDefaultDeny says otherwise. An
 * explicit `true` on a direction without any rule does nothing (measured).
 */
function hasDefaultDeny(spec: CiliumSpec, direction: Direction): boolean {
  const rules =
    direction === "ingress"
      ? [...(spec.ingress ?? []), ...(spec.ingressDeny ?? [])]
      : [...(spec.egress ?? []), ...(spec.egressDeny ?? [])];
  if (rules.length === 0) return false;
  return (direction === "ingress" ? spec.enableDefaultDeny?.ingress : spec.enableDefaultDeny?.egress) ?? true;
}

/** A node's address counts for CIDR rules only where the agent is told so. */
function asSeen(peer: Party, options: CiliumOptions): Party {
  if (peer.kind !== "node" || options.cidrMatchesNodes) return peer;
  return { kind: "node", where: peer.where, apiserver: peer.apiserver };
}

function isLocalHost(peer: Party): boolean {
  return peer.kind === "node" && peer.where === "local";
}

function specSelects(cluster: OracleCluster, policy: PolicyObject, spec: CiliumSpec, pod: OraclePod): boolean {
  // nodeSelector policies are about the host endpoint only.
  if (!spec.endpointSelector) return false;
  if (policy.kind === "CiliumNetworkPolicy" && (policy.metadata.namespace ?? "default") !== pod.namespace) return false;
  return endpointMatches(spec.endpointSelector, podIdentity(cluster, pod));
}

function ruleMatches(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  namespace: string,
  rule: CiliumRule,
  direction: Direction,
  verdict: "allow" | "deny",
  peer: Party,
  flow: OracleFlow,
  options: CiliumOptions,
): boolean {
  const written = peersOf(rule, direction);
  // The agent puts pods and addresses in the place of Services; where there are none, or in a deny rule, nothing is left.
  const resolves =
    verdict === "allow" && (written.services ?? []).some((service) => serviceStandsForSomething(policies, service));
  const peers = resolves ? written : { ...written, services: undefined };
  const lists = [peers.endpoints, peers.entities, peers.cidr, peers.cidrSet];
  // "An empty list selects nothing", ports or not.
  if (lists.some((list) => list && list.length === 0)) return false;
  const icmps = (rule.icmps ?? []).flatMap((entry) => entry.fields ?? []);
  const hasPorts = (rule.toPorts ?? []).length + icmps.length > 0;
  if ([...lists, peers.services].every((list) => !list)) {
    // No L3 member at all: any peer if there are ports, nobody if there are none.
    if (!hasPorts) return false;
  } else if (!peersMatch(cluster, policies, namespace, peers, peer, options)) return false;
  return (
    !hasPorts ||
    icmps.some((field) => icmpMatches(field, flow)) ||
    (rule.toPorts ?? []).some((entry) => (entry.ports ?? []).some((port) => ciliumPortMatches(port, flow)))
  );
}

function peersOf(rule: CiliumRule, direction: Direction): CiliumPeers {
  return direction === "ingress"
    ? { endpoints: rule.fromEndpoints, entities: rule.fromEntities, cidr: rule.fromCIDR, cidrSet: rule.fromCIDRSet }
    : {
        endpoints: rule.toEndpoints,
        entities: rule.toEntities,
        cidr: rule.toCIDR,
        cidrSet: rule.toCIDRSet,
        services: rule.toServices,
      };
}

function peersMatch(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  namespace: string,
  peers: CiliumPeers,
  peer: Party,
  options: CiliumOptions,
): boolean {
  const identity = identityOf(cluster, peer);
  if ((peers.endpoints ?? []).some((selector) => endpointMatches(scoped(selector, namespace), identity))) return true;
  if ((peers.entities ?? []).some((entity) => entityMatches(entity, identity))) return true;
  if ((peers.services ?? []).some((service) => serviceMatches(policies, service, peer, options))) return true;
  const addresses = cidrAddresses(peer, options);
  if ((peers.cidr ?? []).some((cidr) => addresses.some((address) => cidrContains(cidr, address)))) return true;
  return (peers.cidrSet ?? []).some((block) => {
    const except = block.except ?? [];
    const cidrs = block.cidrGroupRef
      ? cidrGroup(policies, ({ metadata }) => metadata.name === block.cidrGroupRef)
      : block.cidrGroupSelector
        ? cidrGroup(policies, ({ metadata }) => selectorMatches(block.cidrGroupSelector ?? {}, metadata.labels ?? {}))
        : [block.cidr ?? ""];
    return cidrs.some((cidr) => addresses.some((address) => blockContains(cidr, except, address)));
  });
}

/** The prefixes of the CiliumCIDRGroups that are meant; a group that does not exist selects nothing. */
function cidrGroup(objects: readonly PolicyObject[], isMeant: (group: PolicyObject) => boolean): readonly string[] {
  return objects
    .filter((object) => object.kind === "CiliumCIDRGroup" && isMeant(object))
    .flatMap((group) => (group.spec as { externalCIDRs?: readonly string[] }).externalCIDRs ?? []);
}

/** "Echo request" and its like; a field without a family is about IPv4. */
function icmpMatches(field: CiliumIcmpField, flow: OracleFlow): boolean {
  if (flow.protocol !== "ICMP") return false;
  const family = (field.family ?? "IPv4") === "IPv4" ? 4 : 6;
  const named: Readonly<Record<string, number>> = {
    EchoReply: family === 4 ? 0 : 129,
    EchoRequest: family === 4 ? 8 : 128,
  };
  const type = typeof field.type === "number" ? field.type : (named[field.type] ?? Number(field.type));
  return flow.icmpFamily === family && flow.port === type;
}

/** The Services that a reference means; without a namespace it means those of every namespace. */
function servicesMeant(objects: readonly PolicyObject[], reference: CiliumService): readonly PolicyObject[] {
  const place = reference.k8sService?.namespace ?? reference.k8sServiceSelector?.namespace;
  return objects
    .filter(({ kind, metadata }) => kind === "Service" && (place === undefined || metadata.namespace === place))
    .filter(({ metadata }) =>
      reference.k8sService
        ? metadata.name === reference.k8sService.serviceName
        : selectorMatches(reference.k8sServiceSelector?.selector ?? {}, metadata.labels ?? {}),
    );
}

/** The addresses that the EndpointSlices of a Service list. */
function backends(objects: readonly PolicyObject[], { metadata }: PolicyObject): readonly string[] {
  const slices = objects.filter(
    (slice) =>
      slice.kind === "EndpointSlice" &&
      slice.metadata.namespace === metadata.namespace &&
      slice.metadata.labels?.["kubernetes.io/service-name"] === metadata.name,
  );
  return slices.flatMap((slice) =>
    ((slice as unknown as { endpoints: { addresses: string[] }[] }).endpoints ?? []).flatMap((one) => one.addresses),
  );
}

function selectorOf({ spec }: PolicyObject): Readonly<Record<string, string>> | undefined {
  return (spec as { selector?: Readonly<Record<string, string>> }).selector;
}

function serviceStandsForSomething(objects: readonly PolicyObject[], reference: CiliumService): boolean {
  return servicesMeant(objects, reference).some(
    (service) => selectorOf(service) !== undefined || backends(objects, service).length > 0,
  );
}

/** A Service with a selector stands for its pods, one without for the addresses that its EndpointSlices list. */
function serviceMatches(
  objects: readonly PolicyObject[],
  reference: CiliumService,
  peer: Party,
  options: CiliumOptions,
): boolean {
  return servicesMeant(objects, reference).some((service) => {
    const selector = selectorOf(service);
    if (selector) {
      if (peer.kind !== "pod" || peer.pod.hostNetwork || peer.pod.namespace !== service.metadata.namespace)
        return false;
      return selectorMatches({ matchLabels: selector }, peer.pod.labels);
    }
    const addresses = backends(objects, service);
    return cidrAddresses(peer, options).some((address) => addresses.some((one) => cidrContains(one, address)));
  });
}

/** CIDR rules select identities outside the cluster; pods and nodes only if policy-cidr-match-mode says so. */
function cidrAddresses(peer: Party, options: CiliumOptions): readonly string[] {
  if (peer.kind === "address") return [peer.address];
  if (peer.kind === "node") return options.cidrMatchesNodes && peer.address !== undefined ? [peer.address] : [];
  return options.cidrMatchesPods ? peer.pod.addresses : [];
}

function ciliumPortMatches(
  port: { readonly port: string; readonly endPort?: number | null; readonly protocol?: string | null },
  flow: OracleFlow,
): boolean {
  const protocol = port.protocol ?? "ANY";
  if (protocol !== "ANY" && protocol !== "" && protocol !== flow.protocol) return false;
  if (flow.protocol === "ICMP" || flow.port === undefined) return false;
  if (!/^\d+$/.test(port.port)) {
    const { destination } = flow;
    return (
      destination.kind === "pod" &&
      destination.pod.ports.some(
        (one) =>
          one.name?.toLowerCase() === port.port.toLowerCase() &&
          one.protocol === flow.protocol &&
          one.port === flow.port,
      )
    );
  }
  const first = Number(port.port);
  if (first === 0) return true;
  // An endPort below the port (0 included, its default) stands for no range.
  const last = Math.max(first, port.endPort ?? 0);
  return flow.port >= first && flow.port <= last;
}

// --- identities ---------------------------------------------------------------------------------------------------

interface IdentityLabel {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

type Identity = readonly IdentityLabel[];

function identityOf(cluster: OracleCluster, party: Party): Identity {
  if (party.kind === "address") {
    const family = party.address.includes(":") ? "world-ipv6" : "world-ipv4";
    return [reserved("world"), reserved(family)];
  }
  if (party.kind === "node") {
    const node = reserved(party.where === "local" ? "host" : "remote-node");
    return party.apiserver ? [node, reserved("kube-apiserver")] : [node];
  }
  return podIdentity(cluster, party.pod);
}

function podIdentity(cluster: OracleCluster, pod: OraclePod): Identity {
  const k8s = (key: string, value: string): IdentityLabel => ({ source: "k8s", key, value });
  return [
    ...Object.entries(pod.labels).map(([key, value]) => k8s(key, value)),
    ...Object.entries(namespaceLabels(cluster, pod.namespace)).map(([key, value]) =>
      k8s(namespaceLabelsPrefix + key, value),
    ),
    k8s(namespaceKey, pod.namespace),
    k8s(serviceAccountKey, pod.serviceAccount),
    k8s(clusterKey, "default"),
  ];
}

function reserved(name: string): IdentityLabel {
  return { source: "reserved", key: name, value: "" };
}

/** entity.go: what each entity stands for. */
function entityMatches(entity: string, identity: Identity): boolean {
  const has = (name: string): boolean => identity.some((label) => label.source === "reserved" && label.key === name);
  switch (entity) {
    case "all":
      return true;
    case "world":
      return has("world");
    case "world-ipv4":
    case "world-ipv6":
    case "host":
    case "remote-node":
    case "kube-apiserver":
    case "init":
    case "ingress":
    case "health":
    case "unmanaged":
      return has(entity);
    case "cluster":
      return (
        ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"].some(has) ||
        identity.some((label) => label.source === "k8s" && label.key === clusterKey)
      );
    case "none":
      return false;
    default:
      throw new Error(`the oracle knows no entity ${entity}`);
  }
}

/**
 * A peer selector of a namespaced policy means its own namespace unless it names a namespace (or namespace labels)
 * itself; in a clusterwide policy it means pods, that is, endpoints with a namespace. Both mean the local cluster unless
 * they name one (policy-default-local-cluster, on since 1.19), so that `NotIn` never reaches the world or a node
 * (measured). Selectors of reserved labels are left alone.
 */
function scoped(selector: CiliumEndpointSelector, namespace: string): CiliumEndpointSelector {
  const keys = [...Object.keys(selector.matchLabels ?? {}), ...(selector.matchExpressions ?? []).map((one) => one.key)];
  const bare = keys.map((key) => key.replace(/^(k8s|any):/, ""));
  if (keys.some((key) => key.startsWith("reserved:"))) return selector;
  const labels: Record<string, string> = { ...(selector.matchLabels ?? {}) };
  const expressions = [...(selector.matchExpressions ?? [])];
  if (!bare.includes(clusterKey)) labels[`k8s:${clusterKey}`] = "default";
  if (!bare.some((key) => key === namespaceKey || key.startsWith(namespaceLabelsPrefix))) {
    if (namespace === "") expressions.push({ key: `k8s:${namespaceKey}`, operator: "Exists" });
    else labels[`k8s:${namespaceKey}`] = namespace;
  }
  return { matchLabels: labels, matchExpressions: expressions };
}

function endpointMatches(selector: LabelSelector, identity: Identity): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!expressionHolds({ key, operator: "In", values: [value] }, identity)) return false;
  }
  return (selector.matchExpressions ?? []).every((expression) => expressionHolds(expression, identity));
}

/** A key without a source (`app`, `any:app`) means the label of any source. */
function expressionHolds(
  expression: { readonly key: string; readonly operator: string; readonly values?: readonly string[] | null },
  identity: Identity,
): boolean {
  const colon = expression.key.indexOf(":");
  const source = colon < 0 ? "any" : expression.key.slice(0, colon);
  const key = colon < 0 ? expression.key : expression.key.slice(colon + 1);
  const label = identity.find((one) => one.key === key && (source === "any" || one.source === source));
  return expressionMatches({ ...expression, key }, label ? { [key]: label.value } : {});
}

// --- ClusterNetworkPolicy as the agent orders it ---------------------------------------------------------------------

/** Priority is that of the policy plus a hundredth for each rule; at one priority Deny comes before Accept before Pass. */
function clusterTier(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  tier: "Admin" | "Baseline",
  flow: OracleFlow,
  direction: Direction,
  options: CiliumOptions,
): ClusterRule | undefined {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = asSeen(direction === "ingress" ? flow.source : flow.destination, options);
  if (!options.clusterNetworkPolicy || subject.kind !== "pod") return undefined;
  const rank = { Deny: 0, Accept: 1, Pass: 2 };
  const rules = policies
    .filter(isClusterNetworkPolicy)
    .map((policy) => policy.spec as ClusterNetworkPolicySpec)
    .filter((spec) => spec.tier === tier && subjectSelects(cluster, spec.subject, subject.pod))
    .flatMap((spec) =>
      ((direction === "ingress" ? spec.ingress : spec.egress) ?? []).map((rule, index) => ({
        rule,
        at: spec.priority + index / 100,
      })),
    )
    .sort((a, b) => a.at - b.at || rank[a.rule.action] - rank[b.rule.action]);
  for (const { rule } of rules) {
    if (!protocolsMatch(rule.protocols, flow)) continue;
    const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
    const empty = peers.some((one) => !one.namespaces && !one.pods && !one.networks);
    if (empty && rule.action !== "Accept") return { ...rule, action: "Deny" };
    if (peers.some((one) => clusterPeerMatches(cluster, one, peer, options) || matchesByAbsence(one))) return rule;
  }
  return undefined;
}

/**
 * Measured, unlike the API's text: a `namespaces` peer that asks only for the absence of labels matches everybody, pods that
 * carry those labels, nodes and the world included; an empty one does not.
 */
function matchesByAbsence(peer: ClusterPeer): boolean {
  if (!peer.namespaces) return false;
  const conditions =
    Object.keys(peer.namespaces.matchLabels ?? {}).length + (peer.namespaces.matchExpressions ?? []).length;
  return conditions > 0 && selectorMatches(peer.namespaces, {});
}

// --- a measured defect of the agent ---------------------------------------------------------------------------------

/**
 * Measured on 1.20.2 (case r411-50), against the API's text: under default deny, a Baseline Pass with ports takes traffic
 * away from allows of the earlier tier that are written for a wider range of ports. The agent keeps the narrower entry,
 * which by then allows nothing.
 */
function lostToBaselinePass(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  direction: Direction,
  options: CiliumOptions,
): boolean {
  const rule = clusterTier(cluster, policies, "Baseline", flow, direction, options);
  if (rule?.action !== "Pass" || !rule.protocols || flow.port === undefined) return false;
  const port = flow.port;
  const widths = rule.protocols.flatMap((protocol) => {
    if (!protocolsMatch([protocol], flow)) return [];
    const match = (protocol.tcp ?? protocol.udp ?? protocol.sctp)?.destinationPort;
    const range = match?.range ?? { start: match?.number ?? port, end: match?.number ?? port };
    return [match || protocol.destinationNamedPort !== undefined ? blockWidth(range.start, range.end, port) : 65536];
  });
  const width = Math.min(...widths);
  const narrow = policies.map((policy) => withPortsUpTo(policy, width, port));
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  return (
    subject.kind === "pod" &&
    normalTier(cluster, narrow, subject.pod, peer, flow, direction, options) === "default deny"
  );
}

/** The agent stores a range as blocks of 2^n ports: the size of the block of `first`-`last` that holds `port`. */
function blockWidth(first: number, last: number, port: number): number {
  for (let width = 65536; width > 1; width /= 2) {
    const start = Math.floor(port / width) * width;
    if (start >= first && start + width - 1 <= last) return width;
  }
  return 1;
}

/** The policy with only those allows that name ports in blocks of at most `width`; what it isolates stays isolated. */
function withPortsUpTo(policy: PolicyObject, width: number, port: number): PolicyObject {
  const nobody = { fromEndpoints: [], toEndpoints: [] };
  if (isNetworkPolicy(policy)) {
    const typed = withTypesAsTheAgentReads(policy);
    const spec = typed.spec as NetworkPolicySpec;
    const keep = (rule: NetworkPolicyRule): NetworkPolicyRule[] => {
      const ports = (rule.ports ?? []).filter(
        (one) =>
          typeof one.port === "string" || (one.port && blockWidth(one.port, one.endPort ?? one.port, port) <= width),
      );
      return ports.length > 0 ? [{ ...rule, ports }] : [];
    };
    return {
      ...typed,
      spec: { ...spec, ingress: (spec.ingress ?? []).flatMap(keep), egress: (spec.egress ?? []).flatMap(keep) },
    };
  }
  if (!ciliumAccepts(policy)) return policy;
  const keep = (rule: CiliumRule): CiliumRule => {
    const ports = (rule.toPorts ?? [])
      .flatMap((entry) => entry.ports ?? [])
      .filter(
        (one) =>
          !/^\d+$/.test(one.port) ||
          blockWidth(Number(one.port), Math.max(Number(one.port), one.endPort ?? 0), port) <= width,
      );
    return ports.length > 0 ? { ...rule, toPorts: [{ ports }] } : nobody;
  };
  const specs = ciliumSpecs(policy).map((spec) => ({
    ...spec,
    ingress: spec.ingress?.map(keep),
    egress: spec.egress?.map(keep),
  }));
  return { ...policy, spec: undefined, specs };
}
