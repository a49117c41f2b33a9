/** Where pods ask for names: the cluster's DNS pods, a cache on their own node, or what their own spec names. */
import type { ClusterDns, Peer, Snapshot, Workload } from "../reachability";
import {
  clusterDnsOf,
  kubeDns,
  nodeLocalDnsAddress,
  nodeLocalDnsAddresses,
  openShiftDns,
  parseAddress,
} from "../reachability";
import { listOf, mapOf, textOf } from "./plain";
import { podSpecOf } from "./pod-specs";
import { anyWorkloadsWhere } from "./policy-rules";
import { list } from "./subjects";
import type { Certainty } from "./types";

/** A place that answers names, and the ports on which policies see the question. */
interface DnsServer {
  readonly peer: Peer;
  readonly ports: readonly number[];
}

/** Where questions go. */
export interface Resolver {
  /** One of these has to be reached. */
  readonly servers: readonly DnsServer[];
  /** The port of what policies have to let pass. */
  readonly port: number;
  /** What they are: `the pods k8s-app=kube-dns in kube-system`. */
  readonly name: string;
  /** Why questions go there and nowhere else; nothing for the cluster's DNS pods. */
  readonly because?: string;
  /** What lets them pass. */
  readonly fix: string;
  readonly certainty: Certainty;
}

const at = (address: string): DnsServer => ({ peer: { kind: "address", address }, ports: [kubeDns.port] });

/**
 * Where the pods of a workload ask, or those that nobody has started yet. Nothing where that is not known: the node's own
 * resolvers, or nameservers that cannot be read.
 */
export function resolverOf(workload: Workload | undefined, snapshot: Snapshot): Resolver | undefined {
  const spec = workload === undefined ? {} : podSpecOf(workload);
  const policy = spec["dnsPolicy"] ?? "ClusterFirst";
  if (policy === "None") return ownNameservers(listOf(mapOf(spec["dnsConfig"])["nameservers"]));
  if (policy !== "ClusterFirst" && policy !== "ClusterFirstWithHostNet") return undefined;
  return redirected(snapshot) ?? onTheNode(snapshot) ?? clusterDns(snapshot);
}

function ownNameservers(texts: readonly unknown[]): Resolver | undefined {
  const addresses = texts.flatMap((text) => {
    const address = textOf(text);
    return address === undefined || parseAddress(address) === undefined ? [] : [address];
  });
  if (addresses.length === 0 || addresses.length < texts.length) return undefined;
  const name = list(addresses);
  return {
    servers: addresses.map(at),
    port: kubeDns.port,
    name,
    because: "dnsPolicy None makes the pod ask the nameservers of its dnsConfig alone",
    fix: `Allow egress to ${name} on UDP and TCP 53.`,
    certainty: "definite",
  };
}

/** Pods on the client's node, where a CiliumLocalRedirectPolicy sends the questions. */
function redirected(snapshot: Snapshot): Resolver | undefined {
  for (const redirect of snapshot.redirects) {
    const sure = redirect.inForce === 0 ? undefined : isAboutDns(redirect.frontend, snapshot);
    const dnsPort = redirect.backendPorts[0]?.port;
    if (sure === undefined || dnsPort === undefined) continue;
    const pods = anyWorkloadsWhere(redirect.backend, snapshot).filter(
      ({ namespace, hostNetwork }) => namespace === redirect.namespace && !hostNetwork,
    );
    if (pods.length === 0) continue;
    const names = list(pods.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`));
    const [first] = pods;
    const labels = Object.entries(first?.labels ?? {}).map(([key, value]) => `${key}=${value}`);
    return {
      servers: pods.map(({ id }) => ({ peer: { kind: "workload", id }, ports: [dnsPort] })),
      port: dnsPort,
      name: names,
      because:
        `CiliumLocalRedirectPolicy ${redirect.namespace}/${redirect.name} sends what is asked of the cluster's DNS to ${names} ` +
        "on the pod's own node, and policies see that pod",
      fix:
        `Allow egress to the pods ${list(labels)} in ${redirect.namespace} on UDP and TCP 53, beside the DNS pods; ` +
        "a DNS rule (rules.dns) that names depend on belongs there as well.",
      certainty: redirect.inForce === 2 && sure ? "definite" : "possible",
    };
  }
  return undefined;
}

