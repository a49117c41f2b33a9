/**
 * Where a connection to an address or a name goes: to whoever has it, by way of Services and redirects. Policies see the pod
 * behind a Service and its port, never the ClusterIP (kube-proxy, Cilium and Calico translate first).
 */
import { describeRef } from "../model/objects";
import { isCiliumProxy, type ServiceEntry, type ServicePort } from "../model/services";
import { evaluate, all, test } from "../model/selectors/conditions";
import { formatAddress, parseAddress, type Address } from "../model/sets/addresses";
import { TrafficSet, type PortProtocol } from "../model/sets/ports";
import type { Redirect } from "../model/redirects";
import type { Snapshot, Workload } from "../model/snapshot";
import { NO, unknownValue } from "../model/unknown";
import type { Peer } from "../model/verdicts";
import { AddressBook, addressOfLabel, type Holder, type Named } from "./address-book";
import { podLookup, type Endpoint, type Endpoints, type PodEndpoint } from "./endpoints";

/** One of several endpoints that a port leads to, one of which gets the connection. */
export interface Backend {
  readonly endpoint: Endpoint;
  /** The port there; nothing where it is not known. */
  readonly target: number | undefined;
}

/** A port at which others answer than the address itself. */
export interface RoutedPort {
  readonly protocol: PortProtocol;
  readonly port: number;
  readonly backends: readonly Backend[];
  /** Nothing that was read is behind it: the backend is what such a pod would have to be like. */
  readonly imagined: boolean;
}

export interface Route {
  /** Who has the address; several are possibilities. */
  readonly direct: readonly Endpoint[];
  readonly ports: readonly RoutedPort[];
  /** Who may be behind ports that are not known. */
  readonly anyPort: readonly Endpoint[];
  /** Nobody else than `ports` and `anyPort` answers there. */
  readonly sole: boolean;
  /** What the address or name is in the cluster; nothing where it is what it is called. */
  readonly known?: string;
}

const noPorts: Pick<Route, "ports" | "anyPort" | "sole"> = { ports: [], anyPort: [], sole: false };

export class Routes {
  #book: AddressBook | undefined;
  readonly #known = new Map<string, Route>();

  constructor(
    private readonly snapshot: Snapshot,
    private readonly endpoints: Endpoints,
  ) {}

