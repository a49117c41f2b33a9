/** Sources and destinations of flows as the enforcer sees them. */
import { namespaceNameLabel } from "../model/namespace-labels";
import type { ClusterNode, Snapshot, Workload, WorkloadPort } from "../model/snapshot";
import type { Lookup } from "../model/selectors/conditions";
import { labelOf, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { formatAddress, parseAddress, type Address } from "../model/sets/addresses";
import type { MeshMode, OutboundCapture, Redirected } from "../model/mesh";
import { futurePod, meshModeOf, meshSubjectOf, type MeshSubject } from "../readers/mesh";
import { sidecarInbound, sidecarOutbound, ztunnelBypassed } from "../readers/mesh-capture";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, unknownValue, YES, type Tri, type UnknownValue } from "../model/unknown";
import type { Peer } from "../model/verdicts";

export interface PodEndpoint {
  readonly kind: "pod";
  /** The workload's id, or a name for a pod that does not exist. */
  readonly name: string;
  readonly namespace: LabelValue;
  readonly namespaceLabels: LabelSet;
  readonly labels: LabelSet;
  readonly serviceAccount: LabelValue;
  readonly serviceAccountLabels: LabelSet;
  readonly cluster: string;
  /** Ports that policies can name. */
  readonly ports: readonly WorkloadPort[];
  /** All ports that the pod declares: Services find them by name. */
  readonly declaredPorts: readonly WorkloadPort[];
  readonly portsUnknown: boolean;
  /** Nothing where the snapshot does not state them. */
  readonly addresses: readonly Address[] | undefined;
  /** How the pod takes part in the service mesh. */
  readonly mesh: MeshMode | UnknownValue | undefined;
  /** Inbound TCP that a sidecar gets. */
  readonly inbound: Redirected;
  /** Outbound TCP that a sidecar takes; nothing where that is all of it. */
  readonly outbound: OutboundCapture | undefined;
  /** Whether ztunnel gets only what comes through its tunnel. */
  readonly bypassesZtunnel: Tri;
  readonly trustDomain: string;
  /** A single pod, which always reaches itself; a controller may have several. */
  readonly single: boolean;
  /** The node that it runs on, where that is known. */
  readonly nodeName?: string;
}

export interface NodeEndpoint {
  readonly kind: "node";
  readonly name: string;
  /** The node that the peer runs on. */
  readonly local: boolean;
  readonly addresses: readonly Address[] | undefined;
  /** The address used, where it is known. */
  readonly address: Address | undefined;
  readonly labels: LabelSet;
  /** The Node's name, where it is known which one it is. */
  readonly nodeName?: string;
  /** Whether the API server runs on it. */
  readonly apiServer: Tri;
}

export interface WorldEndpoint {
  readonly kind: "world";
  readonly name: string;
  /** Nothing where only a name is known. */
  readonly address: Address | undefined;
  readonly dnsName?: string;
  readonly apiServer: Tri;
}

/** Cilium's Envoy for Ingresses and Gateways: the reserved identity `ingress`. */
export interface IngressEndpoint {
  readonly kind: "ingress";
  readonly name: string;
}

export type Endpoint = PodEndpoint | NodeEndpoint | WorldEndpoint | IngressEndpoint;

/** How conditions see a pod. */
export function podLookup(pod: PodEndpoint): Lookup {
  return (field, key) => {
    switch (field) {
      case "label":
        return labelOf(pod.labels, key);
      case "namespaceLabel":
        return labelOf(pod.namespaceLabels, key);
      case "namespace":
        return pod.namespace;
      case "serviceAccount":
        return pod.serviceAccount;
      case "serviceAccountLabel":
        return labelOf(pod.serviceAccountLabels, key);
      case "cluster":
        return pod.cluster;
      case "reserved":
        return undefined;
      case "mesh":
        return pod.mesh;
      case "sidecarOutbound":
        return takenBySidecar(pod);
      case "principal":
        return inMesh(pod, principalOf(pod));
      case "meshNamespace":
        return inMesh(pod, pod.namespace);
      case "meshAccount":
        return inMesh(pod, pod.serviceAccount);
      case "meshTrustDomain":
        return inMesh(pod, pod.trustDomain);
    }
  };
}

/** How much a pod's sidecar takes of the TCP that it sends. */
function takenBySidecar({ mesh, outbound }: PodEndpoint): LabelValue | undefined {
  if (isUnknown(mesh)) return outbound?.off === YES ? undefined : unknownValue;
  if (mesh !== "sidecar" || outbound?.off === YES) return undefined;
  return outbound === undefined ? "all" : unknownValue;
}

