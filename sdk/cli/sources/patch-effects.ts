/** What patches of kustomizations touch of an object, as far as verdicts depend on it. */
import { unknownValue } from "../../reachability";
import type { KubeObject } from "../../reachability";
import { listOf, mapOf, type Fields } from "../../reachability/model/plain";

/** Fields of a pod that decide which policies are about it. */
const podFields = ["hostNetwork", "serviceAccountName"] as const;
type PodField = (typeof podFields)[number];

/** What a patch may change. */
export interface Touched {
  /** Keys of labels. */
  readonly labels: ReadonlySet<string>;
  /** Labels of which the keys are not known. */
  readonly anyLabel: boolean;
  readonly podFields: ReadonlySet<PodField>;
}

const nothing: Touched = { labels: new Set(), anyLabel: false, podFields: new Set() };
const anything: Touched = { labels: new Set(), anyLabel: true, podFields: new Set(podFields) };

function together(one: Touched, other: Touched): Touched {
  return {
    labels: new Set([...one.labels, ...other.labels]),
    anyLabel: one.anyLabel || other.anyLabel,
    podFields: new Set([...one.podFields, ...other.podFields]),
  };
}

/** What the documents of a patch touch: maps that are merged, or lists of operations (RFC 6902). Nothing: not readable. */
export function touchedBy(documents: readonly unknown[] | undefined): Touched {
  if (documents === undefined) return anything;
  return documents
    .map((each) =>
      Array.isArray(each)
        ? listOf(each)
            .map((operation) => touchedByOperation(mapOf(operation)))
            .reduce(together, nothing)
        : touchedByMerge(each),
    )
    .reduce(together, nothing);
}

function touchedByOperation({ path, value, op }: Fields): Touched {
  if (typeof path !== "string" || op === "move" || op === "copy") return anything;
  const steps = path.split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const place = steps.indexOf("labels");
  const key = place < 0 ? undefined : steps[place + 1];
  if (key !== undefined) return { ...nothing, labels: new Set([key]) };
  const last = steps[steps.length - 1] ?? "";
  const field = podFields.find((each) => each === last);
  if (field !== undefined) return { ...nothing, podFields: new Set([field]) };
  // a whole that is replaced loses what it held
  const whole = ["", "labels", "metadata", "spec", "template", "jobTemplate"].includes(last);
  return whole ? anything : touchedByMerge(value);
}

/** @param seen What was looked at: an alias may stand for it once more, and for what it is in. */
function touchedByMerge(value: unknown, seen = new Set<unknown>()): Touched {
  if (typeof value !== "object" || value === null || seen.has(value)) return nothing;
  seen.add(value);
  if (Array.isArray(value))
    return listOf(value)
      .map((item) => touchedByMerge(item, seen))
      .reduce(together, nothing);
  const fields = mapOf(value);
  if ("$patch" in fields) return anything;
  return Object.entries(fields)
    .map(([key, item]): Touched => {
      if (key === "labels") return { ...nothing, labels: new Set(Object.keys(mapOf(item))) };
      const field = podFields.find((each) => each === key);
      return field === undefined ? touchedByMerge(item, seen) : { ...nothing, podFields: new Set([field]) };
    })
    .reduce(together, nothing);
}

/** The object with what is touched unknown; nothing where no verdict depends on what is touched. */
export function withTouched(object: KubeObject, touched: readonly Touched[]): KubeObject | undefined {
  const all = touched.reduce(together, nothing);
  const template = templatePathOf(object);
  const changesPod = template !== undefined && all.podFields.size > 0;
  if (!all.anyLabel && all.labels.size === 0 && !changesPod) return undefined;
  const open = Object.fromEntries([...all.labels].map((key) => [key, unknownValue]));
  const labelled = (metadata: unknown): unknown => ({
    ...mapOf(metadata),
    labels: all.anyLabel ? unknownValue : { ...mapOf(mapOf(metadata)["labels"]), ...open },
  });
  const fields = Object.fromEntries([...all.podFields].map((each) => [each, unknownValue]));
  const pod = (value: unknown): unknown => ({
    ...mapOf(value),
    metadata: labelled(mapOf(value)["metadata"]),
    ...(changesPod ? { spec: { ...mapOf(mapOf(value)["spec"]), ...fields } } : {}),
  });
  const own = { ...object, metadata: labelled(object.metadata) } as KubeObject;
  return template === undefined ? own : (changedAt(own, template, pod) as KubeObject);
}

/** Where an object holds the template of its pods: nowhere in itself for a Pod, which is one. */
export function templatePathOf({ apiVersion, kind, spec }: KubeObject): readonly string[] | undefined {
  if (apiVersion === "v1" && kind === "Pod") return [];
  if ("template" in mapOf(spec)) return ["spec", "template"];
  return "template" in mapOf(mapOf(mapOf(spec)["jobTemplate"])["spec"])
    ? ["spec", "jobTemplate", "spec", "template"]
    : undefined;
}

function changedAt(value: unknown, [step, ...rest]: readonly string[], change: (value: unknown) => unknown): unknown {
  if (step === undefined) return change(value);
  const fields = mapOf(value);
  return { ...fields, [step]: changedAt(fields[step], rest, change) };
}
