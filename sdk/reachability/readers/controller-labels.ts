/** Labels that controllers, and the scheduler's admission, put on pods besides those of the template. */
import { controllerLabels } from "../model/controller-label-keys";
import type { KubeObject } from "../model/objects";
import type { LabelSet, LabelValue } from "../model/selectors/labels";
import { isUnknown, someValue } from "../model/unknown";
import { mapOf, type Fields } from "../model/plain";

/** As many pods of one controller as are told apart by name. */
const mostPods = 256;

/** The labels of the node that pods get when they are bound (PodTopologyLabelsAdmission). */
const topologyKeys: ReadonlySet<string> = new Set(["topology.kubernetes.io/zone", "topology.kubernetes.io/region"]);

/** Keys of the labels that differ between the pods of one controller, or from one revision to the next. */
const controllerLabelKeys: ReadonlySet<string> = new Set([...topologyKeys, ...controllerLabels]);

/** The labels that all pods of a controller share, of those of one pod. */
export function withoutControllerLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !controllerLabelKeys.has(key)));
}

/**
 * The labels that the pods of an object have: those of its template, and what its controller adds, as "some value" where
 * nobody knows it beforehand. Sources: pkg/controller/{deployment,statefulset,daemon},
 * pkg/registry/batch/job/strategy.go, plugin/pkg/admission/podtopologylabels.
 *
 * @param topology Whether pods may get their node's topology labels (Kubernetes 1.33 or later).
 */
export function withControllerLabels(labels: LabelSet, object: KubeObject, topology: boolean): LabelSet {
  const added = addedBy(object);
  const values = { ...labels.values };
  const isRead = hasPods(object);
  for (const [key, value] of Object.entries(added)) {
    // the controller overwrites what the template states, unless the labels are those of pods that run
    if (!isRead || !Object.hasOwn(values, key)) values[key] = value;
  }
  // a pod that runs has got them, or not, and its own labels say so
  return topology && !isBound(object) ? { ...labels, values, perhaps: topologyKeys } : { ...labels, values };
}

/** Whether the pods of a controller were read, and its labels are theirs. */
function hasPods(object: KubeObject): boolean {
  return Array.isArray(mapOf(object["status"])["pods"]);
}

function addedBy(object: KubeObject): Record<string, LabelValue> {
  const group = object.apiVersion.split("/")[0] ?? "";
  if (group === "apps") {
    switch (object.kind) {
      case "Deployment":
        return { "pod-template-hash": someValue() };
      case "DaemonSet":
        return { "controller-revision-hash": someValue(), "pod-template-generation": someValue() };
      case "StatefulSet":
        return { "controller-revision-hash": someValue(), ...numbered(object) };
      default:
        return {};
    }
  }
  if (group !== "batch") return {};
  if (object.kind === "Job") return ofJob(object);
  if (object.kind !== "CronJob") return {};
  const name = nameOf(object);
  const made = name === undefined ? someValue() : someValue({ pattern: new RegExp(`^${escape(name)}-`) });
  return jobLabels(made, someValue(), mapOf(mapOf(mapOf(object.spec)["jobTemplate"])["spec"]));
}

/** The name and the number of each pod of a StatefulSet. */
function numbered(object: KubeObject): Record<string, LabelValue> {
  const spec = mapOf(object.spec);
  const name = nameOf(object);
  const replicas = spec["replicas"] ?? 1;
  const start = mapOf(spec["ordinals"])["start"] ?? 0;
  const known = typeof replicas === "number" && typeof start === "number" && replicas > 0 && replicas <= mostPods;
  const numbers = known ? Array.from({ length: replicas }, (_, index) => String(start + index)) : undefined;
  return {
    "statefulset.kubernetes.io/pod-name":
      name === undefined
        ? someValue()
        : numbers === undefined
          ? someValue({ pattern: new RegExp(`^${escape(name)}-\\d+$`) })
          : oneOf(numbers.map((number) => `${name}-${number}`)),
    "apps.kubernetes.io/pod-index": numbers === undefined ? someValue({ pattern: /^\d+$/ }) : oneOf(numbers),
  };
}

function ofJob(object: KubeObject): Record<string, LabelValue> {
  const uid = object.metadata?.["uid"];
  return jobLabels(nameOf(object) ?? someValue(), typeof uid === "string" ? uid : someValue(), mapOf(object.spec));
}

function jobLabels(name: LabelValue, uid: LabelValue, spec: Fields): Record<string, LabelValue> {
  const completions = spec["completions"];
  const isIndexed = spec["completionMode"] === "Indexed";
  const numbers =
    typeof completions === "number" && completions > 0 && completions <= mostPods
      ? Array.from({ length: completions }, (_, index) => String(index))
      : undefined;
  const index = numbers === undefined ? someValue({ pattern: /^\d+$/ }) : oneOf(numbers);
  const indexed: Record<string, LabelValue> = isIndexed ? { "batch.kubernetes.io/job-completion-index": index } : {};
  // with a selector of its own the Job's template is taken as it stands
  if (spec["manualSelector"] === true) return indexed;
  return {
    "job-name": name,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "batch.kubernetes.io/controller-uid": uid,
    ...indexed,
  };
}

function oneOf(values: readonly string[]): LabelValue {
  const [only] = values;
  return values.length === 1 && only !== undefined ? only : someValue({ oneOf: values });
}

function isBound(object: KubeObject): boolean {
  if (object.kind !== "Pod") return hasPods(object);
  const status = mapOf(object["status"]);
  return status["phase"] !== undefined || status["podIP"] !== undefined || status["hostIP"] !== undefined;
}

function nameOf(object: KubeObject): string | undefined {
  const name = object.metadata?.name;
  return typeof name === "string" && name !== "" && !isUnknown(name) ? name : undefined;
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Whether pods may get their node's topology labels, by the versions of the nodes that the objects show. */
export function mayLabelTopology(kubeletVersions: readonly string[]): boolean {
  const [first, ...rest] = kubeletVersions.map((text) => /^v?1\.(\d+)/.exec(text)?.[1]).map((minor) => Number(minor));
  if (first === undefined || Number.isNaN(first)) return true;
  return [first, ...rest].some((minor) => Number.isNaN(minor) || minor >= 33);
}