/** A value that only members of the mesh have. */
function inMesh(pod: PodEndpoint, value: LabelValue): LabelValue | undefined {
  return pod.mesh === undefined ? undefined : isUnknown(pod.mesh) ? unknownValue : value;
}

/** The identity in a pod's certificate, as policies write it (SPIFFE, without the scheme). */
function principalOf(pod: PodEndpoint): LabelValue {
  if (isUnknown(pod.namespace) || isUnknown(pod.serviceAccount)) return unknownValue;
  return `${pod.trustDomain}/ns/${pod.namespace}/sa/${pod.serviceAccount}`;
}

/** How conditions see what is no pod: by Cilium's reserved identities only. */
export function reservedLookup(endpoint: NodeEndpoint | WorldEndpoint | IngressEndpoint): Lookup {
  return (field, key) => (field === "reserved" ? reservedLabel(endpoint, key) : undefined);
}

function reservedLabel(endpoint: NodeEndpoint | WorldEndpoint | IngressEndpoint, key: string): LabelValue | undefined {
  if (endpoint.kind === "ingress") return key === "ingress" ? "" : undefined;
  if (key === "kube-apiserver")
    return endpoint.apiServer === YES ? "" : endpoint.apiServer === NO ? undefined : unknownValue;
  if (endpoint.kind === "node") return key === (endpoint.local ? "host" : "remote-node") ? "" : undefined;
  if (key === "world") return "";
  if (key !== "world-ipv4" && key !== "world-ipv6") return undefined;
  if (endpoint.address === undefined) return unknownValue;
  return key === `world-ipv${endpoint.address.family}` ? "" : undefined;
}

/**
 * Turns the sources and destinations that a caller names into endpoints. Several endpoints are possibilities, one of which
 * is the case.
 */
export class Endpoints {
  readonly #workloads = new Map<string, Workload>();
  readonly #pods = new Map<string, PodEndpoint>();
  readonly #freshPods = new Map<string, PodEndpoint>();
  readonly #others = new Map<string, readonly Endpoint[]>();
  readonly #apiServer: readonly Address[];
  readonly #anyNodeEndpoints: readonly Endpoint[];
  readonly #world: Readonly<Record<4 | 6, Map<bigint, WorldEndpoint>>> = { 4: new Map(), 6: new Map() };

  constructor(private readonly snapshot: Snapshot) {
    for (const workload of snapshot.workloads) this.#workloads.set(workload.id, workload);
    this.#apiServer = addressesOf(snapshot.apiServerAddresses);
    this.#anyNodeEndpoints = this.#nodesForHostNetwork();
  }

