import type { MetadataEndpoint, Peer, Workload } from "../../../reachability";
import { clusterDnsOf, metadataEndpoints, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import {
  causeOf,
  describeWorkload,
  freshPod,
  isExempt,
  isUnplaced,
  list,
  namespaceNames,
  namespaceSubject,
  sampleFlow,
  sortedWorkloads,
  workloadSubject,
} from "../../subjects";
import type { Cause } from "../../subjects";
import type { Certainty, Finding, Rule, RuleContext, Subject } from "../../types";

/**
 * Every address at which a cloud hands out metadata is closed, on every protocol and port, to every workload and to a
 * new pod of every namespace. Tier 0 and pods on the host network are exempt and reported as exempt: to every
 * enforcer a pod on the host network is the node.
 *
 * The address is closed as a whole because a metadata service may be proxied on any port (policy semantics 3f). The one
 * standing exception is an address that is also the cloud's DNS (168.63.129.16): port 53 of it may stay open for the
 * cluster's DNS pods.
 */
export const metadataEndpointsClosed: Rule = {
  id: "metadata-endpoints-closed",
  title: "Pods can reach cloud metadata endpoints",
  severity: "critical",
  why: "Clouds hand credentials to any client that reaches an address on the node's link, so one compromised pod that can reach it gets the node's identity.",
  description:
    "No pod outside tier 0 and the host network reaches a metadata endpoint of any cloud, over IPv4, IPv6 or an IPv6 " +
    "form of an IPv4 address, on any protocol and port; decided by computed reachability.",
  remediation:
    "Add a default deny for egress, and leave the metadata addresses out of every rule that names the internet: " +
    "`except` in ipBlock and toCIDRSet, or an explicit egressDeny that is registered before the allows.",
  controls: [
    controls.mitreInstanceMetadata,
    controls.nistBoundaryProtection,
    controls.nistDenyByDefault,
    controls.pciOutbound,
    controls.kubernetesMetadata,
  ],
  check: checkMetadataEndpoints,
};

/** Workloads and new pods of one namespace that reach the same endpoints for the same cause. */
interface Group {
  readonly certainty: Certainty;
  readonly open: readonly OpenEndpoint[];
  /** By their keys. */
  readonly causes: Map<string, Cause>;
  readonly namespace: string;
  freshPods: boolean;
  readonly workloads: Workload[];
}

interface OpenEndpoint {
  readonly endpoint: MetadataEndpoint;
  readonly traffic: TrafficSet;
}

function* checkMetadataEndpoints(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const namespace of namespaceNames(snapshot)) {
    if (isExempt(context.tiers, namespace)) yield exemptNamespace(context, namespace);
  }
  const groups = new Map<string, Group>();
  for (const namespace of namespaceNames(snapshot)) {
    if (isExempt(context.tiers, namespace)) continue;
    addToGroups(groups, context, freshPod(namespace), namespace, undefined);
  }
  for (const workload of sortedWorkloads(snapshot)) {
    if (isExempt(context.tiers, workload.namespace) || isUnplaced(workload)) continue;
    if (workload.hostNetwork) yield exemptHostNetwork(context, workload);
    else {
      const peer: Peer = { kind: "workload", id: workload.id };
      addToGroups(groups, context, peer, workload.namespace, workload);
    }
  }
  for (const group of groups.values()) yield describeGroup(context, group);
}

function addToGroups(
  groups: Map<string, Group>,
  context: RuleContext,
  peer: Peer,
  namespace: string,
  workload: Workload | undefined,
): void {
  const { reachability, standIns } = context;
  const definite: OpenEndpoint[] = [];
  const possible: OpenEndpoint[] = [];
  for (const endpoint of metadataEndpoints) {
    const traffic = reachability.traffic(peer, { kind: "address", address: endpoint.address });
    const tolerated = toleratedTraffic(endpoint, workload);
    const allowed = traffic.allowed.subtract(tolerated);
    const maybe = traffic.possible.subtract(tolerated);
    if (!allowed.isEmpty()) definite.push({ endpoint, traffic: allowed });
    else if (!maybe.isEmpty()) possible.push({ endpoint, traffic: maybe });
  }
  const certainty: Certainty = definite.length > 0 ? "definite" : "possible";
  const open = definite.length > 0 ? definite : possible;
  if (open.length === 0) return;

  const who = workload === undefined ? "every pod" : describeWorkload(workload, standIns);
  const causes = new Map<string, Cause>();
  for (const { endpoint, traffic } of withoutForms(open)) {
    const destination: Peer = { kind: "address", address: endpoint.address };
    const cause = causeOf(reachability, sampleFlow(peer, destination, traffic, endpoint.ports), "egress", who);
    causes.set(cause.key, cause);
  }
  const signature = open.map((item) => `${item.endpoint.address}=${item.traffic.id}`).join();
  // what is only possible has one cause, that something is not known, whichever rule may let it through
  const key = JSON.stringify([namespace, certainty, signature, ...(certainty === "definite" ? causes.keys() : [])]);
  const group = groups.get(key) ?? {
    certainty,
    open,
    causes: new Map<string, Cause>(),
    namespace,
    freshPods: false,
    workloads: [],
  };
  groups.set(key, group);
  for (const [name, cause] of causes) if (!group.causes.has(name)) group.causes.set(name, cause);
  if (workload === undefined) group.freshPods = true;
  else group.workloads.push(workload);
}

