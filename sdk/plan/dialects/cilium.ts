/**
 * Cilium: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`).
 *
 * `enableDefaultDeny` is always written out: false on what allows, true on the default deny only.
 * Label keys carry the `k8s:` source (S3-19). What a text means here was measured: see the truth table of the lab.
 */
import { internetRanges, metadataCidrs } from "../addresses";
import { flowAnnotations, reviewAnnotations } from "../annotations";
import { Entity, PolicyMode } from "../declaration";
import type { DraftDocument, PlannedObject, Stage } from "../documents";
import { managedByLabel } from "../documents";
import { dnsProxyRules, namespacesWithLimitedDns, namespacesWithoutDns } from "../dns-limits";
import { isPattern } from "../fqdn";
import type { Coverage, Half, PolicyGroup, Subject } from "../halves";
import {
  bySubject,
  coverage,
  externallyDenied,
  groupHalves,
  halvesOf,
  heldNamespaces,
  modeOf,
  namespaceOf,
  rulesOf,
} from "../halves";
import { metadataServices } from "../metadata-services";
import type { Model, ModelFlow, ModelPeer, ModelWorkload, PortRange } from "../model";
import { closedNeighbours } from "../tenants";
import type { Shortfalls } from "../unsupported";
import { versionAtLeast } from "../versions";

const namespaceKey = "k8s:io.kubernetes.pod.namespace";
const serviceAccountKey = "k8s:io.cilium.k8s.policy.serviceaccount";

/** CRD limit: ports in one element of `toPorts`. */
const mostPorts = 40;
/** Above this, one object would come near the size limit of etcd; scraping is then written per namespace. */
const mostSpecs = 200;
/** DNS through Cilium's proxy, in namespaces that have rules for DNS names. */
export const proxiedDnsName = "allow-dns-egress-proxied";

type Plain = Readonly<Record<string, unknown>>;

/** Allow rules never isolate by themselves. */
const allows = { ingress: false, egress: false };

/** Writes the policies of a declaration for Cilium. */
export function ciliumDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  noteHostNetwork(model, shortfalls);
  noteNewPatterns(model, shortfalls);
  noteAudit(model, shortfalls);
  const groups = groupHalves(halvesOf(model.flows));
  const held = coverage(model, PolicyMode.Enforce);
  return [
    ...(held === undefined ? [] : [clusterwide("metadata-deny", "deny-cloud-metadata", metadataDeny(held))]),
    ...dnsDocuments(model),
    clusterwide("platform", "allow-cilium-health", ciliumHealth()),
    ...groups.flatMap(groupDocuments),
    ...model.tenants.flatMap((tenant) => tenant.namespaces.flatMap((namespace) => tenantBoundary(model, namespace))),
    ...externallyDenied(model)
      .filter((workload) => modeOf(model, workload.namespace) === PolicyMode.Enforce)
      .map(externalDeny),
    ...(held === undefined ? [] : [clusterwide("default-deny", "default-deny-all", defaultDeny(held))]),
  ];
}

/**
 * The pods that are held: those of namespaces outside tier 0. `Exists` keeps out endpoints that have no namespace,
 * Cilium's health and ingress endpoints, which `NotIn` alone would select.
 */
function covered({ kind, names }: Coverage): Plain {
  if (kind === "only") return { matchExpressions: [{ key: namespaceKey, operator: "In", values: names }] };
  return {
    matchExpressions: [
      { key: namespaceKey, operator: "Exists" },
      { key: namespaceKey, operator: "NotIn", values: names },
    ],
  };
}

/** An explicit deny is final: no allow of any other policy opens a metadata endpoint again. Isolates nothing itself. */
function metadataDeny(held: Coverage): Plain {
  return {
    description: "Closes the metadata endpoints of every cloud, IPv4 and IPv6, for every pod outside tier 0",
    endpointSelector: covered(held),
    enableDefaultDeny: allows,
    egressDeny: [{ toCIDRSet: metadataCidrs.map((cidr) => ({ cidr })) }],
  };
}

