/** Services: what is behind them, and the ways in that they open by themselves. */
import type { Engine } from "../../engine/engine";
import { describeRef, type ObjectRef } from "../../model/objects";
import { AddressSet, parseCidr } from "../../model/sets/addresses";
import type { Workload } from "../../model/snapshot";
import { isUnknown, MAYBE, NO, triOr, YES, type Tri } from "../../model/unknown";
import { groupOf, mapsOf, numberOf, refOf, textOf } from "./fields";
import { listOf, mapOf, type Fields } from "../../model/plain";
import { selectsByLabels, type Carrier, type Target, type Way } from "./ways";

interface Service {
  readonly ref: ObjectRef & { readonly namespace: string };
  readonly spec: Fields;
  readonly annotations: Fields;
  /** Addresses that EndpointSlices and Endpoints list for it. */
  readonly endpoints: readonly string[];
}

/** The Services of a snapshot. */
export class Services {
  readonly #services = new Map<string, Service>();

  constructor(private readonly engine: Engine) {
    const { others } = engine.snapshot;
    const endpoints = new Map<string, string[]>();
    for (const each of others) {
      const { kind } = each.object;
      const { namespace, name } = refOf(each);
      if (kind === "EndpointSlice" && groupOf(each) === "discovery.k8s.io") {
        const service = textOf(mapOf(each.object.metadata?.labels)["kubernetes.io/service-name"]);
        const found = mapsOf(each.object["endpoints"]).flatMap((entry) => listOf(entry["addresses"]));
        if (service !== undefined) addTo(endpoints, `${namespace}/${service}`, found);
      } else if (kind === "Endpoints" && groupOf(each) === "") {
        const found = mapsOf(each.object["subsets"]).flatMap((subset) => mapsOf(subset["addresses"]));
        addTo(
          endpoints,
          `${namespace}/${name}`,
          found.map((entry) => entry["ip"]),
        );
      }
    }
    for (const each of others) {
      if (each.object.kind !== "Service" || groupOf(each) !== "") continue;
      const ref = refOf(each);
      const key = `${ref.namespace}/${ref.name}`;
      this.#services.set(key, {
        ref,
        spec: mapOf(each.object.spec),
        annotations: mapOf(each.object.metadata?.annotations),
        endpoints: endpoints.get(key) ?? [],
      });
    }
  }

  /** What is behind a Service, on one of its ports if one is named; nothing where the snapshot lacks the Service. */
  behind(namespace: string, name: string, port?: number | string): Target | undefined {
    const service = this.#services.get(`${namespace}/${name}`);
    return service === undefined ? undefined : targetOf(service, port);
  }

  /** The ways in that Services open by themselves. */
  ways(): Way[] {
    return [...this.#services.values()].flatMap((service) => this.#waysOf(service));
  }

  #waysOf(service: Service): Way[] {
    const { spec, ref } = service;
    const type = spec["type"];
    const target = targetOf(service);
    const way = (carrier: Carrier, open: Tri, because: readonly string[]): Way => ({
      via: ref,
      carrier,
      target,
      open,
      because,
    });
    const notes: string[] = [];
    if (isUnknown(type)) notes.push(`the type of ${describeRef(ref)} is not known yet`);
    const open = isUnknown(type) ? MAYBE : YES;
    const ways: Way[] = [];
    const external = listOf(spec["externalIPs"]);
    if (external.length > 0) {
      const addresses = external.map((address) => textOf(address) ?? "(unknown)").join(", ");
      ways.push(way(this.#atNode(spec), YES, [`external addresses ${addresses}, ${portsText(spec, "port")}`]));
    }
    const balanced = type === "LoadBalancer";
    const onNodes =
      type === "NodePort" || isUnknown(type) || (balanced && spec["allocateLoadBalancerNodePorts"] !== false);
    if (balanced) ways.push(way(...this.#balancer(service)));
    // behind a load balancer that names clients the node ports stay open to everybody
    const clients = balanced && listOf(spec["loadBalancerSourceRanges"]).length > 0;
    if (onNodes && (!balanced || clients)) {
      const ports = portsText(spec, "nodePort");
      const more = clients ? ["loadBalancerSourceRanges do not apply to node ports"] : [];
      ways.push(
        way(this.#atNode(spec), open, [...notes, `node ports on every node: ${ports}`, ...more, policyText(spec)]),
      );
    }
    return ways;
  }

  #balancer({ spec, annotations }: Service): [Carrier, Tri, string[]] {
    const because = [`a load balancer, ${portsText(spec, "port")}`];
    if (isInternal(annotations)) because.push("the load balancer is internal: clients are those of its network");
    const given = listOf(spec["loadBalancerSourceRanges"]);
    const ranges = given.map((text) => (typeof text === "string" ? parseCidr(text.trim()) : undefined));
    const known = ranges.filter((range) => range !== undefined);
    if (given.length > 0) {
      because.push(
        known.length === given.length
          ? `clients: ${given.map(String).join(", ")}`
          : "loadBalancerSourceRanges cannot all be read: any client may be among them",
      );
    }
    because.push(policyText(spec));
    const carrier = this.#atNode(spec);
    // a node's address hides the client's: the ranges are then no matter of policies
    if (carrier.kind !== "client" || given.length === 0) return [carrier, YES, because];
    if (known.length < given.length) return [carrier, MAYBE, because];
    return [{ kind: "client", from: AddressSet.of(...known) }, YES, because];
  }

  /**
   * Who sends the last packet of what arrives at a node. With `Local` the client's address stays. With `Cluster` the node
   * puts its own in its place; Cilium does so only where the pod runs on another node.
   */
  #atNode(spec: Fields): Carrier {
    const policy = spec["externalTrafficPolicy"];
    if (policy === "Local") return { kind: "client" };
    return { kind: "node", perhapsClient: this.engine.snapshot.profile.mayKeepClientAddress || isUnknown(policy) };
  }
}

function targetOf({ ref, spec, endpoints }: Service, port?: number | string): Target {
  const byLabels = isUnknown(spec["selector"]) ? (): Tri => MAYBE : selectsByLabels(mapOf(spec["selector"]));
  // a Service without a selector has the endpoints that somebody lists for it
  const byAddress = (workload: Workload): Tri =>
    workload.addresses.some((address) => endpoints.includes(address)) ? YES : NO;
  return {
    namespace: ref.namespace,
    service: ref,
    selects: (workload) => (spec["type"] === "ExternalName" ? NO : triOr(byLabels(workload), byAddress(workload))),
    ports: mapsOf(spec["ports"]),
    ...(port === undefined ? {} : { port }),
  };
}

function addTo(map: Map<string, string[]>, key: string, addresses: readonly unknown[]): void {
  const list = map.get(key) ?? [];
  list.push(...addresses.map(textOf).filter((address) => address !== undefined));
  map.set(key, list);
}

function portsText(spec: Fields, field: "port" | "nodePort"): string {
  const texts = mapsOf(spec["ports"]).map((port) => {
    const number = numberOf(port[field]);
    const protocol = textOf(port["protocol"]) ?? "TCP";
    return number === undefined ? `${protocol} (assigned when created)` : `${protocol} ${number}`;
  });
  return texts.length === 0 ? "no ports" : texts.join(", ");
}

function policyText(spec: Fields): string {
  return spec["externalTrafficPolicy"] === "Local"
    ? "externalTrafficPolicy Local: the pod sees the client's address"
    : "externalTrafficPolicy Cluster: the pod sees a node's address in place of the client's";
}

/** Annotations by which clouds make a load balancer internal. */
const internalAnnotations: Readonly<Record<string, readonly string[]>> = {
  "service.beta.kubernetes.io/aws-load-balancer-internal": ["true", "0.0.0.0/0"],
  "service.beta.kubernetes.io/aws-load-balancer-scheme": ["internal"],
  "service.beta.kubernetes.io/azure-load-balancer-internal": ["true"],
  "networking.gke.io/load-balancer-type": ["Internal"],
  "cloud.google.com/load-balancer-type": ["Internal"],
  "service.beta.kubernetes.io/openstack-internal-load-balancer": ["true"],
  "service.beta.kubernetes.io/oci-load-balancer-internal": ["true"],
};

function isInternal(annotations: Fields): boolean {
  return Object.entries(internalAnnotations).some(([key, values]) => values.includes(String(annotations[key])));
}