  get book(): AddressBook {
    return (this.#book ??= new AddressBook(this.snapshot));
  }

  /**
   * @throws RangeError where the peer names a workload that the snapshot lacks, or is not an address.
   */
  to(peer: Peer): Route {
    if (peer.kind === "workload" || peer.kind === "freshPod" || peer.kind === "kubeApiserver") {
      return { direct: this.endpoints.resolve(peer), ports: [], anyPort: [], sole: false };
    }
    const key = keyOf(peer);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const route = this.#routeTo(peer);
    this.#known.set(key, route);
    return route;
  }

  /** Whom a connection comes from: of a Service the pods behind it. */
  from(peer: Peer): readonly Endpoint[] {
    if (peer.kind !== "address" && peer.kind !== "fqdn") return this.endpoints.resolve(peer);
    const { direct, ports, anyPort } = this.to(peer);
    const all = [...direct, ...ports.flatMap(({ backends }) => backends.map(({ endpoint }) => endpoint)), ...anyPort];
    return all.length === 0 ? this.endpoints.resolve(peer) : [...new Set(all)];
  }

  #routeTo(peer: Extract<Peer, { kind: "address" | "node" | "fqdn" }>): Route {
    switch (peer.kind) {
      case "node":
        return { ...noPorts, direct: this.endpoints.resolve(peer), ports: this.#nodePorts() };
      case "address": {
        const address = parseAddress(peer.address);
        if (address === undefined) return { ...noPorts, direct: this.endpoints.resolve(peer) };
        return this.#toAddress(address, peer);
      }
      case "fqdn": {
        const named = this.book.named(peer.name);
        return named === undefined ? { ...noPorts, direct: this.endpoints.resolve(peer) } : this.#toName(named, peer);
      }
    }
  }

  #toAddress(address: Address, peer: Peer): Route {
    const redirected = this.snapshot.redirects.flatMap((redirect) => this.#redirectedAddress(redirect, address));
    const world = (): Route => ({ ...noPorts, direct: this.endpoints.resolve(peer), ports: redirected });
    const routes = this.book.holdersOf(address).map((holder) => this.#toHolder(holder, address, world));
    const [first] = routes;
    if (first === undefined) {
      const known = redirected.length > 0 ? { known: "an address that a CiliumLocalRedirectPolicy redirects" } : {};
      return { ...world(), ...known };
    }
    return routes.slice(1).reduce(mergeRoutes, first);
  }

  #toHolder(holder: Holder, address: Address, world: () => Route): Route {
    switch (holder.kind) {
      case "workload": {
        const { workload, member } = holder;
        const endpoints =
          member === undefined ? this.endpoints.ofWorkload(workload) : this.endpoints.member(workload, member);
        const known = member === undefined ? workload.id : `pod ${member} of ${workload.id}`;
        return { ...noPorts, direct: endpoints.map((each) => this.endpoints.at(each, address)), known };
      }
      case "node": {
        const direct = this.endpoints.nodeAt(address);
        return { ...noPorts, direct, ports: this.#nodePorts(), known: `Node ${holder.node.name}` };
      }
      case "nodeCache": {
        const direct = this.endpoints.nodeAt(address).filter((node) => node.kind === "node" && node.local);
        return { ...noPorts, direct, known: `the node's own, of ${holder.workload.id}` };
      }
      case "service":
        return this.#toService(holder.service);
      case "outer": {
        const { ports, anyPort, known } = this.#toService(holder.service);
        return { direct: world().direct, ports, anyPort, sole: false, ...(known === undefined ? {} : { known }) };
      }
      case "endpoint": {
        const { service } = holder;
        const pod = service.listed.find((each) => each.pod !== undefined && isAddress(each.address, address))?.pod;
        const known = `an endpoint of ${nameOf(service)}`;
        const workload = pod === undefined ? undefined : this.#workloadNamed(pod.namespace, pod.name);
        if (workload !== undefined) return { ...noPorts, direct: this.endpoints.ofWorkload(workload), known };
        return { ...noPorts, direct: this.#endpointPods(service, address), known };
      }
      case "unreadPod":
        return {
          ...noPorts,
          direct: [this.endpoints.unreadPod({ address })],
          known: "in the range of pod addresses: a pod that was not read",
        };
      case "unreadService":
        return {
          ...noPorts,
          direct: [],
          anyPort: this.#anybody(),
          sole: true,
          known: "in the range of ClusterIPs: a Service that was not read",
        };
    }
  }

  #toName(named: Named, peer: Extract<Peer, { kind: "fqdn" }>): Route {
    switch (named.kind) {
      case "service": {
        const { service } = named;
        if (service.externalName !== undefined) return this.#toExternalName(service, service.externalName, peer);
        return service.headless ? this.#toHeadless(service) : this.#toService(service);
      }
      case "podOf":
        return this.#toPodOf(named.service, named.host);
      case "address":
        return this.#toAddress(named.address, { kind: "address", address: formatAddress(named.address) });
      case "node": {
        const [text] = named.node.addresses;
        const address = text === undefined ? undefined : parseAddress(text);
        const direct = address === undefined ? this.endpoints.anyNode() : this.endpoints.nodeAt(address);
        return { ...noPorts, direct, ports: this.#nodePorts(), known: `Node ${named.node.name}` };
      }
      case "outer": {
        const { ports, anyPort, known } = this.#toService(named.service);
        const direct = this.endpoints.resolve(peer);
        return { direct, ports, anyPort, sole: false, ...(known === undefined ? {} : { known }) };
      }
      case "apiServer":
        return {
          ...noPorts,
          direct: this.endpoints.resolve({ kind: "kubeApiserver" }),
          known: "the Kubernetes API server",
        };
      case "unreadService": {
        const { namespace, name } = named;
        const pod = this.endpoints.unreadPod({ namespace });
        const known = `Service ${namespace}/${name}, which was not read`;
        return { direct: [], ports: [], anyPort: [pod, ...this.endpoints.resolve(peer)], sole: true, known };
      }
    }
  }

  /** The name as it is asked for, and the one that it stands for: which of them a policy sees depends on the enforcer. */
  #toExternalName(service: ServiceEntry, target: string, peer: Peer): Route {
    const behind = normalise(target) === normalise(peer.kind === "fqdn" ? peer.name : "") ? undefined : target;
    const route =
      behind === undefined || this.#isExternalName(behind)
        ? { ...noPorts, direct: this.endpoints.resolve({ kind: "fqdn", name: target }) }
        : this.to({ kind: "fqdn", name: behind });
    const known = `${nameOf(service)}, which is an alias of ${target}`;
    const outside = route.direct.some(({ kind }) => kind === "world") && route.ports.length === 0;
    return { ...route, direct: outside ? [...this.endpoints.resolve(peer), ...route.direct] : route.direct, known };
  }

  #isExternalName(name: string): boolean {
    const named = this.book.named(name);
    return named?.kind === "service" && named.service.externalName !== undefined;
  }

  #toHeadless(service: ServiceEntry): Route {
    const { endpoints, imagined } = this.#behind(service);
    const known = `${nameOf(service)} (headless)`;
    return imagined
      ? { direct: [], ports: [], anyPort: endpoints, sole: true, known }
      : { ...noPorts, direct: endpoints, known };
  }

