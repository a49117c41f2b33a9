/** Which pods take part in an Istio mesh, and how. */
import type { GatewayMode, MeshInstallation, MeshMode } from "../model/mesh";
import type { Workload } from "../model/snapshot";
import { isUnknown, MAYBE, NO, tri, triAnd, unknownValue, YES, type Tri, type UnknownValue } from "../model/unknown";
import { labelOf, noLabels, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { defaultInstallation, gatewayByLabels, isInjectedByDefault, isSelected } from "./mesh-installation";
import { labelSetOf, podTemplateOf } from "./workloads";
import { listOf, mapOf, type Fields } from "../model/plain";

/** What Istio looks at of a pod. */
export interface MeshSubject {
  readonly namespace: LabelValue;
  readonly namespaceLabels: LabelSet;
  readonly labels: LabelSet;
  readonly annotations: LabelSet;
  readonly proxy: PodProxy | undefined;
  /** The pod has been admitted: what it lacks nobody injects any more. */
  readonly admitted: boolean;
  readonly hostNetwork: boolean;
}

/** A proxy of Istio's in the pod's own specification. */
type PodProxy = "sidecar" | "gateway" | "waypoint";

/** A subject that does not exist yet, of which only labels are known. */
export function futurePod(namespace: LabelValue, labels: LabelSet, namespaceLabels: LabelSet): MeshSubject {
  return {
    namespace,
    labels,
    namespaceLabels,
    annotations: noLabels,
    proxy: undefined,
    admitted: false,
    hostNetwork: false,
  };
}

/** A workload as Istio sees its pods. */
export function meshSubjectOf(workload: Workload, namespaceLabels: LabelSet): MeshSubject {
  const template = podTemplateOf(workload.object);
  const annotations = labelSetOf(mapOf(template?.metadata)["annotations"]);
  return {
    namespace: workload.namespaceUnknown ? unknownValue : workload.namespace,
    namespaceLabels,
    labels: workload.labelSet,
    annotations: isUnknown(template?.metadata) ? { values: {}, complete: false } : annotations,
    proxy: proxyIn(template?.spec, workload.labelSet, annotations),
    admitted: workload.kind === "Pod" && isAdmitted(workload.object["status"]),
    hostNetwork: workload.hostNetwork,
  };
}

/** A pod's mode. An unknown label or annotation makes it unknown. */
export function meshModeOf(
  pod: MeshSubject,
  installation: MeshInstallation = defaultInstallation,
): MeshMode | UnknownValue | undefined {
  if (pod.hostNetwork) return undefined;
  const proxy = pod.proxy ?? gatewayOf(pod, installation);
  if (proxy !== undefined) return proxy;
  const injected = pod.admitted ? NO : isInjected(pod, installation);
  if (injected === MAYBE) return unknownValue;
  if (injected === YES) return injectsGateway(pod.annotations) ? "gateway" : "sidecar";
  const captured = isAmbient(pod);
  return captured === MAYBE ? unknownValue : captured === YES ? "ambient" : undefined;
}

/** Namespaces in which nothing is injected, whatever their labels say (istio pkg/kube/inject, IgnoredNamespaces). */
const ignoredNamespaces: ReadonlySet<string> = new Set([
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "local-path-storage",
]);

/**
 * Whether the injector adds a proxy: a webhook has to select the pod, and the pod's label or, without one, its annotation
 * `sidecar.istio.io/inject` may refuse it (istio pkg/kube/inject, injectRequired).
 */
function isInjected(pod: MeshSubject, installation: MeshInstallation): Tri {
  if (!isUnknown(pod.namespace) && ignoredNamespaces.has(pod.namespace)) return NO;
  const wish = labelOf(pod.labels, injectKey) ?? labelOf(pod.annotations, injectKey);
  const wanted = isUnknown(wish)
    ? MAYBE
    : wish === "true" || wish === "false"
      ? tri(wish === "true")
      : isInjectedByDefault(installation, pod.labels);
  return triAnd(isSelected(installation, pod.labels, pod.namespaceLabels), wanted);
}

const injectKey = "sidecar.istio.io/inject";
const modeKey = "istio.io/dataplane-mode";

/** Whether istio-cni captures the pod: by its own label, or by its namespace's unless its own is `none`. */
function isAmbient({ labels, namespaceLabels, annotations }: MeshSubject): Tri {
  if (labelOf(annotations, "ambient.istio.io/redirection") === "enabled") return YES;
  const own = labelOf(labels, modeKey);
  if (own === "ambient") return YES;
  const around = labelOf(namespaceLabels, modeKey);
  const byNamespace = isUnknown(around) ? MAYBE : tri(around === "ambient");
  // its own may say ambient, or none
  if (isUnknown(own)) return MAYBE;
  return own === "none" ? NO : byNamespace;
}

/** The template by which the injector makes a gateway of a pod (chart `gateway`). */
function injectsGateway(annotations: LabelSet): boolean {
  const templates = labelOf(annotations, "inject.istio.io/templates");
  return typeof templates === "string" && templates.split(",").some((name) => name.trim() === "gateway");
}

/** A pod of a Gateway of Istio's, by the label with its name. */
function gatewayOf({ namespace, labels }: MeshSubject, { gateways }: MeshInstallation): GatewayMode | undefined {
  const name = labelOf(labels, "gateway.networking.k8s.io/gateway-name");
  if (typeof name !== "string" || typeof namespace !== "string") return undefined;
  return gateways.get(`${namespace}/${name}`);
}

/**
 * The proxy in a pod: istiod's own gateways by their labels, others by a container that
 * runs `pilot-agent proxy router|waypoint|sidecar`, injected pods by the annotation that the injector leaves. A container
 * `istio-proxy` with the image `auto` stands for one that is still to be injected.
 */
function proxyIn(spec: unknown, labels: LabelSet, annotations: LabelSet): PodProxy | undefined {
  const managed = gatewayByLabels(labels);
  if (managed !== undefined) return managed;
  const containers = containersOf(spec);
  const injected = labelOf(annotations, "sidecar.istio.io/status") !== undefined && annotations.complete;
  for (const container of containers) {
    const role = roleOf(container);
    if (role !== undefined) return role;
  }
  const own = containers.find((container) => container["name"] === "istio-proxy");
  if (own === undefined) {
    if (injected) return injectsGateway(annotations) ? "gateway" : "sidecar";
    return labelOf(labels, "gateway.networking.k8s.io/gateway-name") !== undefined &&
      labels.complete &&
      labelOf(labels, injectKey) === "false"
      ? "gateway"
      : undefined;
  }
  if (own["image"] === "auto" || own["image"] === undefined) {
    return injectsGateway(annotations) || (injected && containers.length === 1) ? "gateway" : undefined;
  }
  const alone = containers.every((container) => container === own);
  return alone || injectsGateway(annotations) ? "gateway" : "sidecar";
}

/** What a container of pilot-agent is told to be: `proxy router`, `proxy waypoint`, `proxy sidecar`. */
function roleOf(container: Fields): PodProxy | undefined {
  const args = listOf(container["args"]);
  if (args[0] !== "proxy") return undefined;
  return args[1] === "router"
    ? "gateway"
    : args[1] === "waypoint"
      ? "waypoint"
      : args[1] === "sidecar"
        ? "sidecar"
        : undefined;
}

/** Containers that run as long as the pod: native sidecars included. */
function containersOf(spec: unknown): Fields[] {
  const fields = mapOf(spec);
  return [
    ...listOf(fields["containers"]).map(mapOf),
    ...listOf(fields["initContainers"])
      .map(mapOf)
      .filter((container) => container["restartPolicy"] === "Always"),
  ];
}

/** Whether a Pod is one of a cluster: an address alone may be written by hand. */
function isAdmitted(status: unknown): boolean {
  const fields = mapOf(status);
  return ["phase", "startTime", "containerStatuses", "conditions"].some((key) => fields[key] !== undefined);
}