const dnsTraffic = TrafficSet.ports("UDP", 53).union(TrafficSet.ports("TCP", 53));

/** An endpoint's standing exception, for the cluster's own DNS pods. */
function toleratedTraffic(endpoint: MetadataEndpoint, workload: Workload | undefined): TrafficSet {
  if (workload === undefined || endpoint.standingException === undefined || clusterDnsOf(workload) === undefined) {
    return TrafficSet.none();
  }
  return endpoint.standingException.reduce(
    (sum, item) => sum.union(TrafficSet.ports(item.protocol, item.port)),
    TrafficSet.none(),
  );
}

function describeGroup(context: RuleContext, group: Group): Finding {
  const { snapshot } = context.reachability;
  const only = group.workloads[0];
  const subject: Subject =
    group.freshPods || only === undefined ? namespaceSubject(snapshot, group.namespace) : workloadSubject(only);
  const can = group.certainty === "definite" ? "can reach" : "can possibly reach";
  const causes = [...group.causes.values()];
  const sources = causes.flatMap((cause) => cause.source ?? []);
  return {
    id: metadataEndpointsClosed.id,
    // a resolver at the same address hands out no credentials
    severity: group.open.every(({ traffic }) => traffic.subtract(dnsTraffic).isEmpty())
      ? "medium"
      : metadataEndpointsClosed.severity,
    certainty: group.certainty,
    subject,
    message: `${describeWho(context, group)} ${can} ${describeEndpoints(group.open)}`,
    because: causes.map((cause) => cause.text),
    fix:
      sources.length === 0
        ? "Add a default deny for egress to the namespace, and leave the metadata addresses out of rules that name the internet."
        : "Leave the metadata addresses out of that rule (`except`), or register an explicit deny for them before it.",
    controls: metadataEndpointsClosed.controls,
    ...(sources.length === 0 ? {} : { causes: sources }),
  };
}

function describeWho(context: RuleContext, group: Group): string {
  const names = group.workloads.map((workload) => describeWorkload(workload, context.standIns));
  if (!group.freshPods) return list(names);
  const any = `Any pod in namespace ${group.namespace}`;
  return names.length === 0 ? any : `${any}, among them ${list(names)},`;
}

/** Other forms of an address only count where the plain one is closed. */
function withoutForms(open: readonly OpenEndpoint[]): OpenEndpoint[] {
  const addresses = new Set(open.map((item) => item.endpoint.address));
  return open.filter(({ endpoint }) => endpoint.formOf === undefined || !addresses.has(endpoint.formOf));
}

function describeEndpoints(open: readonly OpenEndpoint[]): string {
  const byTraffic = new Map<TrafficSet, string[]>();
  for (const { endpoint, traffic } of withoutForms(open)) {
    const cloud = endpoint.formOf === undefined ? endpoint.cloud : `a form of ${endpoint.formOf}`;
    const shortCloud = cloud.split(", ").slice(0, 3).join(", ") + (cloud.split(", ").length > 3 ? ", …" : "");
    byTraffic.set(traffic, [...(byTraffic.get(traffic) ?? []), `${endpoint.address} (${shortCloud})`]);
  }
  return [...byTraffic].map(([traffic, names]) => `${list(names, 4)} on ${describeTraffic(traffic)}`).join("; ");
}

function describeTraffic(traffic: TrafficSet): string {
  return traffic.isAll() ? "every protocol and port" : traffic.toString();
}

function exemptNamespace(context: RuleContext, namespace: string): Finding {
  const { snapshot } = context.reachability;
  return {
    id: metadataEndpointsClosed.id,
    severity: "info",
    certainty: "definite",
    subject: namespaceSubject(snapshot, namespace),
    message: `Namespace ${namespace} is tier 0: its pods may reach cloud metadata`,
    because: [`${namespace} is in the list of exempt namespaces`],
    fix: "Nothing to do while the namespace belongs to the platform; take it off the list to have it checked.",
    controls: metadataEndpointsClosed.controls,
    exempt: true,
  };
}

function exemptHostNetwork(context: RuleContext, workload: Workload): Finding {
  return {
    id: metadataEndpointsClosed.id,
    severity: "info",
    certainty: "definite",
    subject: workloadSubject(workload),
    message: `${describeWorkload(workload, context.standIns)} is on the host network: no pod policy denies it cloud metadata`,
    because: ["spec.hostNetwork is true, so the enforcer sees the node"],
    fix: "Take the pod off the host network if it does not need it; otherwise block the address on the node.",
    controls: [...metadataEndpointsClosed.controls, controls.cisMinimiseHostNetwork, controls.nsaHostNetwork],
    exempt: true,
  };
}