  /** `db-0.db.shop.svc`: a pod by its host name, or by its address in a label. */
  #toPodOf(service: ServiceEntry, host: string): Route {
    const address = addressOfLabel(host) ?? this.#listedHost(service, host);
    if (address !== undefined) return this.#toAddress(address, { kind: "address", address: formatAddress(address) });
    const workload = this.#workloadNamed(service.namespace, host);
    if (workload === undefined) return this.#toHeadless(service);
    const known = `pod ${host} of ${workload.id}`;
    return { ...noPorts, direct: this.endpoints.member(workload, host), known };
  }

  #listedHost(service: ServiceEntry, host: string): Address | undefined {
    const text = service.listed.find((each) => each.hostname === host)?.address;
    return text === undefined ? undefined : parseAddress(text);
  }

  #toService(service: ServiceEntry): Route {
    const known = nameOf(service);
    if (service.externalName !== undefined)
      return { ...noPorts, direct: [], anyPort: this.#anybody(), sole: true, known };
    const { endpoints, imagined } = this.#behind(service);
    const redirects = this.snapshot.redirects.filter((redirect) => isAbout(redirect, service));
    const ports = service.ports.flatMap((port): RoutedPort[] => {
      const redirected = redirects.flatMap((redirect) => this.#redirectedPort(redirect, port));
      const backends = endpoints.flatMap((endpoint) => this.#backendsAt(endpoint, service, port));
      const { protocol, port: number } = port;
      return [{ protocol, port: number, backends: [...redirected, ...backends], imagined: imagined }];
    });
    const open = service.portsUnknown || (service.ports.length === 0 && !service.headless);
    return { direct: [], ports, anyPort: open ? endpoints : [], sole: true, known };
  }

  /** The endpoints that a Service stands for; imagined where none of them was read. */
  #behind(service: ServiceEntry): { endpoints: readonly Endpoint[]; imagined: boolean } {
    if (service.namespace === "default" && service.name === "kubernetes") {
      return { endpoints: this.endpoints.resolve({ kind: "kubeApiserver" }), imagined: false };
    }
    if (this.snapshot.profile.servesIngress && isCiliumProxy(service)) {
      return { endpoints: [this.endpoints.ciliumIngress], imagined: false };
    }
    if (service.selector === undefined) return this.#listedEndpoints(service);
    const selected = this.#selectedBy(service.namespace, service.selector);
    if (selected.length > 0) return { endpoints: selected, imagined: false };
    if (service.endpoints.length > 0) {
      const pods = service.endpoints.flatMap((text) => {
        const address = parseAddress(text);
        return address === undefined ? [] : this.#toAddress(address, { kind: "address", address: text }).direct;
      });
      if (pods.length > 0) return { endpoints: pods, imagined: false };
    }
    const labels = { values: service.selector, complete: false };
    return { endpoints: [this.endpoints.unreadPod({ namespace: service.namespace, labels })], imagined: true };
  }

  #listedEndpoints(service: ServiceEntry): { endpoints: readonly Endpoint[]; imagined: boolean } {
    const endpoints = service.endpoints.flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : this.#toAddress(address, { kind: "address", address: text }).direct;
    });
    if (endpoints.length > 0 && service.readable) return { endpoints, imagined: false };
    return { endpoints: [...endpoints, ...this.#anybody()], imagined: true };
  }

  #selectedBy(namespace: string, selector: Readonly<Record<string, unknown>>): readonly Endpoint[] {
    const labels = Object.entries(selector).map(([key, value]) =>
      test("label", key, "in", typeof value === "string" ? value : unknownValue),
    );
    return this.#workloads(namespace, all(...labels)).flatMap((workload) => this.endpoints.ofWorkload(workload));
  }

  #workloads(namespace: string, where: ReturnType<typeof all>): Workload[] {
    return this.snapshot.workloads.filter(
      (workload) =>
        (workload.namespace === namespace || workload.namespaceUnknown) &&
        evaluate(where, podLookup(this.endpoints.pod(workload))) !== NO,
    );
  }

  /** Pods of a Service of which one has the address that its EndpointSlice lists. */
  #endpointPods(service: ServiceEntry, address: Address): readonly Endpoint[] {
    const { selector, namespace } = service;
    const unread = (): PodEndpoint =>
      this.endpoints.unreadPod({
        namespace,
        address,
        ...(selector === undefined ? {} : { labels: { values: selector, complete: false } }),
      });
    if (selector === undefined) return [unread()];
    // pods whose own addresses are known have others
    const selected = this.#selectedBy(namespace, selector).filter(
      (each) => each.kind !== "pod" || each.addresses === undefined,
    );
    return selected.length > 0 ? selected : [unread()];
  }

  /** The port of a backend that a port of the Service leads to; none where the pod has no port of that name. */
  #backendsAt(endpoint: Endpoint, service: ServiceEntry, port: ServicePort): Backend[] {
    const listed = service.endpointPorts.find(
      (each) => each.protocol === port.protocol && each.name === (port.name ?? ""),
    );
    if (service.selector === undefined && listed !== undefined) return [{ endpoint, target: listed.port }];
    const { target } = port;
    if (typeof target !== "string") return [{ endpoint, target }];
    if (endpoint.kind !== "pod") return [{ endpoint, target: listed?.port }];
    const own = endpoint.declaredPorts.filter((each) => each.name === target && each.protocol === port.protocol);
    if (own.length > 0) return own.map((each) => ({ endpoint, target: each.port }));
    return endpoint.portsUnknown ? [{ endpoint, target: listed?.port }] : [];
  }

  /** The ports of nodes at which Services and pods answer. */
  #nodePorts(): RoutedPort[] {
    const ports: RoutedPort[] = [];
    for (const service of this.snapshot.services) {
      if (!service.ports.some(({ nodePort }) => nodePort !== undefined)) continue;
      const route = this.#toService(service);
      for (const { nodePort, protocol, port } of service.ports) {
        const routed = route.ports.find((each) => each.protocol === protocol && each.port === port);
        if (nodePort !== undefined && routed !== undefined) ports.push({ ...routed, port: nodePort });
      }
    }
    for (const workload of this.snapshot.workloads) {
      if (workload.hostNetwork) continue;
      for (const { hostPort, port, protocol } of workload.ports) {
        if (hostPort === undefined) continue;
        const backends = this.endpoints.ofWorkload(workload).map((endpoint) => ({ endpoint, target: port }));
        ports.push({ protocol, port: hostPort, backends, imagined: false });
      }
    }
    return ports;
  }

  /** Pods of the redirect on the port that it has for a port of the Service. */
  #redirectedPort(redirect: Redirect, port: ServicePort): Backend[] {
    if (
      redirect.frontend.ports.length > 0 &&
      !redirect.frontend.ports.some(
        (each) =>
          each.protocol === port.protocol &&
          (each.name === undefined || each.name === port.name) &&
          each.port === port.port,
      )
    ) {
      return [];
    }
    return this.#redirectBackends(redirect, port.protocol, port.name);
  }

  #redirectedAddress(redirect: Redirect, address: Address): RoutedPort[] {
    const { frontend } = redirect;
    if (redirect.inForce === NO || frontend.address === undefined || !isAddress(frontend.address, address)) return [];
    return frontend.ports.map(({ protocol, port, name }) => ({
      protocol,
      port,
      backends: this.#redirectBackends(redirect, protocol, name),
      imagined: false,
    }));
  }

  #redirectBackends(redirect: Redirect, protocol: PortProtocol, name: string | undefined): Backend[] {
    const fitting = redirect.backendPorts.filter((each) => each.protocol === protocol);
    const named = fitting.filter((each) => each.name !== undefined && each.name === name);
    const [target] = named.length > 0 ? named : fitting;
    if (target === undefined) return [];
    return this.redirectPods(redirect).map((endpoint) => ({ endpoint, target: target.port }));
  }

  /** The pods that a redirect sends to; one that was not read where there is none. */
  redirectPods(redirect: Redirect): readonly Endpoint[] {
    const found = this.#workloads(redirect.namespace, redirect.backend).filter(({ hostNetwork }) => !hostNetwork);
    if (found.length > 0) return found.map((workload) => this.endpoints.pod(workload));
    return [this.endpoints.unreadPod({ namespace: redirect.namespace })];
  }

  #workloadNamed(namespace: string, pod: string): Workload | undefined {
    const inNamespace = this.snapshot.workloads.filter((workload) => workload.namespace === namespace);
    return (
      inNamespace.find(({ kind, name, hostName }) => kind === "Pod" && (name === pod || hostName === pod)) ??
      inNamespace.find(({ members }) => members.some(({ name }) => name === pod)) ??
      inNamespace.find(({ kind, name }) => kind === "StatefulSet" && new RegExp(`^${escape(name)}-\\d+$`).test(pod))
    );
  }

  /** What may be behind something that was not read. */
  #anybody(): readonly Endpoint[] {
    return [
      this.endpoints.unreadPod({}),
      ...this.endpoints.anyNode(),
      { kind: "world", name: "an address that is not known", address: undefined, apiServer: NO },
    ];
  }
}

