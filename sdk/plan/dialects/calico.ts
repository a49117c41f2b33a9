/**
 * Calico: Tier, GlobalNetworkPolicy and NetworkPolicy (`projectcalico.org/v3`, Calico 3.30 and newer).
 *
 * Two tiers of our own pass on whatever they do not decide, so an allow never isolates: the guard tier, before every
 * other, holds the deny of metadata endpoints; the flow tier, between the cluster's admin tier and `default`, holds the
 * allows. The default deny stands in `default`, last, so that policies of others still count beside ours.
 *
 * In mode `audit` every policy has its staged kind, which Calico evaluates and reports and does not enforce.
 */
import { metadataCidrs } from "../addresses";
import { flowAnnotations, metadataAnnotations } from "../annotations";
import { PolicyMode } from "../declaration";
import type { DraftDocument, PlannedObject, Stage } from "../documents";
import { managedByLabel, stagedPrefix } from "../documents";
import { namespacesWithoutDns } from "../dns-limits";
import type { Coverage, Half, PolicyGroup, Subject } from "../halves";
import { bySubject, coverage, externallyDenied, groupHalves, halvesOf, modeOf, namespaceOf, rulesOf } from "../halves";
import { metadataServices } from "../metadata-services";
import type { Model, ModelPeer, ModelWorkload, PortRange } from "../model";
import { closedNeighbours } from "../tenants";
import type { Shortfalls } from "../unsupported";
import { versionAtLeast } from "../versions";
import { addressPeer, isSayable, nodeDnsCidrs } from "./address-peers";

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
  const halves = halvesOf(model.flows).filter((half) => isSayable(model, half, shortfalls, "Open-source Calico"));
  const exceptions = metadataExceptions(halves);
  const allows = halves.filter((half) => half.peer.kind !== "metadata");
  const modes = Object.values(PolicyMode);
  return withStagedKinds(model, [
    tier(guardTier),
    { ...tier(flowTier), after: [guardTier.name] },
    ...exceptions,
    ...modes.flatMap((mode) => metadataDeny(model, mode, exceptions)),
    ...dnsDocuments(model),
    ...groupHalves(allows).flatMap((group) => groupDocuments(model, group)),
    ...model.tenants.flatMap((tenant) => tenant.namespaces.flatMap((namespace) => tenantBoundary(model, namespace))),
    ...externallyDenied(model).map((workload) => externalDeny(model, workload)),
    ...modes.flatMap((mode) => defaultDeny(model, mode)),
  ]);
}

const stagedKinds: Readonly<Record<string, string>> = {
  GlobalNetworkPolicy: "StagedGlobalNetworkPolicy",
  NetworkPolicy: "StagedNetworkPolicy",
};

/** A policy for one namespace has the mode of that namespace; a clusterwide one says for which mode it is. */
function withStagedKinds(model: Model, drafts: readonly CalicoDraft[]): readonly DraftDocument[] {
  return drafts.map(({ mode, ...draft }): DraftDocument => {
    const { object, home } = draft;
    const own = mode ?? (home === undefined ? PolicyMode.Enforce : modeOf(model, home));
    const kind = own === PolicyMode.Audit ? (stagedKinds[object.kind] ?? object.kind) : object.kind;
    return kind === object.kind ? draft : { ...draft, object: { ...object, kind } };
  });
}

/** Staged and enforced policies for namespaces by their mode may stand side by side: the staged one says so in its name. */
function byMode(draft: DraftDocument, mode: PolicyMode, after?: readonly string[]): CalicoDraft {
  const { metadata, spec } = draft.object;
  const tierName = (spec as Plain)["tier"];
  const prefix = tierName === "default" ? "" : `${String(tierName)}.`;
  const name =
    mode === PolicyMode.Audit ? `${prefix}${stagedPrefix}${metadata.name.slice(prefix.length)}` : metadata.name;
  const object = { ...draft.object, metadata: { ...metadata, name } };
  return { ...draft, object, mode, ...(after === undefined ? {} : { after }) };
}

