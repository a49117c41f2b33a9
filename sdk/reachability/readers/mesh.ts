/** Which pods take part in an Istio mesh, and how. */
import { isUnknown, unknownValue, type UnknownValue } from "../model/unknown";
import { labelOf, type LabelSet } from "../model/selectors/labels";

/** How a pod takes part in the mesh; nothing where it does not. */
export type MeshMode = "sidecar" | "ambient";

/**
 * A pod's mode, by the labels that Istio's injector and CNI plugin look at: the pod's own `sidecar.istio.io/inject` first,
 * then the namespace's `istio-injection` and `istio.io/rev`; `istio.io/dataplane-mode` for ambient.
 * Source: istio pkg/kube/inject and cni/pkg/util.
 */
export function meshModeOf(
  pod: LabelSet,
  namespace: LabelSet,
  annotations: Readonly<Record<string, string>>,
): MeshMode | UnknownValue | undefined {
  const inject = labelOf(pod, "sidecar.istio.io/inject") ?? annotations["sidecar.istio.io/inject"];
  const injection = labelOf(namespace, "istio-injection");
  const revision = labelOf(namespace, "istio.io/rev");
  const podRevision = labelOf(pod, "istio.io/rev");
  const podMode = labelOf(pod, "istio.io/dataplane-mode");
  const namespaceMode = labelOf(namespace, "istio.io/dataplane-mode");
  const values = [inject, injection, revision, podRevision, podMode, namespaceMode];
  if (values.some(isUnknown)) return unknownValue;
  const injected =
    inject === "false"
      ? false
      : inject === "true" ||
        injection === "enabled" ||
        (injection !== "disabled" && (revision !== undefined || podRevision !== undefined));
  if (injected) return "sidecar";
  const mode = podMode ?? namespaceMode;
  return mode === "ambient" ? "ambient" : undefined;
}
