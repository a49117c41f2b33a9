import type { KubeObject, SourcedObject } from "../reachability";

/** A controller's reference in `metadata.ownerReferences`. */
interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/** Labels that controllers put on single pods, so that pods of one controller differ in them. */
export const controllerLabels: ReadonlySet<string> = new Set([
  "pod-template-hash",
  "controller-revision-hash",
  "pod-template-generation",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "batch.kubernetes.io/controller-uid",
  "batch.kubernetes.io/job-completion-index",
  "batch.kubernetes.io/job-name",
  "controller-uid",
  "job-name",
]);

/**
 * A cluster holds each workload several times: the controller, what it made (ReplicaSets, Jobs), and the pods. This leaves
 * one of each: the outermost controller, with the labels that its pods really have (injectors add some) and with their
 * addresses. Pods that differ from their siblings, in a rollout or relabelled by hand, stay pods of their own. Pods whose
 * controller is not among the objects (a custom kind) are one workload in its name. Pods that have ended are left out.
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
    const { main, others } = commonPods(pods.filter(({ object }) => !hasEnded(object)));
    const [first] = main;
    if (first === undefined) continue;
    const controller = byKey.get(key);
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
  // Owners form no circle on an API server; a file can hold anything.
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

function hasTemplate(each: SourcedObject | undefined): boolean {
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

/** The largest group of pods that are alike (the first, of several as large), and the pods that are not in it. */
function commonPods(pods: readonly SourcedObject[]): { main: SourcedObject[]; others: SourcedObject[] } {
  const groups = new Map<string, SourcedObject[]>();
  for (const pod of pods) {
    const key = identityOf(pod.object);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pod]);
    else group.push(pod);
  }
  const [main = [], ...rest] = [...groups.values()].sort((a, b) => b.length - a.length);
  return { main, others: rest.flat() };
}

/** The controller in the shape its pods have. */
function workloadOf(
  owner: OwnerReference,
  controller: SourcedObject | undefined,
  pods: readonly KubeObject[],
  first: SourcedObject,
): SourcedObject {
  const template = {
    metadata: { labels: sharedLabels(first.object), annotations: first.object.metadata?.annotations ?? {} },
    spec: first.object.spec,
  };
  const podIPs = pods.flatMap(addressesOf).map((ip) => ({ ip }));
  if (controller !== undefined) {
    const { object } = controller;
    const spec = object.spec as Record<string, unknown> | undefined;
    const shaped = object.kind === "CronJob" ? { ...spec, jobTemplate: { spec: { template } } } : { ...spec, template };
    return { ...controller, object: { ...object, spec: shaped, status: { podIPs } } };
  }
  const namespace = first.object.metadata?.namespace;
  return {
    ...first,
    object: {
      apiVersion: owner.apiVersion,
      kind: owner.kind,
      metadata: { name: owner.name, ...(namespace === undefined ? {} : { namespace }) },
      spec: { template },
      status: { podIPs },
    },
  };
}

function addressesOf(pod: KubeObject): string[] {
  const status = pod["status"] as { podIP?: unknown; podIPs?: unknown } | undefined | null;
  const listed = Array.isArray(status?.podIPs) ? (status.podIPs as unknown[]) : [];
  const all = [status?.podIP, ...listed.map((entry) => (entry as { ip?: unknown } | null)?.ip)];
  return [...new Set(all.filter((ip): ip is string => typeof ip === "string"))];
}
