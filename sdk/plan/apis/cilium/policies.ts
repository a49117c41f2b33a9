/**
 * Cilium: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`).
 *
 * `enableDefaultDeny` is always written out: false on what allows, true on the default deny only.
 * Label keys carry the `k8s:` source, so that no label of another source matches. What each field does was measured on a
 * real agent.
 */
import { ciliumNamespaceLabel } from "../../../reachability/model/namespace-labels";
import { metadataCidrs } from "../../addresses";
import { flowAnnotations, reviewAnnotations } from "../../annotations";
import { DenyScope, PolicyMode } from "../../declaration";
import type { DraftDocument } from "../../documents";
import { modeAnnotation } from "../../documents";
import type { Coverage, Half, PolicyGroup } from "../../halves";
import {
  bySubject,
  coverage,
  deniedCoverage,
  externallyDenied,
  groupHalves,
  halvesOf,
  heldNamespaces,
  modeOf,
  namespaceOf,
} from "../../halves";
import type { Model, ModelWorkload } from "../../model";
import { closedNeighbours } from "../../tenants/neighbours";
import type { Shortfalls } from "../../unsupported";
import type { Plain } from "../writer";
import { dnsDocuments, everyName } from "./dns";
import { byFlow, canLog, logged } from "./log";
import { noteAudit, noteHostNetwork, noteNewPatterns } from "./notes";
import { clusterwide, namespaced } from "./objects";
import { allows, allowSpec, covered, ownLabels, subjectSelector } from "./rules";

/** Above this, one object would come near the size limit of etcd; scraping is then written per namespace. */
const mostSpecs = 200;

/** Writes the policies of a declaration for Cilium. */
export function ciliumDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  noteHostNetwork(model, shortfalls);
  noteNewPatterns(model, shortfalls);
  noteAudit(model, shortfalls);
  const groups = groupHalves(halvesOf(model.flows));
  const held = heldCoverage(model);
  const denied = deniedCoverage(model, held);
  return [
    ...(denied === undefined ? [] : [clusterwide("metadata-deny", "deny-cloud-metadata", metadataDeny(denied))]),
    ...dnsDocuments(model),
    clusterwide("platform", "allow-cilium-health", ciliumHealth()),
    ...groups.flatMap((group) => groupDocuments(model, group)),
    ...model.tenants.flatMap((tenant) => tenant.namespaces.flatMap((namespace) => tenantBoundary(model, namespace))),
    ...heldNamespaces(model, PolicyMode.Audit).map((namespace) => auditAllowAll(model, namespace.name)),
    ...externallyDenied(model)
      .filter((workload) => modeOf(model, workload.namespace) === PolicyMode.Enforce)
      .map(externalDeny),
    ...(held === undefined ? [] : [clusterwide("default-deny", "default-deny-all", defaultDeny(held))]),
  ];
}

/** Namespaces that are enforced, and those that are audited: there `audit-allow-all` lets pass what nothing allows. */
function heldCoverage(model: Model): Coverage | undefined {
  const observed = heldNamespaces(model, PolicyMode.Observe).map(({ name }) => name);
  if (model.mode === PolicyMode.Enforce) return coverage(model, undefined, observed);
  // who is not declared has no such policy
  return coverage({ ...model, denyScope: DenyScope.DeclaredNamespaces }, undefined, observed);
}

/**
 * Lets everything pass that no explicit deny stops, and says so. What the default deny would drop has the match type "all",
 * which no rule for a peer or a port has; the mark in Hubble's `policy_log` and the name in `egress_allowed_by` and
 * `ingress_allowed_by` stand on every flow of the namespace, declared ones too (measured on Cilium 1.20.2).
 */
function auditAllowAll(model: Model, namespace: string): DraftDocument {
  const spec = {
    description: "Mode audit: lets pass what no other policy allows, and marks it",
    endpointSelector: {},
    enableDefaultDeny: allows,
    ...(canLog(model) ? logged("would-deny") : {}),
    ingress: [{ fromEntities: ["all"] }],
    egress: [{ toEntities: ["all"] }, ...everyName(model, namespace)],
  };
  const draft = namespaced("flows", namespace, "audit-allow-all", { [modeAnnotation]: PolicyMode.Audit }, spec);
  return { ...draft, servesFlows: false };
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
  if (modeOf(model, namespace) !== PolicyMode.Enforce) return [];
  const values = closedNeighbours(model, namespace);
  if (values.length === 0) return [];
  const neighbours = [{ matchExpressions: [{ key: ciliumNamespaceLabel, operator: "In", values }] }];
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

function groupDocuments(model: Model, group: PolicyGroup): readonly DraftDocument[] {
  switch (group.group.kind) {
    case "service":
      return [serviceDocument(model, group, group.group.service)];
    case "metrics":
      return metricsDocuments(model, group);
    case "application":
      return [applicationDocument(model, group)];
  }
}

function serviceDocument(model: Model, group: PolicyGroup, service: string): DraftDocument {
  const specs = bySubject(group.halves).flatMap(({ subject, halves }) =>
    byFlow(model, halves, (own, mark) =>
      allowSpec(`Tier 1: what ${service} needs`, subjectSelector(subject, true), own, mark),
    ),
  );
  return { ...withAnnotations(clusterwide("platform", group.name, ...specs), group.halves), service };
}

/** Targets only, on their own ports: a selector for every pod would isolate tier 0. */
function metricsDocuments(model: Model, group: PolicyGroup): readonly DraftDocument[] {
  const description = "Declared scrapers reach declared metrics ports";
  const targets = bySubject(group.halves);
  const specsOf = ({ subject, halves }: (typeof targets)[number], isClusterwide: boolean): readonly Plain[] =>
    byFlow(model, halves, (own, mark) => allowSpec(description, subjectSelector(subject, isClusterwide), own, mark));
  const specs = targets.flatMap((target) => specsOf(target, true));
  if (specs.length <= mostSpecs) {
    return [withAnnotations(clusterwide("platform", group.name, ...specs), group.halves)];
  }
  const byNamespace = new Map<string, Plain[]>();
  for (const target of targets) {
    const home = namespaceOf(target.subject);
    byNamespace.set(home, [...(byNamespace.get(home) ?? []), ...specsOf(target, false)]);
  }
  const review = reviewAnnotations(group.halves);
  return [...byNamespace].map(([namespace, own]) => namespaced("platform", namespace, group.name, review, ...own));
}

function applicationDocument(model: Model, group: PolicyGroup): DraftDocument {
  const [first] = group.halves;
  if (first === undefined) throw new RangeError("a policy group has at least one half");
  const specs = byFlow(model, group.halves, (own, mark) =>
    allowSpec(reasonsOf(own), subjectSelector(first.subject, false), own, mark),
  );
  return namespaced("flows", namespaceOf(first.subject), group.name, flowAnnotations(group.halves), ...specs);
}

function reasonsOf(halves: readonly Half[]): string {
  const reasons = [...new Set(halves.map((half) => half.flow.reason))];
  const [first = "", ...rest] = reasons;
  return rest.length === 0 ? first : `${first}, and ${rest.length} more reasons`;
}

/** When to look at what a shared service may do; who may do it and why is said of its workloads one by one. */
function withAnnotations(draft: DraftDocument, halves: readonly Half[]): DraftDocument {
  const annotations = reviewAnnotations(halves);
  if (Object.keys(annotations).length === 0) return draft;
  return { ...draft, object: { ...draft.object, metadata: { ...draft.object.metadata, annotations } } };
}
