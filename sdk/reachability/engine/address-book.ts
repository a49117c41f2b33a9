/** What the snapshot knows by address or by name: pods, nodes, Services, and what lies behind them. */
import type { ServiceEntry } from "../model/services";
import { formatAddress, parseAddress, type Address } from "../model/sets/addresses";
import type { ClusterNode, Snapshot, Workload } from "../model/snapshot";
import { nodeLocalDnsAddresses } from "../readers/node-local-dns";

/** What an address belongs to. */
export type Holder =
  | { readonly kind: "workload"; readonly workload: Workload; readonly member?: string }
  | { readonly kind: "node"; readonly node: ClusterNode }
  /** An address that every node gives to the DNS cache on it. */
  | { readonly kind: "nodeCache"; readonly workload: Workload }
  /** A ClusterIP: only the cluster answers there. */
  | { readonly kind: "service"; readonly service: ServiceEntry }
  /** An external IP or a load balancer's address. */
  | { readonly kind: "outer"; readonly service: ServiceEntry }
  /** An endpoint of a Service of pods; none of the pods that were read has it. */
  | { readonly kind: "endpoint"; readonly service: ServiceEntry }
  /** It lies in the range of pods, or of Services, and nobody who was read has it. */
  | { readonly kind: "unreadPod" }
  | { readonly kind: "unreadService" };

/** What a name in the cluster's DNS stands for. */
export type Named =
  | { readonly kind: "service"; readonly service: ServiceEntry }
  /** One pod of a Service, by the pod's host name. */
  | { readonly kind: "podOf"; readonly service: ServiceEntry; readonly host: string }
  | { readonly kind: "address"; readonly address: Address }
  | { readonly kind: "node"; readonly node: ClusterNode }
  /** A load balancer's name. */
  | { readonly kind: "outer"; readonly service: ServiceEntry }
  | { readonly kind: "apiServer" }
  /** A Service that was not read. */
  | { readonly kind: "unreadService"; readonly namespace: string; readonly name: string };

export class AddressBook {
  readonly #holders = new Map<string, Holder[]>();
  readonly #services = new Map<string, ServiceEntry>();
  readonly #hostNames = new Map<string, ClusterNode>();
  readonly #outerNames = new Map<string, ServiceEntry>();

  constructor(private readonly snapshot: Snapshot) {
    const caches: [string, Workload][] = [];
    for (const workload of snapshot.workloads) {
      if (workload.hostNetwork) {
        for (const address of nodeLocalDnsAddresses(workload)) caches.push([address, workload]);
        continue;
      }
      const ofMembers = new Set<string>();
      for (const { name, addresses } of workload.members) {
        for (const address of addresses) {
          this.#add(address, { kind: "workload", workload, member: name });
          ofMembers.add(address);
        }
      }
      for (const address of workload.addresses) {
        if (!ofMembers.has(address)) this.#add(address, { kind: "workload", workload });
      }
    }
    for (const node of snapshot.nodes) {
      for (const address of node.addresses) this.#add(address, { kind: "node", node });
      for (const name of node.hostNames) this.#hostNames.set(normalise(name), node);
    }
    for (const service of snapshot.services) {
      this.#services.set(`${service.namespace}/${service.name}`, service);
      for (const address of service.clusterIps) this.#add(address, { kind: "service", service });
      for (const address of service.outerAddresses) this.#add(address, { kind: "outer", service });
      for (const name of service.outerNames) this.#outerNames.set(normalise(name), service);
    }
    for (const service of snapshot.services) {
      for (const { address, pod } of service.listed) {
        if (service.selector === undefined && pod === undefined) continue;
        if (!this.#holders.has(keyOf(address))) this.#add(address, { kind: "endpoint", service });
      }
    }
    // the cache also takes over the ClusterIP of the DNS Service: translation of that depends on the enforcer
    for (const [address, workload] of caches) {
      if (!this.#holders.has(keyOf(address))) this.#add(address, { kind: "nodeCache", workload });
    }
  }

  #add(text: string, holder: Holder): void {
    const key = keyOf(text);
    const known = this.#holders.get(key);
    if (known === undefined) this.#holders.set(key, [holder]);
    else known.push(holder);
  }

  /** Everything that has an address; nothing where it lies outside the cluster as far as the snapshot knows. */
  holdersOf(address: Address): readonly Holder[] {
    const known = this.#holders.get(formatAddress(address));
    if (known !== undefined) return known;
    if (this.snapshot.podAddresses?.contains(address) === true) return [{ kind: "unreadPod" }];
    if (this.snapshot.serviceAddresses?.contains(address) === true) return [{ kind: "unreadService" }];
    return [];
  }

  service(namespace: string, name: string): ServiceEntry | undefined {
    return this.#services.get(`${namespace}/${name}`);
  }

  /**
   * What a DNS name stands for in the cluster: a Service (`web.shop.svc.cluster.local`, `web.shop.svc`, `web.shop`), a pod of
   * a headless one, a pod by its address, a node, a load balancer. Nothing for other names. Source: the DNS specification of
   * Kubernetes.
   */
  named(name: string): Named | undefined {
    const plain = normalise(name);
    const node = this.#hostNames.get(plain);
    if (node !== undefined) return { kind: "node", node };
    const outer = this.#outerNames.get(plain);
    if (outer !== undefined) return { kind: "outer", service: outer };
    return this.#inCluster(plain);
  }

  #inCluster(plain: string): Named | undefined {
    const domain = this.snapshot.clusterDomains.find((each) => plain.endsWith(`.${each}`));
    const labels = (domain === undefined ? plain : plain.slice(0, -domain.length - 1)).split(".");
    const type = labels.at(-1);
    if (type === "pod" && labels.length === 3) return podByAddress(labels[0] ?? "");
    if (type === "svc" && labels.length >= 3) return this.#serviceNamed(labels.slice(0, -1));
    // `web.shop` and `db-0.db.shop` are completed by the resolver's search list
    if (domain !== undefined) return undefined;
    const written = this.#knownService(labels);
    return written === undefined ? undefined : this.#serviceNamed(labels);
  }

  #knownService(labels: readonly string[]): ServiceEntry | undefined {
    return labels.length < 2 || labels.length > 3 ? undefined : this.service(labels.at(-1) ?? "", labels.at(-2) ?? "");
  }

  /** `web.shop`, `db-0.db.shop`, `_http._tcp.web.shop`. */
  #serviceNamed(labels: readonly string[]): Named | undefined {
    const [namespace = "", name = ""] = [labels.at(-1), labels.at(-2)];
    const hosts = labels.slice(0, -2).filter((label) => !label.startsWith("_"));
    const service = this.service(namespace, name);
    if (service === undefined) {
      return namespace === "default" && name === "kubernetes"
        ? { kind: "apiServer" }
        : { kind: "unreadService", namespace, name };
    }
    const [host] = hosts;
    return host === undefined ? { kind: "service", service } : { kind: "podOf", service, host };
  }
}

/** `10-244-1-5`, `2001-db8--1`: an address in the form of a DNS label. */
function podByAddress(label: string): Named | undefined {
  const address = addressOfLabel(label);
  return address === undefined ? undefined : { kind: "address", address };
}

/** The address that a DNS label spells with dashes; nothing where it spells none. */
export function addressOfLabel(label: string): Address | undefined {
  return parseAddress(label.replaceAll("-", ".")) ?? parseAddress(label.replaceAll("-", ":"));
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** One text for all spellings of an address. */
function keyOf(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}