  /**
   * @throws RangeError where the peer names a workload that the snapshot lacks, or is not an address.
   */
  resolve(peer: Peer): readonly Endpoint[] {
    switch (peer.kind) {
      case "workload": {
        const workload = this.#workloads.get(peer.id);
        if (workload === undefined)
          throw new RangeError(`no workload ${peer.id} in the snapshot (ids are ns/name[Kind])`);
        return peer.pod === undefined ? this.ofWorkload(workload) : this.member(workload, peer.pod);
      }
      case "freshPod":
        return [this.#freshPod(peer)];
      default: {
        const key = peer.kind === "address" ? `address ${peer.address}` : JSON.stringify(peer);
        const known = this.#others.get(key);
        if (known !== undefined) return known;
        const created = this.#resolveOther(peer);
        this.#others.set(key, created);
        return created;
      }
    }
  }

  ofWorkload(workload: Workload): readonly Endpoint[] {
    if (workload.hostNetwork) return this.#nodesUnder(workload);
    const pod = this.pod(workload);
    return workload.hostNetworkUnknown ? [pod, ...this.#nodesUnder(workload)] : [pod];
  }

  /** The nodes that a pod on the host network may be: the one that its `nodeName` names, where it was read. */
  #nodesUnder({ nodeName }: Workload): readonly Endpoint[] {
    const node = this.snapshot.nodes.find(({ name }) => name === nodeName);
    if (node === undefined) return this.anyNode();
    const key = `node ${node.name}`;
    let known = this.#others.get(key);
    if (known === undefined) {
      known = [true, false].map((local) => this.#nodeOf(node, local));
      this.#others.set(key, known);
    }
    return known;
  }

  #nodeOf(node: ClusterNode, local: boolean): NodeEndpoint {
    const addresses = addressesOf(node.addresses);
    return {
      kind: "node",
      name: `${local ? "local" : "remote"} node`,
      local,
      addresses,
      address: undefined,
      nodeName: node.name,
      labels: { values: node.labels, complete: true },
      apiServer: this.#isApiServer(addresses, MAYBE),
    };
  }

  /** One pod of a controller, by its name, with the labels and addresses that are its own. */
  member(workload: Workload, name: string): readonly Endpoint[] {
    if (workload.hostNetwork) return this.#nodesUnder(workload);
    const key = `${workload.id} ${name}`;
    const known = this.#others.get(key);
    if (known !== undefined) return known;
    const pod = this.pod(workload);
    const read = workload.members.find((each) => each.name === name);
    const own = read?.labels ?? (workload.kind === "StatefulSet" ? statefulLabels(name) : {});
    const addresses = read === undefined || read.addresses.length === 0 ? undefined : addressesOf(read.addresses);
    const single: PodEndpoint = {
      ...pod,
      name: `${workload.id} pod ${name}`,
      labels: { ...pod.labels, values: { ...pod.labels.values, ...own } },
      addresses: addresses ?? pod.addresses,
      single: true,
    };
    const found = workload.hostNetworkUnknown ? [single, ...this.anyNode()] : [single];
    this.#others.set(key, found);
    return found;
  }

  /** The endpoint as those see it who connect to one of its addresses. */
  at(endpoint: Endpoint, address: Address): Endpoint {
    if (endpoint.kind !== "pod" || (endpoint.addresses?.length ?? 0) <= 1) return endpoint;
    return this.snapshot.profile.matchesByIdentity ? endpoint : { ...endpoint, addresses: [address] };
  }

  /** A pod of the cluster that was not read: all that is known is where it is, or what a selector asks for. */
  unreadPod(about: {
    readonly namespace?: string;
    readonly labels?: LabelSet;
    readonly address?: Address;
  }): PodEndpoint {
    const { address } = about;
    const namespace = about.namespace === undefined ? undefined : this.snapshot.namespaces.get(about.namespace);
    const incomplete: LabelSet = { values: {}, complete: false };
    const place = about.namespace === undefined ? "" : ` in ${about.namespace}`;
    return {
      kind: "pod",
      name: `a pod${place} that was not read${address === undefined ? "" : ` (${formatAddress(address)})`}`,
      namespace: about.namespace ?? unknownValue,
      namespaceLabels:
        namespace?.labelSet ??
        (about.namespace === undefined
          ? incomplete
          : { values: { [namespaceNameLabel]: about.namespace }, complete: false }),
      labels: about.labels ?? incomplete,
      serviceAccount: unknownValue,
      serviceAccountLabels: incomplete,
      cluster: this.snapshot.profile.clusterName,
      ports: [],
      declaredPorts: [],
      portsUnknown: true,
      addresses: address === undefined ? undefined : [address],
      mesh: this.snapshot.rules.mesh.length === 0 ? undefined : unknownValue,
      inbound: { must: TrafficSet.none(), may: TrafficSet.protocol("TCP") },
      outbound: undefined,
      bypassesZtunnel: MAYBE,
      trustDomain: this.snapshot.profile.meshTrustDomain,
      single: false,
    };
  }

  /** The node that has an address: the one that the peer runs on, or another. */
  nodeAt(address: Address): readonly Endpoint[] {
    const key = `node ${formatAddress(address)}`;
    let nodes = this.#others.get(key);
    if (nodes === undefined) {
      nodes = [this.#node(true, address), this.#node(false, address)];
      this.#others.set(key, nodes);
    }
    return nodes;
  }

  pod(workload: Workload): PodEndpoint {
    const known = this.#pods.get(workload.id);
    if (known !== undefined) return known;
    const namespace = this.snapshot.namespaces.get(workload.namespace);
    const created: PodEndpoint = {
      kind: "pod",
      name: workload.id,
      namespace: workload.namespaceUnknown ? unknownValue : workload.namespace,
      namespaceLabels: namespace?.labelSet ?? { values: {}, complete: false },
      labels: workload.labelSet,
      serviceAccount: workload.serviceAccountUnknown ? unknownValue : workload.serviceAccount,
      serviceAccountLabels: this.#accountLabels(workload.namespace, workload.serviceAccount),
      cluster: this.snapshot.profile.clusterName,
      ports: this.snapshot.profile.sidecarPorts
        ? workload.ports
        : workload.ports.filter(({ sidecar }) => sidecar !== true),
      declaredPorts: workload.ports,
      portsUnknown: workload.portsUnknown,
      ...(workload.nodeName === undefined ? {} : { nodeName: workload.nodeName }),
      addresses: workload.addresses.length === 0 ? undefined : addressesOf(workload.addresses),
      ...this.#meshOf(meshSubjectOf(workload, namespace?.labelSet ?? { values: {}, complete: false })),
      trustDomain: this.snapshot.profile.meshTrustDomain,
      single: workload.kind === "Pod",
    };
    this.#pods.set(workload.id, created);
    return created;
  }

  #freshPod(peer: Extract<Peer, { kind: "freshPod" }>): PodEndpoint {
    const account = peer.serviceAccount ?? "default";
    const labelled = peer.labels === undefined ? "" : JSON.stringify(Object.entries(peer.labels).sort());
    const key = `${peer.namespace}/${account} ${labelled}`;
    const known = this.#freshPods.get(key);
    if (known !== undefined) return known;
    const namespace = this.snapshot.namespaces.get(peer.namespace);
    const labels: LabelSet = { values: peer.labels ?? {}, complete: true };
    const created: PodEndpoint = {
      kind: "pod",
      name: `new pod in ${peer.namespace}`,
      namespace: peer.namespace,
      namespaceLabels: namespace?.labelSet ?? {
        values: { [namespaceNameLabel]: peer.namespace },
        complete: true,
      },
      labels,
      serviceAccount: account,
      serviceAccountLabels: this.#accountLabels(peer.namespace, account),
      cluster: this.snapshot.profile.clusterName,
      ports: [],
      declaredPorts: [],
      // a pod that does not exist yet may name any port
      portsUnknown: true,
      addresses: undefined,
      ...this.#meshOf(futurePod(peer.namespace, labels, namespace?.labelSet ?? { values: {}, complete: true })),
      trustDomain: this.snapshot.profile.meshTrustDomain,
      single: false,
    };
    this.#freshPods.set(key, created);
    return created;
  }

  #meshOf(subject: MeshSubject): Pick<PodEndpoint, "mesh" | "inbound" | "outbound" | "bypassesZtunnel"> {
    const mesh = meshModeOf(subject, this.snapshot.installation);
    return {
      mesh,
      inbound: sidecarInbound(subject.annotations).redirected,
      outbound: sidecarOutbound(subject.annotations),
      bypassesZtunnel: ztunnelBypassed(subject.annotations),
    };
  }

