import type { KubeObject, Source, SourcedObject } from "./objects";
import type { PolicySource } from "./policy-source";
import type { Problem } from "./problems";
import type { EnforcerProfile } from "./profile";
import type { Redirect } from "./redirects";
import type { RuleBook } from "./rules";
import type { LabelSet } from "./selectors/labels";
import type { ServiceEntry } from "./services";
import type { AddressSet } from "./sets/addresses";
import type { PortProtocol } from "./sets/ports";
import type { MeshInstallation } from "./mesh";
import type { WaypointTable } from "./waypoints";

/** A namespace, declared or implied by an object that lies in it. */
export interface Namespace {
  readonly name: string;
  /** Known labels; always contains `kubernetes.io/metadata.name`, as the API server sees to. */
  readonly labels: Readonly<Record<string, string>>;
  /** The same labels with what is unknown about them. */
  readonly labelSet: LabelSet;
  readonly annotations: Readonly<Record<string, string>>;
  /** No Namespace object is in the snapshot; only objects that lie in it do. Its labels may be incomplete. */
  readonly implied: boolean;
  readonly source?: Source;
}

/** Stands for a namespace that is not known yet; no namespace can have this name. */
export const unknownNamespace = "(unknown)";

/** A container port that policies may name. */
export interface WorkloadPort {
  readonly name?: string;
  readonly port: number;
  readonly protocol: PortProtocol;
  /** The port of the node that leads there. */
  readonly hostPort?: number;
  /** Of an init container that keeps running (`restartPolicy: Always`). */
  readonly sidecar?: true;
}

/** One pod of a controller, as it was read. */
export interface WorkloadMember {
  readonly name: string;
  /** Labels that controllers gave this pod, so that its siblings have others. */
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
}

/** A Pod, or a controller whose pods are all alike. */
export interface Workload {
  /** `namespace/name[Kind]`. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  /** Known labels of the pods (not of the controller). */
  readonly labels: Readonly<Record<string, string>>;
  /** The same labels with what is unknown about them. */
  readonly labelSet: LabelSet;
  readonly annotations: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** The service account's name is not known yet. */
  readonly serviceAccountUnknown: boolean;
  /** The pods use the node's network: to every enforcer they are the node. */
  readonly hostNetwork: boolean;
  /** Whether the pods use the node's network is not known yet. */
  readonly hostNetworkUnknown: boolean;
  readonly ports: readonly WorkloadPort[];
  /** Some container port is not known yet. */
  readonly portsUnknown: boolean;
  /** Addresses the snapshot states (`status.podIP`, `status.podIPs`). */
  readonly addresses: readonly string[];
  /** The pods of a controller that were read. */
  readonly members: readonly WorkloadMember[];
  /** The host name of a single pod (`spec.hostname`), where it is another than its name. */
  readonly hostName?: string;
  /** The node that a single pod runs on (`spec.nodeName`). */
  readonly nodeName?: string;
  /** The namespace itself is not known yet; `namespace` is then a stand-in. */
  readonly namespaceUnknown: boolean;
  readonly source?: Source;
  readonly object: KubeObject;
}

/** A Node of the cluster. */
export interface ClusterNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  /** Names that DNS gives for it (`status.addresses` of the types Hostname, InternalDNS and ExternalDNS). */
  readonly hostNames: readonly string[];
  readonly podCidrs: readonly string[];
  readonly source?: Source;
}

/** Everything the engine knows about a cluster at one moment. Immutable. */
export interface Snapshot {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly workloads: readonly Workload[];
  readonly policies: readonly PolicySource[];
  readonly nodes: readonly ClusterNode[];
  /** Services, EndpointSlices, Ingresses, Gateways, routes, network sets, tiers and what else is no policy. */
  readonly others: readonly SourcedObject[];
  readonly profile: EnforcerProfile;
  readonly problems: readonly Problem[];
  /** The policies as normalized rules. */
  readonly rules: RuleBook;
  /** Labels of ServiceAccounts by `namespace/name`. */
  readonly serviceAccounts: ReadonlyMap<string, LabelSet>;
  /** Which pods' traffic passes a waypoint of Istio's. */
  readonly waypoints?: WaypointTable;
  /** How Istio is installed; absent: as its charts do it. */
  readonly installation?: MeshInstallation;
  /** The ranges pods get their addresses from, where Nodes say so. */
  readonly podAddresses: AddressSet | undefined;
  /** The families of addresses that the cluster uses, by what nodes, pods and Services have. Absent: nothing has one. */
  readonly families?: "4" | "6" | "46";
  /** The ranges Services get their ClusterIPs from, where ServiceCIDR objects say so. */
  readonly serviceAddresses?: AddressSet;
  /** Where the API server answers, where its endpoints say so. */
  readonly apiServerAddresses: readonly string[];
  /** Services with what is behind them. */
  readonly services: readonly ServiceEntry[];
  /** What Cilium's local redirects send elsewhere. */
  readonly redirects: readonly Redirect[];
  /** The domains in which Services and pods have names, lower case: `cluster.local`, and what CoreDNS is told to serve. */
  readonly clusterDomains: readonly string[];
}