function defaultDeny(held: Coverage): Plain {
  return {
    description: "Denies whatever no other policy allows, for every pod outside tier 0",
    endpointSelector: covered(held),
    enableDefaultDeny: { ingress: true, egress: true },
    // an empty rule selects no peer; without any rule Cilium refuses the policy and nothing is enforced
    ingress: [{}],
    egress: [{}],
  };
}

/** `world` is whatever has no identity in the cluster; the deny is final and isolates nothing by itself. */
function externalDeny(workload: ModelWorkload): DraftDocument {
  return namespaced(
    "flows",
    workload.namespace,
    `deny-external-to-${workload.name}`,
    {},
    {
      description: "Nothing outside the cluster reaches it, whatever else is allowed",
      endpointSelector: { matchLabels: ownLabels(workload) },
      enableDefaultDeny: allows,
      ingressDeny: [{ fromEntities: ["world"] }],
    },
  );
}

/** Final: no policy that a tenant writes opens its namespace to another tenant, or reaches into one. */
function tenantBoundary(model: Model, namespace: string): readonly DraftDocument[] {
  if (modeOf(model, namespace) === PolicyMode.Audit) return [];
  const values = closedNeighbours(model, namespace);
  if (values.length === 0) return [];
  const neighbours = [{ matchExpressions: [{ key: namespaceKey, operator: "In", values }] }];
  return [
    namespaced(
      "flows",
      namespace,
      "deny-other-tenants",
      {},
      {
        description: "Nothing comes in from the namespaces of other tenants, but for declared exceptions",
        endpointSelector: {},
        enableDefaultDeny: allows,
        ingressDeny: [{ fromEndpoints: neighbours }],
      },
    ),
  ];
}

/** Cilium's health endpoints keep answering, also with `policyEnforcementMode: always`. */
function ciliumHealth(): Plain {
  const peers = ["health", "host", "remote-node"];
  return {
    description: "Keeps Cilium's own health checks working",
    endpointSelector: { matchLabels: { "reserved:health": "" } },
    enableDefaultDeny: allows,
    ingress: [{ fromEntities: peers }],
    egress: [{ toEntities: peers }],
  };
}

/** DNS in both directions, UDP and TCP; host-network clients are no endpoints and are named. */
function dnsDocuments(model: Model): readonly DraftDocument[] {
  const { dns } = model;
  const toPorts = [{ ports: bothProtocols(dns.port) }];
  const servers = { matchLabels: { [namespaceKey]: dns.namespace, ...prefixed(dns.labels) } };
  const ingress = {
    description: "DNS servers answer every pod and every node",
    endpointSelector: servers,
    enableDefaultDeny: allows,
    ingress: [
      { fromEndpoints: [{}], toPorts },
      { fromEntities: ["host", "remote-node"], toPorts },
    ],
  };
  const egress = (rules?: Plain): readonly Plain[] => {
    const proxied = rules === undefined ? toPorts : toPorts.map((entry) => ({ ...entry, rules }));
    const cache = dns.nodeLocalCache === undefined ? [] : [nodeLocalRule(rules)];
    return [{ toEndpoints: [servers], toPorts: proxied }, ...cache];
  };
  const documents = [clusterwide("dns", "allow-dns-ingress", ingress)];

  // rules for DNS names only work where Cilium's DNS proxy sees the answers; other namespaces do without the proxy
  const silent = namespacesWithoutDns(model);
  const proxied = namespacesWithNames(model).filter((name) => !silent.includes(name));
  const plain = coverage(model, undefined, [...proxied, ...silent]);
  if (plain !== undefined) {
    const draft = clusterwide("dns", "allow-dns-egress", {
      description: "Every pod outside tier 0 may ask the DNS servers",
      endpointSelector: covered(plain),
      enableDefaultDeny: allows,
      egress: egress(),
    });
    // a namespace that changes over to the proxy has its new policy before this one lets go of it
    documents.push({ ...draft, after: proxied.map((namespace) => `${namespace}/${proxiedDnsName}`) });
  }
  for (const namespace of proxied) {
    documents.push(
      namespaced(
        "dns",
        namespace,
        proxiedDnsName,
        {},
        {
          description: "Asks through the DNS proxy, from which rules for DNS names learn the addresses",
          endpointSelector: {},
          enableDefaultDeny: allows,
          egress: egress({ dns: dnsProxyRules(model, namespace) }),
        },
      ),
    );
  }
  return documents;
}

