/** Services, with what lies behind them and where they answer. */
import type { KubeObject } from "./objects";
import type { LabelSet, LabelValue } from "./selectors/labels";
import type { PortProtocol } from "./sets/ports";

/** A port of a Service, and where it leads at the pods behind it. */
export interface ServicePort {
  readonly name?: string;
  readonly protocol: PortProtocol;
  readonly port: number;
  /** The pod's port by number or by name; nothing where that is not known. */
  readonly target: number | string | undefined;
  readonly nodePort?: number;
}

/** An address that an EndpointSlice or an Endpoints object lists. */
export interface ServiceEndpoint {
  readonly address: string;
  /** The pod that has the address, by name, where the object says so. */
  readonly pod?: { readonly namespace: string; readonly name: string };
  readonly hostname?: string;
}

/** A Service with the endpoints that its EndpointSlices and Endpoints list. */
export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly labelSet: LabelSet;
  /** `spec.selector`; nothing for a Service without one. */
  readonly selector: Readonly<Record<string, LabelValue>> | undefined;
  readonly endpoints: readonly string[];
  /** The same endpoints with what is said of each. */
  readonly listed: readonly ServiceEndpoint[];
  /** The ports that EndpointSlices and Endpoints state, by the name of the Service's port (`""` for none). */
  readonly endpointPorts: readonly { readonly name: string; readonly protocol: PortProtocol; readonly port: number }[];
  /** False: whom it stands for is not known, or cannot be read. */
  readonly readable: boolean;
  readonly ports: readonly ServicePort[];
  /** Some port of it is not known or cannot be read. */
  readonly portsUnknown: boolean;
  /** `clusterIP: None`: its name stands for the pods themselves. */
  readonly headless: boolean;
  /** `spec.clusterIP` and `spec.clusterIPs`. */
  readonly clusterIps: readonly string[];
  /** External IPs and the load balancer's addresses, given or wanted: others than the cluster may answer there as well. */
  readonly outerAddresses: readonly string[];
  /** Names of the load balancer (`status.loadBalancer.ingress[].hostname`). */
  readonly outerNames: readonly string[];
  /** The name that an ExternalName Service stands for. */
  readonly externalName?: string;
  readonly object: KubeObject;
}

/** Cilium's own Ingresses and Gateways: their Services lead to Envoy on the node, and their endpoint is a placeholder. */
export function isCiliumProxy(service: ServiceEntry): boolean {
  if (service.selector !== undefined) return false;
  const labels = service.labelSet.values;
  return (
    labels["cilium.io/ingress"] === "true" ||
    labels["io.cilium.gateway/owning-gateway"] !== undefined ||
    /^cilium-(gateway|ingress)/.test(service.name)
  );
}
