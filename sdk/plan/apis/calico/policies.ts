/**
 * Calico: Tier, GlobalNetworkPolicy and NetworkPolicy (`projectcalico.org/v3`, Calico 3.30 and newer).
 *
 * Two tiers of our own pass on whatever they do not decide, so an allow never isolates: the guard tier, before every
 * other, holds the deny of metadata endpoints; the flow tier, between the cluster's admin tier and `default`, holds the
 * allows. The default deny is in `default`, last, so that policies of others still count beside ours.
 *
 * In mode `audit` every policy has its staged kind, which Calico evaluates and reports and does not enforce.
 */
import { metadataCidrs } from "../../addresses";
import { flowAnnotations, metadataAnnotations } from "../../annotations";
import { PolicyMode } from "../../declaration";
import { namespacesWithoutDns } from "../../dns-limits";
import type { DraftDocument, Stage } from "../../documents";
import type { Half, PolicyGroup, Subject } from "../../halves";
import { bySubject, coverage, externallyDenied, groupHalves, halvesOf, namespaceOf, withModes } from "../../halves";
import { metadataServices } from "../../metadata-services";
import type { Model, ModelWorkload } from "../../model";
import { closedNeighbours } from "../../tenants/neighbours";
import type { Shortfalls } from "../../unsupported";
import { versionAtLeast } from "../../versions";
import { addressPeer, isSayable, nodeDnsCidrs } from "../address-peers";
import type { Plain } from "../writer";
import type { CalicoDraft } from "./objects";
import { byMode, globalPolicy, inNamespace, namespacedPolicy, withStagedKinds } from "./objects";
import { allOf, allowRules, covered, namespaceLabel, noPods, portItem, quoted, subjectSelector } from "./rules";
import { flowTier, guardTier, tier } from "./tiers";

/** Writes the policies of a declaration for Calico. */
export function calicoDocuments(declared: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  // what is staged acts on nothing, so a namespace may have it while it is only observed
  const model = withModes(declared, (mode) => (mode === PolicyMode.Observe ? PolicyMode.Audit : mode));
  if (model.enforcerVersion !== undefined && !versionAtLeast(model.enforcerVersion, 3, 30)) {
    shortfalls.refuse(
      "enforcer-too-old",
      ["cluster", "enforcerVersion"],
      "The calico dialect writes tiers, which need Calico 3.30.",
      "Use Calico 3.30 or newer, or the kubernetes dialect.",
    );
  }
  const halves = halvesOf(model.flows).filter((half) => isSayable(model, half, shortfalls, "Open-source Calico"));
  const exceptions = metadataExceptions(halves);
  const allows = halves.filter((half) => half.peer.kind !== "metadata");
  const modes = writtenModes;
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

/** Enforced and staged policies. */
const writtenModes = [PolicyMode.Enforce, PolicyMode.Audit] as const;

/** In the guard tier before the deny: the credential services that single workloads may reach. */
function metadataExceptions(halves: readonly Half[]): readonly CalicoDraft[] {
  return bySubject(halves.filter((half) => half.peer.kind === "metadata")).map(({ subject, halves: own }) => {
    const home = namespaceOf(subject);
    const name = `allow-${subject.kind === "workload" ? subject.workload.name : "namespace"}-metadata`;
    // Calico keeps IPv4 and IPv6 apart: a rule is for one family
    const egress = own.flatMap(({ peer, ports }) => {
      if (peer.kind !== "metadata") return [];
      return metadataServices[peer.service].ranges.map(({ cidr }) => ({
        action: "Allow",
        protocol: "TCP",
        destination: { nets: [cidr], notSelector: noPods, ports: ports.map(portItem) },
      }));
    });
    const draft = inNamespace(
      home,
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
    return { ...draft, after: [guardTier.name] };
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
  const egress = writtenModes.flatMap((mode): CalicoDraft[] => {
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
