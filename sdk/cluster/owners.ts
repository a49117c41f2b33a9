import { someValue } from "../reachability";
import type { KubeObject, SourcedObject } from "../reachability";
import { controllerLabels } from "../reachability/model/controller-label-keys";

/** A controller's reference in `metadata.ownerReferences`. */
interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * A cluster holds each workload several times: the controller, what it made (ReplicaSets, Jobs), and the pods. This leaves
 * one of each: the outermost controller, with the labels that its pods really have (injectors add some), with their
 * addresses and names. Pods that differ from their siblings, in a rollout or relabelled out of band, stay pods of their
 * own. Pods whose controller is not among the objects (a custom kind) are one workload in its name. Pods that have ended
 * are left out.
 */
export function withoutOwned(objects: readonly SourcedObject[]): readonly SourcedObject[] {
  if (!objects.some(({ object }) => ownerOf(object) !== undefined)) return objects;
  const byKey = new Map(objects.map((each) => [keyOfObject(each.object), each]));
  const kept: SourcedObject[] = [];
  const families = new Map<string, { owner: OwnerReference; pods: SourcedObject[] }>();
  for (const each of objects) {
    const { object } = each;
    const owner = rootOwner(object, byKey);
    if (owner === undefined) kept.push(each);
    else if (isPod(object)) {
      const key = keyOf(owner, object.metadata?.namespace);
      const family = families.get(key);
      if (family === undefined) families.set(key, { owner, pods: [each] });
      else family.pods.push(each);
    } else if (!isMadeWorkload(object) || !byKey.has(keyOf(owner, object.metadata?.namespace))) kept.push(each);
  }
  const shaped = new Map<string, SourcedObject>();
  const extra: SourcedObject[] = [];
  for (const [key, { owner, pods }] of families) {
    const controller = byKey.get(key);
    const running = pods.filter(({ object }) => !hasEnded(object));
    const { main, others } = commonPods(running, controller?.object);
    const [first] = main;
    if (first === undefined) continue;
    const workload = workloadOf(
      owner,
      controller,
      main.map(({ object }) => object),
      first,
    );
    if (controller === undefined) extra.push(workload);
    else shaped.set(key, workload);
    extra.push(...others);
  }
  return [...kept.map((each) => shaped.get(keyOfObject(each.object)) ?? each), ...extra];
}

function isPod(object: KubeObject): boolean {
  return object.kind === "Pod" && object.apiVersion === "v1";
}

/** Kinds that other controllers make. */
function isMadeWorkload(object: KubeObject): boolean {
  return object.kind === "ReplicaSet" || object.kind === "Job" || object.kind === "ReplicationController";
}

function hasEnded(object: KubeObject): boolean {
  const status = object["status"] as { phase?: unknown } | undefined | null;
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** Follows controllers to the outermost one. A controller that is not among the objects is the outermost known. */
function rootOwner(object: KubeObject, byKey: ReadonlyMap<string, SourcedObject>): OwnerReference | undefined {
  const namespace = object.metadata?.namespace;
  let owner = ownerOf(object);
  // Owners form no cycle on an API server; a file can hold anything.
  for (let steps = 0; owner !== undefined && steps < 10; steps++) {
    // Static pods belong to their node, which is no controller.
    if (owner.kind === "Node") return undefined;
    const next = byKey.get(keyOf(owner, namespace));
    const above = next === undefined ? deploymentOf(owner, object) : ownerOf(next.object);
    // An operator's own resource above a Deployment holds no pods: the Deployment is the workload.
    if (
      above === undefined ||
      !byKey.has(keyOf(above, namespace)) ||
      !hasTemplate(byKey.get(keyOf(above, namespace)))
    ) {
      return owner;
    }
    owner = above;
  }
  return undefined;
}

/** A list of pods and Deployments may leave the ReplicaSets out; their names are the Deployment's and the pods' hash. */
function deploymentOf(owner: OwnerReference, pod: KubeObject): OwnerReference | undefined {
  const hash = pod.metadata?.labels?.["pod-template-hash"];
  if (owner.kind !== "ReplicaSet" || typeof hash !== "string" || !owner.name.endsWith(`-${hash}`)) return undefined;
  return { apiVersion: owner.apiVersion, kind: "Deployment", name: owner.name.slice(0, -hash.length - 1) };
}

/** Whether an object makes pods from a template. */
export function hasTemplate(each: SourcedObject | undefined): boolean {
  const spec = each?.object.spec as { template?: unknown; jobTemplate?: unknown } | undefined | null;
  return spec?.template !== undefined || spec?.jobTemplate !== undefined;
}

function ownerOf(object: KubeObject): OwnerReference | undefined {
  const references = object.metadata?.["ownerReferences"];
  if (!Array.isArray(references)) return undefined;
  for (const reference of references as unknown[]) {
    if (typeof reference !== "object" || reference === null) continue;
    const { apiVersion, kind, name, controller } = reference as Record<string, unknown>;
    if (controller === true && typeof apiVersion === "string" && typeof kind === "string" && typeof name === "string") {
      return { apiVersion, kind, name };
    }
  }
  return undefined;
}

/** Without the version: an owner may be served in several. */
function keyOf(owner: OwnerReference, namespace: string | undefined): string {
  const group = owner.apiVersion.includes("/") ? owner.apiVersion.split("/")[0] : "";
  return `${group}|${owner.kind}|${namespace ?? "default"}|${owner.name}`;
}

function keyOfObject(object: KubeObject): string {
  const name = typeof object.metadata?.name === "string" ? object.metadata.name : "";
  return keyOf({ apiVersion: object.apiVersion, kind: object.kind, name }, object.metadata?.namespace);
}

/** The labels that matter, and what else makes a pod different to a policy. */
function identityOf(object: KubeObject): string {
  const labels = Object.entries(sharedLabels(object)).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const spec = object.spec as { serviceAccountName?: unknown; hostNetwork?: unknown } | undefined | null;
  return JSON.stringify([labels, spec?.serviceAccountName ?? null, spec?.hostNetwork ?? null]);
}

function sharedLabels(object: KubeObject): Record<string, string> {
  const labels = object.metadata?.labels;
  if (typeof labels !== "object" || labels === null) return {};
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !controllerLabels.has(key)));
}