/** Whether a redirect is about DNS for certain (true), perhaps (false), or not at all. */
function isAboutDns(
  { service, address, ports }: Snapshot["redirects"][number]["frontend"],
  snapshot: Snapshot,
): boolean | undefined {
  if (ports.length > 0 && !ports.some(({ port }) => port === 53)) return undefined;
  const isDns = (each: Snapshot["services"][number]): boolean => {
    const selector = Object.entries(each.selector ?? {});
    return (
      selector.length > 0 &&
      snapshot.workloads.some(
        (workload) =>
          workload.namespace === each.namespace &&
          clusterDnsOf(workload) !== undefined &&
          selector.every(([key, value]) => workload.labels[key] === value),
      )
    );
  };
  if (service !== undefined) {
    if (service.namespace === "kube-system" && service.name === "kube-dns") return true;
    const known = snapshot.services.find(
      ({ namespace, name }) => namespace === service.namespace && name === service.name,
    );
    return known !== undefined && isDns(known) ? true : undefined;
  }
  // whether the kubelet names this address to pods is its own setting
  if (address === nodeLocalDnsAddress) return false;
  const holder = snapshot.services.find(({ clusterIps }) => address !== undefined && clusterIps.includes(address));
  return holder !== undefined && (isDns(holder) || holder.name === "kube-dns") ? true : undefined;
}

/**
 * NodeLocal DNSCache on the host network. It takes what its node's pods send to its own address and to the ClusterIP of the
 * cluster's DNS. Cilium translates ClusterIPs before that, so there the questions may go to the DNS pods nevertheless.
 */
function onTheNode(snapshot: Snapshot): Resolver | undefined {
  if (snapshot.profile.translatesServicesFirst) return undefined;
  const clusterIps = new Set(snapshot.services.flatMap((service) => service.clusterIps));
  for (const workload of snapshot.workloads) {
    const all = nodeLocalDnsAddresses(workload);
    const own = all.filter((address) => !clusterIps.has(address) && isLinkLocal(address));
    if (own.length === 0) continue;
    const spec = podSpecOf(workload);
    const everywhere =
      workload.kind === "DaemonSet" && spec["affinity"] === undefined && isOnAllNodes(mapOf(spec["nodeSelector"]));
    return {
      servers: own.map(at),
      port: kubeDns.port,
      name: `NodeLocal DNSCache at ${list(own)}`,
      because: `${workload.kind} ${workload.namespace}/${workload.name} answers on the pod's own node in place of the DNS pods, at an address of the node`,
      fix: `Allow egress to ${list(own.map((address) => `${address}/${address.includes(":") ? 128 : 32}`))} on UDP and TCP 53, beside the DNS pods.`,
      certainty: everywhere ? "definite" : "possible",
    };
  }
  return undefined;
}

function isLinkLocal(address: string): boolean {
  return /^(169\.254\.|fe[89ab]|fd)/i.test(address);
}

function isOnAllNodes(nodeSelector: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(nodeSelector).every((key) => key === "kubernetes.io/os");
}

/**
 * The DNS servers that the cluster has, as far as the input tells: those whose pods it holds, else OpenShift's where it has
 * an object of an API that only OpenShift serves.
 */
export function clusterDnsIn(snapshot: Snapshot): readonly [ClusterDns, ...ClusterDns[]] {
  const [first, ...more] = new Set(snapshot.workloads.flatMap((workload) => clusterDnsOf(workload) ?? []));
  if (first !== undefined) return [first, ...more];
  const objects = [...snapshot.others.map(({ object }) => object), ...snapshot.policies];
  return [objects.some(({ apiVersion }) => isOfOpenShift(apiVersion)) ? openShiftDns : kubeDns];
}

function isOfOpenShift(apiVersion: string): boolean {
  return /^[^/]+\.openshift\.io\//.test(apiVersion);
}

function clusterDns(snapshot: Snapshot): Resolver {
  const found = snapshot.workloads.flatMap((workload): DnsServer[] => {
    const dns = clusterDnsOf(workload);
    return dns === undefined ? [] : [{ peer: { kind: "workload", id: workload.id }, ports: portsOf(dns) }];
  });
  const known = clusterDnsIn(snapshot);
  const [dns] = known;
  const { namespace, labels, port } = dns;
  const imagined: DnsServer = { peer: { kind: "freshPod", namespace, labels }, ports: portsOf(dns) };
  const short = dns === kubeDns ? "kube-dns" : "them";
  const peers = dns === kubeDns ? short : `the pods ${describePods(dns)}`;
  return {
    servers: [...(found.length > 0 ? found : [imagined]), at(nodeLocalDnsAddress)],
    port,
    name: `the pods ${known.map(describePods).join(" or ")}`,
    fix: `Allow egress to ${peers} on UDP and TCP ${port}, and let ${short} accept it.`,
    certainty: "definite",
  };
}

/** On the pod's port, or on the Service's where an enforcer sees the packet before it is translated. */
function portsOf({ port }: ClusterDns): number[] {
  return [...new Set([kubeDns.port, port])];
}

function describePods({ namespace, labels }: ClusterDns): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return `${pairs.join(",")} in ${namespace}`;
}