/** A document that knows for which mode it is. */
interface CalicoDraft extends DraftDocument {
  /** The mode that it is for, where it covers namespaces by their mode. */
  readonly mode?: PolicyMode;
}

/** Pods of namespaces, and nothing that is no pod: host endpoints have no namespace. */
function covered({ kind, names }: Coverage): string {
  const list = `{${names.map(quoted).join(", ")}}`;
  return kind === "only"
    ? `${namespaceLabel} in ${list}`
    : `has(${namespaceLabel}) && ${namespaceLabel} not in ${list}`;
}

/** In the guard tier before the deny: the credential services that single workloads may reach. */
function metadataExceptions(halves: readonly Half[]): readonly CalicoDraft[] {
  return bySubject(halves.filter((half) => half.peer.kind === "metadata")).map(({ subject, halves: own }) => {
    const home = namespaceOf(subject);
    const name = `${home}.allow-${subject.kind === "workload" ? subject.workload.name : "namespace"}-metadata`;
    // Calico keeps IPv4 and IPv6 apart: a rule is for one family
    const egress = own.flatMap(({ peer, ports }) => {
      if (peer.kind !== "metadata") return [];
      return metadataServices[peer.service].ranges.map(({ cidr }) => ({
        action: "Allow",
        protocol: "TCP",
        destination: { nets: [cidr], notSelector: noPods, ports: ports.map(portItem) },
      }));
    });
    const draft = globalPolicy(
      "metadata-deny",
      guardTier.name,
      name,
      { ...flowAnnotations(own), ...metadataAnnotations(own) },
      {
        order: 0,
        selector: subjectSelector(subject, true),
        types: ["Egress"],
        egress,
      },
    );
    return { ...draft, home, after: [guardTier.name] };
  });
}

function metadataDeny(model: Model, mode: PolicyMode, exceptions: readonly DraftDocument[]): readonly CalicoDraft[] {
  const own = coverage(model, mode);
  if (own === undefined) return [];
  // Calico keeps IPv4 and IPv6 apart: a rule is for one family
  const rules = [
    metadataCidrs.filter((cidr) => !cidr.includes(":")),
    metadataCidrs.filter((cidr) => cidr.includes(":")),
  ];
  const draft = globalPolicy(
    "metadata-deny",
    guardTier.name,
    "deny-cloud-metadata",
    {},
    {
      order: 1,
      selector: covered(own),
      types: ["Egress"],
      egress: rules.map((nets) => ({ action: "Deny", destination: { nets, notSelector: noPods } })),
    },
  );
  return [byMode(draft, mode, [guardTier.name, ...exceptions.map(({ object }) => object.metadata.name)])];
}

/** In the tier that Kubernetes policies are in, after all of them: what none of them allows is dropped. */
function defaultDeny(model: Model, mode: PolicyMode): readonly CalicoDraft[] {
  const own = coverage(model, mode);
  if (own === undefined) return [];
  const draft = globalPolicy(
    "default-deny",
    "default",
    "default-deny-all",
    {},
    {
      order: 1_000_000,
      selector: covered(own),
      types: ["Ingress", "Egress"],
    },
  );
  return [byMode(draft, mode)];
}

