/**
 * Calico: Tier, GlobalNetworkPolicy and NetworkPolicy (`projectcalico.org/v3`, Calico 3.30 and newer).
 *
 * Two tiers of our own pass on whatever they do not decide, so an allow never isolates: the guard tier, before every
 * other, holds the deny of metadata endpoints; the flow tier, between the cluster's admin tier and `default`, holds the
 * allows. The default deny stands in `default`, last, so that policies of others still count beside ours.
 */
import { internetRanges, metadataCidrs, rangeWithout } from "../addresses";
import type { CidrRange } from "../addresses";
import { flowAnnotations } from "../annotations";
import { DenyScope, Entity } from "../declaration";
import type { DraftDocument, PlannedObject, Stage } from "../documents";
import { managedByLabel } from "../documents";
import type { Half, PolicyGroup, Subject } from "../halves";
import { bySubject, externallyDenied, groupHalves, halvesOf, heldNamespaces, namespaceOf, rulesOf } from "../halves";
import type { Model, ModelPeer, ModelWorkload, PortRange } from "../model";
import { closedNeighbours } from "../tenants";
import type { Shortfalls } from "../unsupported";
import { versionAtLeast } from "../versions";

/** Before `kube-admin` (order 1000): nothing opens a metadata endpoint again. */
const guardTier = { name: "cluster-security-guard", order: 500 };
/** After `kube-admin`, before `default` (order 1,000,000). */
const flowTier = { name: "cluster-security", order: 500_000 };

const namespaceLabel = "projectcalico.org/namespace";
const serviceAccountLabel = "projectcalico.org/serviceaccount";
/** Everything that is no pod: nets alone would match pods by address too. */
const noPods = `has(${namespaceLabel})`;

type Plain = Readonly<Record<string, unknown>>;

/** Writes the policies of a declaration for Calico. */
export function calicoDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  if (model.enforcerVersion !== undefined && !versionAtLeast(model.enforcerVersion, 3, 30)) {
    shortfalls.refuse(
      "enforcer-too-old",
      "cluster.enforcerVersion",
      "Tiers, which the calico dialect is made of, came with Calico 3.30.",
      "Use Calico 3.30 or newer, or the kubernetes dialect.",
    );
  }
  const halves = halvesOf(model.flows).filter((half) => isExpressible(model, half, shortfalls));
  return [
    tier(guardTier),
    { ...tier(flowTier), after: [guardTier.name] },
    { ...metadataDeny(model), after: [guardTier.name] },
    ...dnsDocuments(model),
    ...groupHalves(halves).flatMap((group) => groupDocuments(model, group)),
    ...model.tenants.flatMap((tenant) => tenant.namespaces.flatMap((namespace) => tenantBoundary(model, namespace))),
    ...externallyDenied(model).map((workload) => externalDeny(model, workload)),
    defaultDeny(model),
  ];
}

/** Whether Calico's open-source edition can say this half; if not, it stays closed and the plan says so. */
function isExpressible(model: Model, half: Half, shortfalls: Shortfalls): boolean {
  const { peer, flow } = half;
  if (peer.kind === "fqdn") {
    shortfalls.lost(
      "fqdn-unsupported",
      flow.path,
      "Open-source Calico knows no DNS names: the flow stays closed.",
      "Give address ranges with cidr(…), send it through a proxy, or use the cilium dialect.",
    );
    return false;
  }
  if (peer.kind === "entity" && peer.entity === Entity.Ingress) {
    shortfalls.lost(
      "entity-unsupported",
      flow.path,
      "Calico does not know Cilium's ingress: the flow stays closed.",
      "Declare the ingress controller as a workload.",
    );
    return false;
  }
  if (rangesOf(model, peer)?.ranges.length === 0) {
    shortfalls.lost(
      "address-missing",
      flow.path,
      "Calico knows nodes and the API server by address only, and none is declared: the flow stays closed.",
      "Give cluster.apiServer.cidrs and cluster.nodeCidrs.",
    );
    return false;
  }
  return true;
}

/** Addresses that stand for a peer, and whether they lie outside the cluster; undefined for pods. */
function rangesOf(model: Model, peer: ModelPeer): { ranges: readonly CidrRange[]; isWorld: boolean } | undefined {
  if (peer.kind === "cidr") return { ranges: [peer.range], isWorld: true };
  if (peer.kind === "workload") {
    return peer.workload.hostNetwork ? { ranges: plainRanges(model.nodeCidrs), isWorld: false } : undefined;
  }
  if (peer.kind !== "entity") return undefined;
  switch (peer.entity) {
    case Entity.Internet:
      return { ranges: internetRanges, isWorld: true };
    case Entity.KubeApiserver:
      return { ranges: plainRanges(model.apiServer.cidrs), isWorld: false };
    case Entity.Nodes:
      return { ranges: plainRanges(model.nodeCidrs), isWorld: false };
    case Entity.Ingress:
      return { ranges: [], isWorld: false };
  }
}