/**
 * The pods that are alike and nearest to their controller's template (of several as near the largest group, then by their
 * labels, so that the order of the pods does not matter), by name; and the pods that are not among them.
 */
function commonPods(
  pods: readonly SourcedObject[],
  controller: KubeObject | undefined,
): { main: SourcedObject[]; others: SourcedObject[] } {
  const groups = new Map<string, SourcedObject[]>();
  for (const pod of pods) {
    const key = identityOf(pod.object);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pod]);
    else group.push(pod);
  }
  const wanted = controller === undefined ? undefined : templateLabels(controller);
  const ranked = [...groups]
    .map(([key, group]) => ({
      key,
      group: group.sort((a, b) => compareTexts(nameOf(a.object), nameOf(b.object))),
      distance: wanted === undefined ? 0 : distanceTo(wanted, group[0]?.object),
    }))
    .sort((a, b) => a.distance - b.distance || b.group.length - a.group.length || compareTexts(a.key, b.key));
  const [main = [], ...rest] = ranked.map(({ group }) => group);
  return { main, others: rest.flat() };
}

/** How many labels a pod has more than the template, fewer, or with another value. */
function distanceTo(wanted: Readonly<Record<string, unknown>>, pod: KubeObject | undefined): number {
  const own = pod === undefined ? {} : sharedLabels(pod);
  const keys = new Set([...Object.keys(wanted).filter((key) => !controllerLabels.has(key)), ...Object.keys(own)]);
  return [...keys].filter((key) => wanted[key] !== own[key]).length;
}

function templateLabels({ kind, spec }: KubeObject): Readonly<Record<string, unknown>> {
  const { template, jobTemplate } = (spec ?? {}) as { template?: unknown; jobTemplate?: unknown };
  const holder =
    kind === "CronJob" ? (jobTemplate as { spec?: { template?: unknown } } | null)?.spec?.template : template;
  const labels = (holder as { metadata?: { labels?: unknown } | null } | null | undefined)?.metadata?.labels;
  return typeof labels === "object" && labels !== null ? (labels as Record<string, unknown>) : {};
}

function nameOf(object: KubeObject): string {
  return typeof object.metadata?.name === "string" ? object.metadata.name : "";
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What the pods have of the labels that controllers give each pod: the value, or some value where they differ. */
function controllerLabelsOf(pods: readonly KubeObject[]): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const key of controllerLabels) {
    const values = [...new Set(pods.map((pod) => pod.metadata?.labels?.[key]))];
    const known = values.filter((value) => typeof value === "string");
    if (known.length < values.length || known.length === 0) continue;
    found[key] = known.length === 1 ? known[0] : someValue({ oneOf: known });
  }
  return found;
}

/** The controller in the shape its pods have. */
function workloadOf(
  owner: OwnerReference,
  controller: SourcedObject | undefined,
  pods: readonly KubeObject[],
  first: SourcedObject,
): SourcedObject {
  const template = {
    metadata: {
      labels: { ...sharedLabels(first.object), ...controllerLabelsOf(pods) },
      annotations: first.object.metadata?.annotations ?? {},
    },
    spec: first.object.spec,
  };
  const status = {
    podIPs: pods.flatMap(addressesOf).map((ip) => ({ ip })),
    // each pod by itself: its name, its addresses and the labels that its controllers gave it
    pods: pods.map((pod) => ({
      name: nameOf(pod),
      addresses: addressesOf(pod),
      labels: Object.fromEntries(
        Object.entries(pod.metadata?.labels ?? {}).filter(([key]) => controllerLabels.has(key)),
      ),
    })),
  };
  if (controller !== undefined) {
    const { object } = controller;
    const spec = object.spec as Record<string, unknown> | undefined;
    const shaped = object.kind === "CronJob" ? { ...spec, jobTemplate: { spec: { template } } } : { ...spec, template };
    return { ...controller, object: { ...object, spec: shaped, status } };
  }
  const namespace = first.object.metadata?.namespace;
  return {
    ...first,
    object: {
      apiVersion: owner.apiVersion,
      kind: owner.kind,
      metadata: { name: owner.name, ...(namespace === undefined ? {} : { namespace }) },
      spec: { template },
      status,
    },
  };
}

function addressesOf(pod: KubeObject): string[] {
  const status = pod["status"] as { podIP?: unknown; podIPs?: unknown } | undefined | null;
  const listed = Array.isArray(status?.podIPs) ? (status.podIPs as unknown[]) : [];
  const all = [status?.podIP, ...listed.map((entry) => (entry as { ip?: unknown } | null)?.ip)];
  return [...new Set(all.filter((ip): ip is string => typeof ip === "string"))];
}