/** One text for each peer: it is asked about at every step of every question. */
function keyOf(peer: Extract<Peer, { kind: "address" | "node" | "fqdn" }>): string {
  switch (peer.kind) {
    case "address":
      return `address\n${peer.address}`;
    case "node":
      return `node\n${peer.where}\n${peer.address ?? ""}`;
    case "fqdn":
      return `fqdn\n${peer.name}\n${peer.address ?? ""}`;
  }
}

/** One of two: what both possibilities have in common stays certain. */
function mergeRoutes(a: Route, b: Route): Route {
  const known = [a.known, b.known].filter((text) => text !== undefined);
  return {
    direct: [...new Set([...a.direct, ...b.direct])],
    ports: [...a.ports, ...b.ports],
    anyPort: [...a.anyPort, ...b.anyPort],
    sole: a.sole && b.sole,
    ...(known.length === 0 ? {} : { known: [...new Set(known)].join(" or ") }),
  };
}

function isAbout({ frontend, inForce }: Redirect, service: ServiceEntry): boolean {
  return inForce !== NO && frontend.service?.name === service.name && frontend.service.namespace === service.namespace;
}

function nameOf({ object, namespace, name }: ServiceEntry): string {
  return describeRef({ apiVersion: object.apiVersion, kind: object.kind, namespace, name });
}

function isAddress(text: string, address: Address): boolean {
  const own = parseAddress(text);
  return own?.family === address.family && own.value === address.value;
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** What is asked of a backend; every port of the protocol where it is not known. */
export function wantedOf(protocol: PortProtocol, { target }: Backend): TrafficSet {
  return target === undefined ? TrafficSet.protocol(protocol) : TrafficSet.ports(protocol, target);
}

/** Whether a pod and a node cannot be as near, or as far, as two possibilities say. */
export function contradicts(a: Endpoint, b: Endpoint): boolean {
  const [pod, node] = a.kind === "pod" ? [a, b] : [b, a];
  if (pod.kind !== "pod" || node.kind !== "node") return false;
  if (pod.nodeName === undefined || node.nodeName === undefined) return false;
  return (pod.nodeName === node.nodeName) !== node.local;
}