function plainRanges(cidrs: readonly string[]): readonly CidrRange[] {
  return cidrs.map((cidr) => rangeWithout({ cidr, except: [] }, [])).filter((range) => range !== undefined);
}

/** The pods that are held, and nothing that is no pod: host endpoints have no namespace. */
function heldPods(model: Model): string {
  if (model.denyScope === DenyScope.DeclaredNamespaces) {
    const names = heldNamespaces(model).map(({ name }) => quoted(name));
    return `${namespaceLabel} in {${names.join(", ")}}`;
  }
  return `has(${namespaceLabel}) && ${namespaceLabel} not in {${model.exempt.map(quoted).join(", ")}}`;
}

function metadataDeny(model: Model): DraftDocument {
  // Calico keeps IPv4 and IPv6 apart: a rule is for one family
  const rules = [
    metadataCidrs.filter((cidr) => !cidr.includes(":")),
    metadataCidrs.filter((cidr) => cidr.includes(":")),
  ];
  return globalPolicy(
    "metadata-deny",
    guardTier.name,
    "deny-cloud-metadata",
    {},
    {
      order: 1,
      selector: heldPods(model),
      types: ["Egress"],
      egress: rules.map((nets) => ({ action: "Deny", destination: { nets } })),
    },
  );
}

/** In the tier that Kubernetes policies are in, after all of them: what none of them allows is dropped. */
function defaultDeny(model: Model): DraftDocument {
  return globalPolicy(
    "default-deny",
    "default",
    "default-deny-all",
    {},
    {
      order: 1_000_000,
      selector: heldPods(model),
      types: ["Ingress", "Egress"],
    },
  );
}

/** Final, in the guard tier: no policy that a tenant writes opens its namespace to another tenant. */
function tenantBoundary(model: Model, namespace: string): readonly DraftDocument[] {
  const closed = closedNeighbours(model, namespace);
  if (closed.length === 0) return [];
  return [
    globalPolicy(
      "flows",
      guardTier.name,
      `${namespace}.deny-other-tenants`,
      {},
      {
        order: 10,
        selector: allOf([[namespaceLabel, namespace]]),
        types: ["Ingress"],
        ingress: [{ action: "Deny", source: { selector: `${namespaceLabel} in {${closed.map(quoted).join(", ")}}` } }],
      },
    ),
  ];
}

/** In the guard tier, so that no allow comes before it; pods and known nodes pass on. */
function externalDeny(model: Model, workload: ModelWorkload): DraftDocument {
  const home: Subject = { kind: "workload", workload };
  const nodes = model.nodeCidrs.length === 0 ? {} : { notNets: model.nodeCidrs };
  return globalPolicy(
    "flows",
    guardTier.name,
    `${workload.namespace}.deny-external-to-${workload.name}`,
    {},
    {
      order: 10,
      selector: subjectSelector(home, true),
      types: ["Ingress"],
      ingress: [{ action: "Deny", source: { notSelector: noPods, ...nodes } }],
    },
  );
}

function dnsDocuments(model: Model): readonly DraftDocument[] {
  const { dns } = model;
  const servers = { selector: allOf([[namespaceLabel, dns.namespace], ...Object.entries(dns.labels)]) };
  const both = (rule: Plain): readonly Plain[] =>
    ["UDP", "TCP"].map((protocol) => ({ action: "Allow", protocol, ...rule }));
  const cache = dns.nodeLocalCache;
  const nodes =
    model.nodeCidrs.length === 0 ? [] : both({ source: { nets: model.nodeCidrs }, destination: { ports: [dns.port] } });
  return [
    globalPolicy(
      "dns",
      flowTier.name,
      "allow-dns-ingress",
      {},
      {
        order: 10,
        selector: servers.selector,
        types: ["Ingress"],
        ingress: [...both({ source: { selector: noPods }, destination: { ports: [dns.port] } }), ...nodes],
      },
    ),
    globalPolicy(
      "dns",
      flowTier.name,
      "allow-dns-egress",
      {},
      {
        order: 10,
        selector: heldPods(model),
        types: ["Egress"],
        egress: [
          ...both({ destination: { ...servers, ports: [dns.port] } }),
          ...(cache === undefined
            ? []
            : both({ destination: { nets: [`${cache}/${cache.includes(":") ? 128 : 32}`], ports: [53] } })),
        ],
      },
    ),
  ];
}

function groupDocuments(model: Model, group: PolicyGroup): readonly DraftDocument[] {
  return bySubject(group.halves).map(({ subject, halves }): DraftDocument => {
    const home = namespaceOf(subject);
    const own = subject.kind === "workload" ? subject.workload.name : "namespace";
    const isApplication = group.group.kind === "application";
    const name = isApplication ? group.name : `${group.name}-${own}`;
    const stage: Stage = isApplication ? "flows" : "platform";
    const rules = allowRules(model, halves);
    // a rule for addresses outside the cluster has to leave pods out, which only a global policy can say
    const isGlobal = halves.some((half) => rangesOf(model, half.peer)?.isWorld === true);
    const draft = isGlobal
      ? globalPolicy(stage, flowTier.name, `${home}.${name}`, flowAnnotations(halves), {
          order: 100,
          selector: subjectSelector(subject, true),
          ...rules,
        })
      : namespacedPolicy(stage, home, name, flowAnnotations(halves), {
          order: 100,
          selector: subjectSelector(subject, false),
          ...rules,
        });
    return group.group.kind === "service" ? { ...draft, service: group.group.service } : draft;
  });
}