/** Final, in the guard tier: no policy that a tenant writes opens its namespace to another tenant. */
function tenantBoundary(model: Model, namespace: string): readonly CalicoDraft[] {
  const closed = closedNeighbours(model, namespace);
  if (closed.length === 0) return [];
  return [
    inNamespace(
      namespace,
      "flows",
      guardTier.name,
      "deny-other-tenants",
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
function externalDeny(model: Model, workload: ModelWorkload): CalicoDraft {
  const home: Subject = { kind: "workload", workload };
  const nodes = model.nodeCidrs.length === 0 ? {} : { notNets: model.nodeCidrs };
  return inNamespace(
    workload.namespace,
    "flows",
    guardTier.name,
    `deny-external-to-${workload.name}`,
    {},
    {
      order: 10,
      selector: subjectSelector(home, true),
      types: ["Ingress"],
      ingress: [{ action: "Deny", source: { notSelector: noPods, ...nodes } }],
    },
  );
}

function dnsDocuments(model: Model): readonly CalicoDraft[] {
  const { dns } = model;
  const servers = { selector: allOf([[namespaceLabel, dns.namespace], ...Object.entries(dns.labels)]) };
  const both = (rule: Plain): readonly Plain[] =>
    ["UDP", "TCP"].map((protocol) => ({ action: "Allow", protocol, ...rule }));
  const cache = nodeDnsCidrs(model).flatMap((cidr) =>
    both({ destination: { nets: [cidr], notSelector: noPods, ports: [53] } }),
  );
  const nodes =
    model.nodeCidrs.length === 0
      ? []
      : both({ source: { nets: model.nodeCidrs, notSelector: noPods }, destination: { ports: [dns.port] } });
  const ingress = globalPolicy(
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
  );
  const egress = Object.values(PolicyMode).flatMap((mode): CalicoDraft[] => {
    const own = coverage(model, mode, namespacesWithoutDns(model));
    if (own === undefined) return [];
    const draft = globalPolicy(
      "dns",
      flowTier.name,
      "allow-dns-egress",
      {},
      {
        order: 10,
        selector: covered(own),
        types: ["Egress"],
        egress: [...both({ destination: { ...servers, ports: [dns.port] } }), ...cache],
      },
    );
    return [byMode(draft, mode)];
  });
  const isEnforced = coverage(model, PolicyMode.Enforce) !== undefined;
  return [{ ...ingress, mode: isEnforced ? PolicyMode.Enforce : PolicyMode.Audit }, ...egress];
}

/**
 * A rule for addresses has to leave pods out, which only a global policy can say (in a namespaced one `notSelector` is
 * about the own namespace); so what a subject may do by address stands in a policy of its own, and a flow that is added
 * to either moves nothing.
 */
function groupDocuments(model: Model, group: PolicyGroup): readonly CalicoDraft[] {
  const isApplication = group.group.kind === "application";
  const stage: Stage = isApplication ? "flows" : "platform";
  return bySubject(group.halves).flatMap(({ subject, halves }): CalicoDraft[] => {
    const home = namespaceOf(subject);
    const own = subject.kind === "workload" ? subject.workload.name : "namespace";
    const name = isApplication ? group.name : `${group.name}-${own}`;
    const specFor = (isGlobal: boolean, some: readonly Half[]): Plain => ({
      order: 100,
      selector: subjectSelector(subject, isGlobal),
      ...allowRules(model, some),
    });
    const byAddress = halves.filter((half) => addressPeer(model, half.peer, half.direction) !== undefined);
    const bySelector = halves.filter((half) => !byAddress.includes(half));
    const drafts: CalicoDraft[] = [];
    if (bySelector.length > 0) {
      drafts.push(namespacedPolicy(stage, home, name, flowAnnotations(bySelector), specFor(false, bySelector)));
    }
    if (byAddress.length > 0) {
      drafts.push(inNamespace(home, stage, flowTier.name, name, flowAnnotations(byAddress), specFor(true, byAddress)));
    }
    const { group: kind } = group;
    return drafts.map((draft) => ({ ...draft, home, ...(kind.kind === "service" ? { service: kind.service } : {}) }));
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
  return peerEntities(model, peer, direction).flatMap((entity) =>
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

function peerEntities(model: Model, peer: ModelPeer, direction: Half["direction"]): readonly Plain[] {
  const addresses = addressPeer(model, peer, direction);
  if (addresses !== undefined) {
    return addresses.ranges.map(({ cidr, except }) => ({
      nets: [cidr],
      ...(except.length === 0 ? {} : { notNets: except }),
      notSelector: noPods,
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

/** Selects the pods of a subject. */
export function subjectSelector(subject: Subject, isGlobal: boolean): string {
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

/** A global policy for the pods of one namespace, which its name says. */
function inNamespace(
  namespace: string,
  stage: Stage,
  tierName: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): CalicoDraft {
  return { ...globalPolicy(stage, tierName, `${namespace}.${name}`, annotations, spec), home: namespace };
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
