/** Namespaces: labels that policies go by, and namespaces that the baseline does not know. */
import type { LiveObject } from "../findings/live-drift";
import { mapOf } from "../findings/plain";
import type { KubeObject, SourcedObject } from "../reachability";
import { isUnknown } from "../reachability";
import type { Candidate } from "./candidates";
import { keyOf, refOf } from "./identity";
import { managersOf } from "./managers";
import type { BaselineObject } from "./types";

/** What the comparison of namespaces comes to. */
export interface ComparedNamespaces {
  readonly candidates: readonly Candidate[];
  /** Namespaces as they should be, by name: those of the cluster with the labels of the baseline. */
  readonly meant: ReadonlyMap<string, SourcedObject>;
}

/** Labels that tools set to find their own objects again; the API server sets the first. */
const marks =
  /^(pulumi-cluster-security\/|kubernetes\.io\/metadata\.name|app\.kubernetes\.io\/|helm\.sh\/|kustomize\.toolkit\.fluxcd\.io\/|helm\.toolkit\.fluxcd\.io\/|argocd\.argoproj\.io\/|objectset\.rio\.cattle\.io\/|field\.cattle\.io\/|olm\.operatorgroup\.uid\/|openshift\.io\/|kubectl\.kubernetes\.io\/)/;

/** Whether an object is a Namespace. */
export function isNamespace({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return apiVersion === "v1" && kind === "Namespace";
}

/** Compares the labels of namespaces that are in both. */
export function compareNamespaces(
  baseline: readonly BaselineObject[],
  live: readonly SourcedObject[],
  isUnlisted: (object: KubeObject) => boolean,
): ComparedNamespaces {
  const found = new Map(namespacesIn(live));
  const candidates: Candidate[] = [];
  const meant = new Map(found);
  for (const [name, each] of namespacesIn(baseline)) {
    const standing = found.get(name);
    if (standing === undefined) {
      if (!isUnlisted(each.object)) candidates.push(goneNamespace(name, each));
      continue;
    }
    const labels = labelsOf(each.object);
    const now = labelsOf(standing.object);
    if (labels === undefined || now === undefined) continue;
    const isPartial = each.partial === true;
    const added = Object.keys(now).filter((key) => labels[key] === undefined && !isPartial && !marks.test(key));
    const moved = Object.keys(labels).filter((key) => labels[key] !== now[key]);
    if (added.length + moved.length === 0) continue;
    const kept = Object.entries(now).filter(([key]) => !added.includes(key));
    const object = {
      ...standing.object,
      metadata: { ...standing.object.metadata, labels: { ...Object.fromEntries(kept), ...labels } },
    };
    meant.set(name, { ...standing, object: object as KubeObject });
    candidates.push(labelDrift(name, standing, { moved, added, labels, now }));
  }
  return { candidates, meant };
}

function namespacesIn<T extends SourcedObject>(objects: readonly T[]): readonly [string, T][] {
  return objects.flatMap((each): [string, T][] => {
    const name = each.object.metadata?.name;
    return isNamespace(each.object) && typeof name === "string" ? [[name, each]] : [];
  });
}

type Labels = Readonly<Record<string, string>>;

/** Undefined where they are not known. */
function labelsOf({ metadata }: KubeObject): Labels | undefined {
  const labels: unknown = metadata?.labels;
  if (isUnknown(labels)) return undefined;
  return Object.fromEntries(
    Object.entries(mapOf(labels)).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string" && !isUnknown(entry[1]),
    ),
  );
}

function goneNamespace(name: string, meant: SourcedObject): Candidate {
  return {
    key: keyOf(meant.object) ?? name,
    kind: "missing",
    least: "low",
    object: refOf(meant.object),
    message: `Namespace ${name} is in the baseline and not in the cluster`,
    effects: [],
    managers: [],
    fix: "Apply the baseline again, or take the namespace out of it.",
    ...(meant.source === undefined ? {} : { source: meant.source }),
  };
}

interface LabelChange {
  readonly moved: readonly string[];
  readonly added: readonly string[];
  readonly labels: Labels;
  readonly now: Labels;
}

function labelDrift(name: string, found: SourcedObject, { moved, added, labels, now }: LabelChange): Candidate {
  const parts = [
    ...moved.map((key) => {
      const is = now[key];
      return is === undefined
        ? `${key} is gone (${labels[key] ?? ""} in the baseline)`
        : `${key} is ${is} (${labels[key] ?? ""} in the baseline)`;
    }),
    ...added.map((key) => `${key}=${now[key] ?? ""} was added`),
  ];
  return {
    key: keyOf(found.object) ?? name,
    kind: "namespace-changed",
    least: "low",
    // others may label a namespace as they like, as long as no policy goes by it
    needsPath: moved.every((key) => marks.test(key)),
    object: refOf(found.object),
    message: `Namespace ${name} is not labelled as in the baseline: ${parts.join(", ")}`,
    effects: [],
    managers: labelManagers(found.object, [...moved, ...added]),
    fix: "Set the labels of the baseline again, or take the new ones into it.",
    ...(found.source === undefined ? {} : { source: found.source }),
  };
}

function labelManagers(object: KubeObject, keys: readonly string[]): Candidate["managers"] {
  const live = object as LiveObject;
  const owners = (live.metadata?.managedFields ?? []).filter(({ fieldsV1 }) => {
    const labels = mapOf(mapOf(mapOf(fieldsV1)["f:metadata"])["f:labels"]);
    return keys.some((key) => labels[`f:${key}`] !== undefined);
  });
  const holder: LiveObject =
    owners.length === 0 ? live : { ...live, metadata: { ...live.metadata, managedFields: owners } };
  return owners.length === 0 ? managersOf(holder).slice(0, 1) : managersOf(holder);
}
