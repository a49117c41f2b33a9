/**
 * The plain world that the oracles judge: no indexes, no classes, no interning. Every oracle answers one flow at a time.
 * Nothing here is shared with sdk/reachability: an error made in both places would prove nothing.
 */

export type Protocol = "TCP" | "UDP" | "SCTP" | "ICMP";

/** A port that a container of the pod declares; a named port of a policy is looked up here. */
export interface ContainerPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: Protocol;
}

export interface OracleNamespace {
  readonly name: string;
  /** As written by the user; `kubernetes.io/metadata.name` is added by `namespaceLabels`, as the API server does. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface OraclePod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly ports: readonly ContainerPort[];
  /** Known pod addresses; empty where the cluster has not assigned any yet. */
  readonly addresses: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Stands for several pods that are all alike (a Deployment): a flow to itself is one from pod to pod. */
  readonly replicated?: boolean;
}

export interface OracleCluster {
  readonly namespaces: readonly OracleNamespace[];
  readonly pods: readonly OraclePod[];
}

/** One end of a flow. `address` lies outside the cluster; a node is `local` when it runs the pod at the other end. */
export type Party =
  | { readonly kind: "pod"; readonly pod: OraclePod }
  | { readonly kind: "address"; readonly address: string }
  | {
      readonly kind: "node";
      readonly where: "local" | "remote";
      readonly address?: string;
      readonly apiserver?: boolean;
    };

export interface OracleFlow {
  readonly source: Party;
  readonly destination: Party;
  readonly protocol: Protocol;
  /** The type for ICMP; absent where any will do. */
  readonly port?: number;
  /** ICMP or ICMPv6; absent: ICMPv6 where an end has IPv6 addresses only, else ICMP. */
  readonly icmpFamily?: 4 | 6;
}

export type Direction = "ingress" | "egress";

/** An object as YAML or JSON gives it. The oracles read it field by field, as the API text names the fields. */
export interface PolicyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly specs?: unknown;
}

/** The namespace's labels with the one that the API server always sets. */
export function namespaceLabels(cluster: OracleCluster, name: string): Record<string, string> {
  const found = cluster.namespaces.find((namespace) => namespace.name === name);
  return { ...(found?.labels ?? {}), "kubernetes.io/metadata.name": name };
}

/** True when both parties are the same pod: "a pod cannot block access to itself". */
export function isSamePod(flow: OracleFlow): boolean {
  return (
    flow.source.kind === "pod" &&
    flow.destination.kind === "pod" &&
    !flow.source.pod.replicated &&
    flow.source.pod.namespace === flow.destination.pod.namespace &&
    flow.source.pod.name === flow.destination.pod.name
  );
}

/** ICMP with an end that has IPv6 addresses only is ICMPv6; every other question about ICMPv6 names it. */
export function icmpFamilyOf({ source, destination, icmpFamily }: OracleFlow): 4 | 6 {
  return icmpFamily ?? ([source, destination].some(speaksIpv6Only) ? 6 : 4);
}

function speaksIpv6Only(party: Party): boolean {
  const addresses = addressesOf(party);
  return addresses.length > 0 && addresses.every((address) => address.includes(":"));
}

/** The addresses of its own that an end is known to have: on the host network they are the node's. */
export function addressesOf(party: Party): readonly string[] {
  if (party.kind === "pod") return party.pod.hostNetwork ? [] : party.pod.addresses;
  return party.address === undefined ? [] : [party.address];
}
