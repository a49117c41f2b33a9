/** Which pods carry the traffic of an Ingress or a Gateway. */
import type { Endpoint } from "../../engine/endpoints";
import type { Engine } from "../../engine/engine";
import { labelOf } from "../../model/selectors/labels";
import type { Workload } from "../../model/snapshot";
import type { Carrier } from "./ways";

/** Pods by labels, in one namespace if it is given. */
interface PodsOf {
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace?: string;
}

type Carrying =
  | { readonly kind: "pods"; readonly any: readonly PodsOf[] }
  /** Cilium's own Envoy: the reserved identity `ingress`. */
  | { readonly kind: "ciliumIngress" }
  | { readonly kind: "outside" };

const name = (value: string): Carrying => ({ kind: "pods", any: [{ labels: { "app.kubernetes.io/name": value } }] });
const outside: Carrying = { kind: "outside" };

/** Controllers of IngressClasses (`spec.controller`), with the labels their charts and manifests give the proxies. */
const ingressControllers: Readonly<Record<string, Carrying>> = {
  "cilium.io/ingress-controller": { kind: "ciliumIngress" },
  "k8s.io/ingress-nginx": name("ingress-nginx"),
  "nginx.org/ingress-controller": name("nginx-ingress"),
  "traefik.io/ingress-controller": name("traefik"),
  "haproxy.org/ingress-controller": name("kubernetes-ingress"),
  "haproxy-ingress.github.io/controller": name("haproxy-ingress"),
  "ingress-controllers.konghq.com/kong": name("kong"),
  "apisix.apache.org/apisix-ingress": name("apisix"),
  "projectcontour.io/ingress-controller": {
    kind: "pods",
    any: [
      { labels: { "app.kubernetes.io/name": "contour", "app.kubernetes.io/component": "envoy" } },
      { labels: { app: "envoy" } },
    ],
  },
  "istio.io/ingress-controller": { kind: "pods", any: [{ labels: { istio: "ingressgateway" } }] },
  "ingress.k8s.aws/alb": outside,
  "k8s.io/ingress-gce": outside,
  "networking.gke.io/ingress": outside,
  "azure/application-gateway": outside,
};

/** The label that every implementation gives the pods of a Gateway (GEP-1762). */
const gatewayLabel = "gateway.networking.k8s.io/gateway-name";

/** Controllers of GatewayClasses (`spec.controllerName`). */
function gatewayCarrying(controller: string, namespace: string, gateway: string): Carrying | undefined {
  const own: PodsOf = { namespace, labels: { [gatewayLabel]: gateway } };
  if (controller === "io.cilium/gateway-controller") return { kind: "ciliumIngress" };
  if (controller === "istio.io/gateway-controller") return { kind: "pods", any: [own] };
  if (controller === "gateway.envoyproxy.io/gatewayclass-controller") {
    const labels = {
      "gateway.envoyproxy.io/owning-gateway-name": gateway,
      "gateway.envoyproxy.io/owning-gateway-namespace": namespace,
    };
    return { kind: "pods", any: [{ labels }] };
  }
  if (controller === "traefik.io/gateway-controller") return name("traefik");
  if (
    /^(networking\.gke\.io|application-networking\.k8s\.aws|gateway\.k8s\.aws|alb\.networking\.azure\.io)\//.test(
      controller,
    )
  )
    return outside;
  return { kind: "pods", any: [own] };
}

export interface Found {
  readonly carrier: Carrier;
  readonly because: string;
}

/** Who carries the traffic of an Ingress of a class that a controller serves. */
export function carrierOfIngress(engine: Engine, controller: string | undefined): Found {
  if (controller === undefined) {
    return { carrier: { kind: "somebody" }, because: "its class is not in the snapshot: who carries it is not known" };
  }
  return found(engine, controller, ingressControllers[controller], undefined);
}

/** Who carries the traffic of a Gateway of a class that a controller serves. */
export function carrierOfGateway(
  engine: Engine,
  controller: string | undefined,
  namespace: string,
  gateway: string,
): Found {
  const labelled: Carrying = { kind: "pods", any: [{ namespace, labels: { [gatewayLabel]: gateway } }] };
  const carrying = controller === undefined ? labelled : gatewayCarrying(controller, namespace, gateway);
  // Istio and others start the proxies themselves, in the Gateway's namespace
  const account = controller === "istio.io/gateway-controller" ? `${gateway}-istio` : undefined;
  const start = account === undefined ? undefined : { namespace, labels: { [gatewayLabel]: gateway }, account };
  return found(engine, controller ?? "a class that is not in the snapshot", carrying, start);
}

interface Started {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly account: string;
}

function found(engine: Engine, controller: string, carrying: Carrying | undefined, start: Started | undefined): Found {
  if (carrying?.kind === "outside") {
    return { carrier: { kind: "outside" }, because: `carried by a load balancer outside the cluster (${controller})` };
  }
  if (carrying?.kind === "ciliumIngress") {
    return {
      carrier: { kind: "proxies", proxies: [[engine.endpoints.ciliumIngress]] },
      because: `carried by Cilium's Envoy, the identity "ingress" (${controller})`,
    };
  }
  const workloads = carrying === undefined ? [] : engine.snapshot.workloads.filter((each) => isOne(each, carrying.any));
  if (workloads.length > 0) {
    const proxies = workloads.map((workload): readonly Endpoint[] => engine.endpoints.ofWorkload(workload));
    const ids = workloads.map(({ id }) => id).join(", ");
    return { carrier: { kind: "proxies", proxies }, because: `carried by ${ids} (${controller})` };
  }
  if (start !== undefined) {
    const { namespace, labels, account } = start;
    const pod = engine.endpoints.resolve({ kind: "freshPod", namespace, labels, serviceAccount: account });
    return {
      carrier: { kind: "proxies", proxies: [pod] },
      because: `carried by a proxy that is started in namespace ${namespace} (${controller})`,
    };
  }
  return {
    carrier: { kind: "somebody" },
    because: `no pods of ${controller} are in the snapshot: who carries it is not known`,
  };
}

function isOne(workload: Workload, any: readonly PodsOf[]): boolean {
  return any.some(
    ({ labels, namespace }) =>
      (namespace === undefined || workload.namespace === namespace) &&
      Object.entries(labels).every(([key, value]) => labelOf(workload.labelSet, key) === value),
  );
}