function allowRules(model: Model, halves: readonly Half[]): Plain {
  const rules = (direction: "ingress" | "egress"): readonly Plain[] =>
    rulesOf(
      halves.filter((half) => half.direction === direction),
      (peer) => peer.kind,
    ).flatMap(({ peers, ports }) => peers.flatMap((peer) => peerRules(model, peer, ports, direction)));
  const [ingress, egress] = [rules("ingress"), rules("egress")];
  return {
    types: [...(ingress.length > 0 ? ["Ingress"] : []), ...(egress.length > 0 ? ["Egress"] : [])],
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** One rule for each protocol: a Calico rule has one. */
function peerRules(
  model: Model,
  peer: ModelPeer,
  ports: readonly PortRange[],
  direction: "ingress" | "egress",
): readonly Plain[] {
  const protocols = [...new Set(ports.map((port) => port.protocol))];
  return peerEntities(model, peer).flatMap((entity) =>
    protocols.map((protocol) => {
      const numbers = ports.filter((port) => port.protocol === protocol).map(portItem);
      const sides =
        direction === "ingress"
          ? { source: entity, destination: { ports: numbers } }
          : { destination: { ...entity, ports: numbers } };
      return { action: "Allow", protocol: protocol as string, ...sides };
    }),
  );
}

function peerEntities(model: Model, peer: ModelPeer): readonly Plain[] {
  const addresses = rangesOf(model, peer);
  if (addresses !== undefined) {
    return addresses.ranges.map(({ cidr, except }) => ({
      nets: [cidr],
      ...(except.length === 0 ? {} : { notNets: except }),
      ...(addresses.isWorld ? { notSelector: noPods } : {}),
    }));
  }
  if (peer.kind === "namespace") return [{ namespaceSelector: nameIs(peer.namespace.name) }];
  if (peer.kind !== "workload") throw new RangeError(`no Calico peer for ${peer.kind}`);
  return [{ namespaceSelector: nameIs(peer.workload.namespace), selector: workloadSelector(peer.workload) }];
}

function nameIs(namespace: string): string {
  return `projectcalico.org/name == ${quoted(namespace)}`;
}

/** Labels and, where it is declared, the service account, which Calico sets as a label that nobody else can set. */
function workloadSelector(workload: ModelWorkload): string {
  const account: [string, string][] =
    workload.serviceAccount === undefined ? [] : [[serviceAccountLabel, workload.serviceAccount]];
  return allOf([...Object.entries(workload.labels), ...account]);
}

function subjectSelector(subject: Subject, isGlobal: boolean): string {
  const home: [string, string][] = [[namespaceLabel, namespaceOf(subject)]];
  const own = subject.kind === "workload" ? workloadSelector(subject.workload) : "all()";
  if (!isGlobal) return own;
  return subject.kind === "workload" ? `${allOf(home)} && ${own}` : allOf(home);
}

function allOf(labels: readonly (readonly [string, string])[]): string {
  return labels.map(([key, value]) => `${key} == ${quoted(value)}`).join(" && ");
}

/** Label values hold no quotes. */
function quoted(value: string): string {
  return `'${value}'`;
}

function portItem(port: PortRange): number | string {
  return port.from === port.to ? port.from : `${port.from}:${port.to}`;
}

function tier({ name, order }: { name: string; order: number }): DraftDocument {
  return {
    stage: "metadata-deny",
    object: {
      apiVersion: "projectcalico.org/v3",
      kind: "Tier",
      metadata: { name, labels: managedByLabel },
      spec: { order, defaultAction: "Pass" },
    },
  };
}

/** Policies of a tier other than `default` carry its name, as Calico asks for. */
function nameInTier(tierName: string, name: string): string {
  return tierName === "default" ? name : `${tierName}.${name}`;
}

function metadataOf(name: string, annotations: Readonly<Record<string, string>>): PlannedObject["metadata"] {
  return { name, labels: managedByLabel, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}

function globalPolicy(
  stage: Stage,
  tierName: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return {
    stage,
    object: {
      apiVersion: "projectcalico.org/v3",
      kind: "GlobalNetworkPolicy",
      metadata: metadataOf(nameInTier(tierName, name), annotations),
      spec: { tier: tierName, ...spec },
    },
  };
}

function namespacedPolicy(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return {
    stage,
    object: {
      apiVersion: "projectcalico.org/v3",
      kind: "NetworkPolicy",
      metadata: { ...metadataOf(nameInTier(flowTier.name, name), annotations), namespace },
      spec: { tier: flowTier.name, ...spec },
    },
  };
}