/** NodeLocal DNSCache listens on the node itself, which no CIDR rule reaches; its port there is always 53. */
function nodeLocalRule(rules: Plain | undefined): Plain {
  const entry = { ports: bothProtocols(53) };
  return { toEntities: ["host"], toPorts: [rules === undefined ? entry : { ...entry, rules }] };
}

function namespacesWithNames(model: Model): readonly string[] {
  const names = new Set<string>(namespacesWithLimitedDns(model));
  for (const half of halvesOf(model.flows)) {
    if (half.direction === "egress" && half.peer.kind === "fqdn") names.add(namespaceOf(half.subject));
  }
  return [...names].sort();
}

function groupDocuments(group: PolicyGroup): readonly DraftDocument[] {
  switch (group.group.kind) {
    case "service":
      return [serviceDocument(group, group.group.service)];
    case "metrics":
      return metricsDocuments(group);
    case "application":
      return [applicationDocument(group)];
  }
}

function serviceDocument(group: PolicyGroup, service: string): DraftDocument {
  const specs = bySubject(group.halves).map(({ subject, halves }) =>
    allowSpec(`Tier 1: what ${service} needs`, subjectSelector(subject, true), halves),
  );
  return { ...withAnnotations(clusterwide("platform", group.name, ...specs), group.halves), service };
}

/** Targets only, on their own ports: a selector for every pod would isolate tier 0. */
function metricsDocuments(group: PolicyGroup): readonly DraftDocument[] {
  const description = "Declared scrapers reach declared metrics ports";
  const targets = bySubject(group.halves);
  if (targets.length <= mostSpecs) {
    const specs = targets.map(({ subject, halves }) => allowSpec(description, subjectSelector(subject, true), halves));
    return [withAnnotations(clusterwide("platform", group.name, ...specs), group.halves)];
  }
  const byNamespace = new Map<string, Plain[]>();
  for (const { subject, halves } of targets) {
    const home = namespaceOf(subject);
    const specs = byNamespace.get(home) ?? [];
    specs.push(allowSpec(description, subjectSelector(subject, false), halves));
    byNamespace.set(home, specs);
  }
  const review = reviewAnnotations(group.halves);
  return [...byNamespace].map(([namespace, specs]) => namespaced("platform", namespace, group.name, review, ...specs));
}

function applicationDocument(group: PolicyGroup): DraftDocument {
  const [first] = group.halves;
  if (first === undefined) throw new RangeError("a policy group has at least one half");
  const spec = allowSpec(describeGroup(group), subjectSelector(first.subject, false), group.halves);
  return namespaced("flows", namespaceOf(first.subject), group.name, flowAnnotations(group.halves), spec);
}

function describeGroup(group: PolicyGroup): string {
  const reasons = [...new Set(group.halves.map((half) => half.flow.reason))];
  const [first = "", ...rest] = reasons;
  return rest.length === 0 ? first : `${first}, and ${rest.length} more reasons`;
}