  #accountLabels(namespace: string, name: string): LabelSet {
    return this.snapshot.serviceAccounts.get(`${namespace}/${name}`) ?? { values: {}, complete: true };
  }

  #resolveOther(peer: Exclude<Peer, { kind: "workload" | "freshPod" }>): readonly Endpoint[] {
    switch (peer.kind) {
      case "address": {
        return [this.world(requiredAddress(peer.address))];
      }
      case "fqdn":
        return [
          {
            kind: "world",
            name: peer.name,
            address: peer.address === undefined ? undefined : requiredAddress(peer.address),
            dnsName: peer.name,
            apiServer: NO,
          },
        ];
      case "node":
        return [
          this.#node(peer.where === "local", peer.address === undefined ? undefined : requiredAddress(peer.address)),
        ];
      case "kubeApiserver":
        return this.#apiServerEndpoints(peer.address === undefined ? this.#apiServer : [requiredAddress(peer.address)]);
    }
  }

  /** An address outside the cluster. */
  world(address: Address): WorldEndpoint {
    const known = this.#world[address.family].get(address.value);
    if (known !== undefined) return known;
    const apiServer = this.#isApiServer([address], NO);
    const created: WorldEndpoint = { kind: "world", name: formatAddress(address), address, apiServer };
    this.#world[address.family].set(address.value, created);
    return created;
  }

  /** The pods of a waypoint; one that Istio starts by itself where the snapshot has none. They speak HBONE and have an identity. */
  waypoint(namespace: string, name: string): readonly PodEndpoint[] {
    const key = `waypoint ${namespace}/${name}`;
    const known = this.#others.get(key);
    if (known !== undefined) return known as readonly PodEndpoint[];
    const labels = { "gateway.networking.k8s.io/gateway-name": name };
    const own = this.snapshot.workloads.filter(
      (workload) =>
        workload.namespace === namespace &&
        !workload.hostNetwork &&
        labelOf(workload.labelSet, "gateway.networking.k8s.io/gateway-name") === name,
    );
    const pods =
      own.length > 0
        ? own.map((workload) => this.pod(workload))
        : [this.#freshPod({ kind: "freshPod", namespace, labels, serviceAccount: name })];
    const proxies = pods.map((pod): PodEndpoint => ({ ...pod, mesh: "waypoint" }));
    this.#others.set(key, proxies);
    return proxies;
  }

  /** Where Cilium's Ingresses and Gateways send from. */
  readonly ciliumIngress: IngressEndpoint = { kind: "ingress", name: "Cilium's ingress proxy" };

  /** The addresses of the API server that the snapshot states. */
  get apiServerAddresses(): readonly Address[] {
    return this.#apiServer;
  }

  /** The node that the peer runs on, and another. */
  anyNode(): readonly Endpoint[] {
    return this.#anyNodeEndpoints;
  }

  #nodesForHostNetwork(): readonly Endpoint[] {
    return [this.#node(true, undefined), this.#node(false, undefined)];
  }

  #node(local: boolean, address: Address | undefined): NodeEndpoint {
    const { nodes } = this.snapshot;
    const node =
      address === undefined
        ? nodes.length === 1
          ? nodes[0]
          : undefined
        : nodes.find((each) => addressesOf(each.addresses).some((own) => sameAddress(own, address)));
    const addresses =
      node === undefined ? (address === undefined ? undefined : [address]) : addressesOf(node.addresses);
    return {
      kind: "node",
      name: `${local ? "local" : "remote"} node`,
      local,
      addresses,
      address,
      ...(node === undefined || address === undefined ? {} : { nodeName: node.name }),
      labels: node === undefined ? { values: {}, complete: false } : { values: node.labels, complete: true },
      apiServer: addresses === undefined ? MAYBE : this.#isApiServer(addresses, MAYBE),
    };
  }

  /** Whether one of the addresses is the API server's; `otherwise` where its addresses are not known. */
  #isApiServer(addresses: readonly Address[], otherwise: Tri): Tri {
    if (this.#apiServer.length === 0) return otherwise;
    return addresses.some((address) => this.#apiServer.some((own) => sameAddress(own, address))) ? YES : NO;
  }

  #apiServerEndpoints(addresses: readonly Address[]): readonly Endpoint[] {
    const name = "kube-apiserver";
    const nodes: Endpoint[] = [
      { ...this.#node(true, undefined), name, apiServer: YES },
      { ...this.#node(false, undefined), name, apiServer: YES },
    ];
    if (addresses.length === 0) {
      return [...nodes, { kind: "world", name, address: undefined, apiServer: YES }];
    }
    return addresses.flatMap((address): Endpoint[] => {
      const onNode = this.snapshot.nodes.some((node) =>
        addressesOf(node.addresses).some((own) => sameAddress(own, address)),
      );
      if (onNode) {
        return [true, false].map((local) => ({ ...this.#node(local, address), name, apiServer: YES }));
      }
      const outside: Endpoint = { kind: "world", name, address, apiServer: YES };
      // without Nodes in the snapshot the address may be one of theirs
      return this.snapshot.nodes.length > 0
        ? [outside]
        : [
            outside,
            ...[true, false].map((local): Endpoint => ({ ...this.#node(local, address), name, apiServer: YES })),
          ];
    });
  }
}

/** What the StatefulSet controller labels a pod of this name with. */
function statefulLabels(name: string): Record<string, string> {
  const index = /-(\d+)$/.exec(name)?.[1];
  return {
    "statefulset.kubernetes.io/pod-name": name,
    ...(index === undefined ? {} : { "apps.kubernetes.io/pod-index": index }),
  };
}

function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}

function addressesOf(texts: readonly string[]): Address[] {
  return texts.map(parseAddress).filter((address) => address !== undefined);
}

function requiredAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new RangeError(`not an IPv4 or IPv6 address: ${JSON.stringify(text)}`);
  return address;
}

/** Whether source and destination are one pod: it always reaches itself. */
export function isSamePod(source: Endpoint, destination: Endpoint): boolean {
  return source.kind === "pod" && source.single && destination.kind === "pod" && source.name === destination.name;
}

/** Whether an endpoint lies in a namespace that is known by name. */
export function namespaceOf(endpoint: Endpoint): string | undefined {
  return endpoint.kind === "pod" && !isUnknown(endpoint.namespace) ? endpoint.namespace : undefined;
}

/** A pod of which nothing is stated: no address, no labels, no named ports. */
export const blankPod: PodEndpoint = {
  kind: "pod",
  name: "",
  namespace: "",
  namespaceLabels: { values: {}, complete: true },
  labels: { values: {}, complete: true },
  serviceAccount: "",
  serviceAccountLabels: { values: {}, complete: true },
  cluster: "",
  ports: [],
  declaredPorts: [],
  portsUnknown: false,
  addresses: undefined,
  mesh: undefined,
  inbound: { must: TrafficSet.none(), may: TrafficSet.none() },
  outbound: undefined,
  bypassesZtunnel: NO,
  trustDomain: "",
  single: false,
};