function allowSpec(description: string, endpointSelector: Plain, halves: readonly Half[]): Plain {
  const ingress = rulesOf(
    halves.filter((half) => half.direction === "ingress"),
    ruleKind,
  ).flatMap((rule) => ingressRules(rule.peers).map((peers) => ({ ...peers, toPorts: toPorts(rule.ports) })));
  const egress = rulesOf(
    halves.filter((half) => half.direction === "egress"),
    ruleKind,
  ).flatMap((rule) => egressRules(rule.peers).map((peers) => ({ ...peers, toPorts: toPorts(rule.ports) })));
  return {
    description,
    endpointSelector,
    enableDefaultDeny: allows,
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** A rule names peers of one kind only (Cilium refuses mixtures). */
function ruleKind(peer: ModelPeer): string {
  // the agents of credential services run on the host network: to Cilium they are the node, which no CIDR rule matches
  if (peer.kind === "metadata") return "entity";
  if (peer.kind === "entity") return peer.entity === Entity.Internet ? "cidr" : "entity";
  if (peer.kind === "workload") return peer.workload.hostNetwork ? "entity" : "endpoint";
  return peer.kind === "namespace" ? "endpoint" : peer.kind;
}

function egressRules(peers: readonly ModelPeer[]): readonly Plain[] {
  return peersByKind(peers, "egress").map(([kind, items]) => ({ [`to${kind}`]: items }));
}

function ingressRules(peers: readonly ModelPeer[]): readonly Plain[] {
  return peersByKind(peers, "ingress").map(([kind, items]) => ({ [`from${kind}`]: items }));
}

function peersByKind(peers: readonly ModelPeer[], direction: "ingress" | "egress"): readonly [string, unknown[]][] {
  const kinds = new Map<string, unknown[]>();
  for (const peer of peers) {
    const [kind, items] = peerItems(peer, direction);
    kinds.set(kind, [...(kinds.get(kind) ?? []), ...items]);
  }
  return [...kinds].map(([kind, items]) => [kind, kind === "Entities" ? [...new Set(items)] : items]);
}

function peerItems(peer: ModelPeer, direction: "ingress" | "egress"): [string, unknown[]] {
  switch (peer.kind) {
    case "workload":
      if (peer.workload.hostNetwork) return ["Entities", ["host", "remote-node"]];
      return ["Endpoints", [{ matchLabels: workloadLabels(peer.workload) }]];
    case "namespace":
      return ["Endpoints", [{ matchLabels: { [namespaceKey]: peer.namespace.name } }]];
    case "cidr":
      return ["CIDRSet", [cidrItem(peer.range)]];
    case "fqdn":
      return ["FQDNs", [isPattern(peer.name) ? { matchPattern: peer.name } : { matchName: peer.name }]];
    case "entity":
      return entityItems(peer.entity, direction);
    case "metadata":
      return ["Entities", ["host"]];
  }
}

function entityItems(entity: Entity, direction: "ingress" | "egress"): [string, unknown[]] {
  switch (entity) {
    case Entity.Internet:
      return ["CIDRSet", internetRanges.map(cidrItem)];
    case Entity.KubeApiserver:
      // webhook calls come from the node the API server runs on, under whichever of these identities Cilium knows it
      return ["Entities", direction === "egress" ? ["kube-apiserver"] : ["kube-apiserver", "host", "remote-node"]];
    case Entity.Nodes:
      return ["Entities", ["host", "remote-node"]];
    case Entity.Ingress:
      return ["Entities", ["ingress"]];
  }
}

function cidrItem(range: { cidr: string; except: readonly string[] }): Plain {
  return range.except.length === 0 ? { cidr: range.cidr } : { cidr: range.cidr, except: [...range.except] };
}

function toPorts(ports: readonly PortRange[]): readonly Plain[] {
  const entries = ports.map((port) => ({
    port: String(port.from),
    ...(port.to === port.from ? {} : { endPort: port.to }),
    protocol: port.protocol as string,
  }));
  const chunks: Plain[] = [];
  for (let start = 0; start < entries.length; start += mostPorts) {
    chunks.push({ ports: entries.slice(start, start + mostPorts) });
  }
  return chunks;
}

function bothProtocols(port: number): readonly Plain[] {
  return ["UDP", "TCP"].map((protocol) => ({ port: String(port), protocol }));
}

function prefixed(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [`k8s:${key}`, value]));
}

/** A workload's identity: its namespace, its labels and, where it is declared, its service account. */
function workloadLabels(workload: ModelWorkload): Readonly<Record<string, string>> {
  return { [namespaceKey]: workload.namespace, ...ownLabels(workload) };
}

function ownLabels(workload: ModelWorkload): Readonly<Record<string, string>> {
  const labels = prefixed(workload.labels);
  if (workload.serviceAccount === undefined) return labels;
  return { ...labels, [serviceAccountKey]: workload.serviceAccount };
}

/** Selects the pods of a subject. */
export function subjectSelector(subject: Subject, isClusterwide: boolean): Plain {
  const own = subject.kind === "workload" ? ownLabels(subject.workload) : {};
  const labels = isClusterwide ? { [namespaceKey]: namespaceOf(subject), ...own } : own;
  return Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
}

/** When to look at what a shared service may do; who may do it and why is said of its workloads one by one. */
function withAnnotations(draft: DraftDocument, halves: readonly Half[]): DraftDocument {
  const annotations = reviewAnnotations(halves);
  if (Object.keys(annotations).length === 0) return draft;
  return { ...draft, object: { ...draft.object, metadata: { ...draft.object.metadata, annotations } } };
}

function clusterwide(stage: Stage, name: string, ...specs: readonly Plain[]): DraftDocument {
  const object: PlannedObject = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name, labels: managedByLabel },
    ...specSection(specs),
  };
  return { stage, object };
}

function namespaced(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  ...specs: readonly Plain[]
): DraftDocument {
  const object: PlannedObject = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: {
      name,
      namespace,
      labels: managedByLabel,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    ...specSection(specs),
  };
  return { stage, object };
}

function specSection(specs: readonly Plain[]): Plain {
  return specs.length === 1 ? { spec: specs[0] } : { specs };
}

/** Cilium audits agent by agent, not policy by policy: a deny cannot be staged, and what allows isolates nothing. */
function noteAudit(model: Model, shortfalls: Shortfalls): void {
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.lost(
      "audit-unsupported",
      `namespaces ${namespace.name}`,
      "Cilium has no staged policies: in mode audit only what allows is written, and every deny is left out.",
      "Run the agents with policyAuditMode and say so in cluster.enforcerAudits; they then report what would be denied.",
    );
  }
}

function noteHostNetwork(model: Model, shortfalls: Shortfalls): void {
  for (const flow of model.flows) {
    if (flow.to.kind === "metadata") {
      shortfalls.note(
        "metadata-service-on-node",
        flow.path,
        "To Cilium a credential service on the host network is the node: the port is open on the pod's own node as a whole.",
        "Keep that port of the nodes free of anything else.",
      );
    }
    if (opensNodeServices(flow)) {
      shortfalls.note(
        "metadata-service-on-node",
        flow.path,
        "Credential services of the cloud on the host network (EKS Pod Identity, the GKE metadata server) are the node to Cilium, and their ports are open with the node's.",
        "Name other ports where such a service runs, or a workload instead of the nodes.",
      );
    }
    for (const end of [flow.from, flow.to]) {
      if (end.kind !== "workload" || !end.workload.hostNetwork) continue;
      shortfalls.note(
        "host-network-not-enforced",
        flow.path,
        "A workload on the host network has the identity of its node: as a peer it stands for every node, and its own side of the flow is not held.",
        "Move it off the host network where that matters.",
      );
    }
  }
}

/** Whether a flow to the nodes includes a port on which a credential service listens there. */
function opensNodeServices({ to, ports }: ModelFlow): boolean {
  const isNode =
    (to.kind === "entity" && to.entity === Entity.Nodes) || (to.kind === "workload" && to.workload.hostNetwork);
  const services = Object.values(metadataServices).flatMap((service) => service.ports);
  return (
    isNode &&
    ports.some((port) =>
      services.some(
        ({ protocol, from, to: last }) => protocol === port.protocol && from <= port.to && port.from <= last,
      ),
    )
  );
}

/** `**.` for any depth came with Cilium 1.19; before, it matched one label like `*.`. */
function noteNewPatterns(model: Model, shortfalls: Shortfalls): void {
  if (model.enforcerVersion === undefined || versionAtLeast(model.enforcerVersion, 1, 19)) return;
  for (const flow of model.flows) {
    if (flow.to.kind !== "fqdn" || !flow.to.name.startsWith("**.")) continue;
    shortfalls.lost(
      "pattern-needs-newer-enforcer",
      flow.path,
      "A pattern that begins with **. matches names of any depth from Cilium 1.19 on; before, of one label only.",
      "Name the hosts, or use Cilium 1.19 or newer.",
    );
  }
}
