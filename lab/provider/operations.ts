/** What is done to one object in the cluster: create, update, delete, give up fields, wait. */
import {
  ApiError,
  delay,
  isNamespaceMissing,
  isNotFound,
  NoMatchError,
  UnreachableError,
  type Cluster,
  type ResourceType,
} from "./cluster";
import {
  definitionReadiness,
  FailedForGood,
  isRolledOut,
  rolloutReadiness,
  skipsAwait,
  timeoutSeconds,
  waitForReadiness,
  type Readiness,
} from "./await";
import {
  annotationIsTrue,
  annotationOf,
  annotations,
  metadataOf,
  nameOf,
  namespaceOf,
  toSend,
  type KubeObject,
} from "./objects";
import { lastWords } from "./last-words";
import { isAppliedBy, isHandWritten, managedEntries, ownedFields, ownsPath, takeOver } from "./ownership";
import { isPlainMap, type PlainMap } from "./properties";

/** Seconds that a rollout, a deletion or a condition may take when nothing else is said. */
const defaultTimeout = 300;
/** Seconds for which a missing kind or namespace is waited for: a CRD being installed, a namespace being made. */
const appearTimeout = 30;

/** The object was stored, but what should follow did not come about. */
export class NotReadyError extends Error {
  constructor(
    message: string,
    readonly object: KubeObject,
  ) {
    super(message);
  }
}

/** A preview that the API server cannot compute now although the real operation may succeed later. */
export class NoPreviewError extends Error {}

export interface OperationContext {
  cluster: Cluster;
  /** Aborted when the engine cancels. */
  signal: AbortSignal;
  /** A line in the engine's status column of this resource. */
  status(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  hasReadyNode(): Promise<boolean>;
  /** Called when a rollout is not awaited because no node is ready. */
  nodeless(object: KubeObject): void;
}

export interface ApplyOptions {
  manager: string;
  preview: boolean;
  /** Take fields over from other managers instead of failing with a conflict. */
  force: boolean;
  /** customTimeouts in seconds, 0 when not set. */
  timeout: number;
}

function conflictHelp(error: unknown, manager: string): unknown {
  if (!(error instanceof ApiError) || error.code !== 409 || error.reason !== "Conflict") return error;
  return new ApiError(
    error.code,
    error.reason,
    `Server-Side Apply field conflict detected. The resource managed by field manager "${manager}" had an apply ` +
      `conflict: ${error.message}. To take the fields over, annotate the resource with ${annotations.patchForce}: "true" ` +
      "or set enablePatchForce on the provider.",
    error.details,
  );
}

async function sendApply(
  context: OperationContext,
  type: ResourceType,
  object: KubeObject,
  options: ApplyOptions,
): Promise<{ created: boolean; object: KubeObject }> {
  const { namespace, ...others } = metadataOf(object);
  // a kind that turned out to be cluster-wide takes no namespace
  const metadata = type.namespaced && namespace !== undefined ? { ...others, namespace } : others;
  const body = { ...object, metadata };
  try {
    const answer = await context.cluster.request(
      "PATCH",
      context.cluster.path(type, namespaceOf(object), nameOf(object)),
      {
        contentType: "application/apply-patch+yaml",
        query: {
          fieldManager: options.manager,
          force: String(options.force),
          ...(options.preview ? { dryRun: "All" } : {}),
        },
        body,
        signal: context.signal,
      },
    );
    return { created: answer.status === 201, object: answer.body as KubeObject };
  } catch (error) {
    throw conflictHelp(error, options.manager);
  }
}

export async function getOrUndefined(
  context: OperationContext,
  type: ResourceType,
  object: PlainMap,
): Promise<KubeObject | undefined> {
  try {
    return await context.cluster.get(type, namespaceOf(object), nameOf(object), context.signal);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function qualifiedName(type: ResourceType): string {
  const slash = type.apiVersion.indexOf("/");
  return slash < 0 ? type.resource : `${type.resource}.${type.apiVersion.slice(0, slash)}`;
}

/**
 * The API server keeps no record of a field manager that sets nothing but the name (a bare namespace). Empty annotations
 * count as set, so the object can be told to be ours.
 */
function claimed(object: KubeObject): KubeObject {
  const metadata = metadataOf(object);
  return { ...object, metadata: { ...metadata, annotations: metadata["annotations"] ?? {} } };
}

/** In the words of the API server's answer to a POST of an object that exists. */
function alreadyExists(type: ResourceType, object: PlainMap): ApiError {
  return new ApiError(409, "AlreadyExists", `${qualifiedName(type)} "${nameOf(object)}" already exists`);
}

/**
 * Repeats while the kind or the namespace is missing, for up to {@link appearTimeout} seconds: custom resources follow
 * their definitions closely, and the API server takes a moment to serve a new kind.
 */
async function untilKnown<T>(context: OperationContext, customTimeout: number, attempt: () => Promise<T>): Promise<T> {
  const limit = Math.min(appearTimeout, customTimeout > 0 ? customTimeout : appearTimeout) * 1000;
  const start = Date.now();
  for (let pause = 100; ; pause = Math.min(pause * 1.7, 4000)) {
    try {
      const result = await attempt();
      if (Date.now() - start > 500) context.status("");
      return result;
    } catch (error) {
      const retry = error instanceof NoMatchError || isNamespaceMissing(error);
      if (!retry || Date.now() - start + pause > limit) throw error;
      context.status(`waiting: ${(error as Error).message}`);
      await delay(pause, context.signal);
    }
  }
}

export interface UpdateOptions extends ApplyOptions {
  /** A `…Patch` resource: the object belongs to somebody else and is expected to exist. */
  isPatch: boolean;
}

export interface CreateOptions extends UpdateOptions {
  /** `upsertExistingObjects`: take over an object that exists. */
  upsert: boolean;
}

/**
 * Creates the object by server-side apply. An object that exists already is refused in the API server's words, unless
 * this very resource made it in an update that was cut off, or the program asks for it to be taken over
 * (`pulumi.com/patchForce`, `upsertExistingObjects`).
 */
export async function create(
  context: OperationContext,
  inputs: KubeObject,
  options: CreateOptions,
): Promise<KubeObject> {
  const object = options.isPatch ? toSend(inputs) : claimed(toSend(inputs));
  if (options.preview) return previewCreate(context, object, options);
  return untilKnown(context, options.timeout, async () => {
    const type = await context.cluster.resourceType(object.apiVersion, object.kind);
    let existing = options.isPatch ? undefined : await getOrUndefined(context, type, object);
    if (existing && metadataOf(existing)["deletionTimestamp"] !== undefined) {
      context.status("waiting for the deletion of the object of the same name");
      existing = await untilGone(context, type, existing, timeoutSeconds(options.timeout, object, defaultTimeout));
    }
    const adopted = existing && (isAppliedBy(existing, options.manager) || options.upsert || options.force);
    if (existing && !adopted) throw alreadyExists(type, object);
    if (existing && isAppliedBy(existing, options.manager)) {
      context.info(
        "an earlier update of this resource that was cut off had already created the object; it is taken over",
      );
    }
    const applied = await sendApply(context, type, object, options);
    if (!applied.created && !existing && !options.isPatch) {
      // somebody else was faster: give back the fields that were just taken
      await relinquish(context, type, applied.object, options.manager);
      throw alreadyExists(type, object);
    }
    return applied.object;
  });
}

async function previewCreate(
  context: OperationContext,
  object: KubeObject,
  options: CreateOptions,
): Promise<KubeObject> {
  try {
    const type = await context.cluster.resourceType(object.apiVersion, object.kind);
    if (options.isPatch && !(await getOrUndefined(context, type, object))) {
      throw new NoPreviewError("the object to patch does not exist yet");
    }
    // An object of this name may be there because it is about to be replaced, so only a Patch may meet a conflict.
    const force = options.force || !options.isPatch;
    return (await sendApply(context, type, object, { ...options, force })).object;
  } catch (error) {
    if (cannotPreview(error)) throw new NoPreviewError((error as Error).message);
    throw error;
  }
}

/** Errors that say nothing about whether the operation itself will work. */
function cannotPreview(error: unknown): boolean {
  if (error instanceof NoMatchError || error instanceof UnreachableError || isNotFound(error)) return true;
  if (!(error instanceof ApiError)) return false;
  if (error.code === 403 || error.code === 401) return true;
  if (error.code === 400 && /dry ?run/i.test(error.message)) return true;
  // the object of the same name is replaced in the update, where its immutable fields do not matter
  return error.code === 422 && /field is immutable/.test(error.message);
}

/** Updates in place by server-side apply: fields that left the program leave the object. */
export async function update(
  context: OperationContext,
  inputs: KubeObject,
  live: PlainMap,
  options: UpdateOptions,
): Promise<KubeObject> {
  const object = options.isPatch ? toSend(inputs) : claimed(toSend(inputs));
  const attempt = async (): Promise<KubeObject> => {
    const type = await context.cluster.resourceType(object.apiVersion, object.kind);
    if (!options.isPatch && !options.preview) await takeOverHandWritten(context, type, object, options.manager);
    const force =
      options.force ||
      (options.preview && !options.isPatch && (await onlyHandWrittenConflicts(context, type, object, options)));
    const applied = await sendApply(context, type, object, { ...options, force });
    if (applied.created && !options.preview) {
      context.warn(`${qualifiedName(type)} "${nameOf(live)}" was gone from the cluster; it has been created again`);
    }
    return applied.object;
  };
  if (!options.preview) return untilKnown(context, options.timeout, attempt);
  try {
    return await attempt();
  } catch (error) {
    if (cannotPreview(error)) throw new NoPreviewError((error as Error).message);
    throw error;
  }
}

/** Books what was written by hand to our manager, so that the apply that follows sets or removes it. */
async function takeOverHandWritten(
  context: OperationContext,
  type: ResourceType,
  object: KubeObject,
  manager: string,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    const live = await getOrUndefined(context, type, object);
    const entries = live && takeOver(live, manager);
    if (!live || !entries) return;
    try {
      await context.cluster.request("PATCH", context.cluster.path(type, namespaceOf(object), nameOf(object)), {
        contentType: "application/json-patch+json",
        body: [
          { op: "test", path: "/metadata/resourceVersion", value: metadataOf(live)["resourceVersion"] },
          { op: "replace", path: "/metadata/managedFields", value: entries },
        ],
        signal: context.signal,
      });
      return;
    } catch (error) {
      // somebody wrote in between: look again
      const again = error instanceof ApiError && (error.code === 409 || error.code === 422) && tries < 5;
      if (!again) throw error;
    }
  }
}

/** Whether a preview without force would only meet conflicts that the update itself takes over. */
async function onlyHandWrittenConflicts(
  context: OperationContext,
  type: ResourceType,
  object: KubeObject,
  options: ApplyOptions,
): Promise<boolean> {
  const live = await getOrUndefined(context, type, object);
  if (!live || !takeOver(live, options.manager)) return false;
  try {
    await sendApply(context, type, object, options);
    return false;
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "Conflict") return false;
    const causes = error.details["causes"];
    return (
      Array.isArray(causes) &&
      causes.filter(isPlainMap).every((cause) => {
        const manager = /^conflict with "([^"]+)"/.exec(String(cause["message"]))?.[1];
        return managedEntries(live).some((entry) => entry.manager === manager && isHandWritten(entry));
      })
    );
  }
}

/** Server-side apply with nothing in it: what only this manager owned leaves the object, the rest stays. */
export async function relinquish(
  context: OperationContext,
  type: ResourceType,
  live: PlainMap,
  manager: string,
): Promise<void> {
  const { apiVersion, kind } = live;
  const { name, namespace, uid } = metadataOf(live);
  // with the uid, an object that is gone is not made again
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }), uid };
  const body = { apiVersion, kind, metadata } as unknown as KubeObject;
  try {
    await sendApply(context, type, body, { manager, preview: false, force: false, timeout: 0 });
  } catch (error) {
    if (isNotFound(error) || (error instanceof ApiError && error.code === 409 && !managesAny(live, manager))) return;
    throw error;
  }
}

function managesAny(live: PlainMap, manager: string): boolean {
  return managedEntries(live).some((entry) => entry.manager === manager);
}

/** Takes the fields of a `…Patch` resource back; an object or a kind that is gone needs nothing. */
export async function deletePatch(context: OperationContext, object: PlainMap, manager: string): Promise<void> {
  const type = await typeOrUndefined(context, object);
  const live = type && (await getOrUndefined(context, type, object));
  if (type && live) await relinquish(context, type, live, manager);
}

async function typeOrUndefined(context: OperationContext, object: PlainMap): Promise<ResourceType | undefined> {
  try {
    return await context.cluster.resourceType(String(object["apiVersion"]), String(object["kind"]));
  } catch (error) {
    if (error instanceof NoMatchError) return undefined;
    throw error;
  }
}

const propagationPolicies = ["foreground", "background", "orphan"];

/** Kinds that own no other objects; of the other groups any kind may. */
const childlessGroups: ReadonlySet<string> = new Set([
  "cilium.io",
  "crd.projectcalico.org",
  "networking.k8s.io",
  "policy",
  "policy.networking.k8s.io",
  "projectcalico.org",
  "rbac.authorization.k8s.io",
  "security.istio.io",
]);
const childlessKinds: ReadonlySet<string> = new Set([
  "v1/ConfigMap",
  "v1/Secret",
  "v1/ServiceAccount",
  "apiextensions.k8s.io/v1/CustomResourceDefinition",
  "monitoring.coreos.com/v1/PodMonitor",
  "monitoring.coreos.com/v1/PrometheusRule",
  "monitoring.coreos.com/v1/ServiceMonitor",
]);

/**
 * Foreground, so that what an object owns is gone before it is. Where it owns nothing that only costs time: the garbage
 * collector takes up to half a minute to notice a new kind.
 */
function propagationPolicy(object: PlainMap): string {
  const wish = annotationOf(object, annotations.deletionPropagation)?.toLowerCase();
  if (wish !== undefined && propagationPolicies.includes(wish)) return wish;
  const apiVersion = String(object["apiVersion"]);
  const childless =
    childlessGroups.has(apiVersion.split("/")[0] ?? "") ||
    childlessKinds.has(`${apiVersion}/${String(object["kind"])}`);
  return childless ? "background" : "foreground";
}

/**
 * Deletes the object and waits until it is gone. A kind that no longer exists took its objects with it. An object that
 * may not be deleted (the default namespaces) keeps living without our fields.
 */
export async function remove(
  context: OperationContext,
  object: PlainMap,
  options: { manager: string; timeout: number },
): Promise<void> {
  const type = await typeOrUndefined(context, object);
  if (!type) return;
  const policy = propagationPolicy(object);
  try {
    await context.cluster.request("DELETE", context.cluster.path(type, namespaceOf(object), nameOf(object)), {
      body: {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: policy.charAt(0).toUpperCase() + policy.slice(1),
      },
      signal: context.signal,
    });
  } catch (error) {
    if (isNotFound(error)) return;
    if (
      error instanceof ApiError &&
      error.code === 403 &&
      /may not be deleted|forbidden: this namespace/i.test(error.message)
    ) {
      context.warn(`${error.message}; the object stays and the fields that this resource managed are given up`);
      return deletePatch(context, object, options.manager);
    }
    throw error;
  }
  // as for creation, skipAwait only concerns kinds that take long
  if (skipsAwait(object) && (isRolledOut(object) || object["kind"] === "Namespace")) return;
  await untilGone(context, type, object, timeoutSeconds(options.timeout, object, defaultTimeout));
}

/** Waits until the object is gone, or another one has its name. */
async function untilGone(
  context: OperationContext,
  type: ResourceType,
  object: PlainMap,
  seconds: number,
): Promise<undefined> {
  const deadline = Date.now() + seconds * 1000;
  let uid: unknown;
  let last: KubeObject | undefined;
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 1000)) {
    try {
      last = await context.cluster.get(type, namespaceOf(object), nameOf(object), context.signal);
      const current = metadataOf(last);
      uid ??= current["uid"];
      if (current["uid"] !== uid || current["deletionTimestamp"] === undefined) return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      // an API server that restarts does not end the wait
      if (!(error instanceof UnreachableError)) throw error;
    }
    if (Date.now() + pause > deadline) {
      const message = `timed out after ${seconds} s waiting for the deletion of ${qualifiedName(type)} "${nameOf(object)}"${whyAlive(last)}`;
      if (last) throw new NotReadyError(message, last);
      throw new UnreachableError(message);
    }
    if (pause >= 1000) context.status(`waiting for the deletion${whyAlive(last)}`);
    await delay(pause, context.signal);
  }
}

/** Finalizers and, for a namespace, its conditions say what still holds the object. */
function whyAlive(object: KubeObject | undefined): string {
  if (!object) return "";
  const finalizers = metadataOf(object)["finalizers"];
  const status = object["status"];
  const conditions = isPlainMap(status) && Array.isArray(status["conditions"]) ? status["conditions"] : [];
  const remaining = conditions
    .filter(isPlainMap)
    .filter((condition) => condition["status"] === "True" && typeof condition["message"] === "string")
    .map((condition) => String(condition["message"]));
  const held = Array.isArray(finalizers) && finalizers.length > 0 ? [`finalizers ${finalizers.join(", ")}`] : [];
  const reasons = [...held, ...remaining];
  return reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
}

/** Waits until the object is up and returns it as it is then; throws {@link NotReadyError} where it does not come up. */
export async function awaitReady(
  context: OperationContext,
  stored: KubeObject,
  inputs: KubeObject,
  timeout: number,
): Promise<KubeObject> {
  const checks: Readiness[] = [];
  const definition = definitionReadiness(stored);
  if (definition) checks.push(definition);
  const waitFor = waitForReadiness(inputs);
  if (waitFor) checks.push(waitFor);
  if (!skipsAwait(inputs) && !waitFor) {
    const rollout = rolloutReadiness(stored);
    if (rollout && (await context.hasReadyNode())) checks.push(rollout);
    else if (rollout && rollout(stored) !== undefined) context.nodeless(stored);
  }
  if (checks.length === 0) return stored;

  const seconds = timeoutSeconds(timeout, inputs, defaultTimeout);
  const deadline = Date.now() + seconds * 1000;
  const type = await context.cluster.resourceType(stored.apiVersion, stored.kind);
  let current = stored;
  for (let pause = 50; ; pause = Math.min(pause * 1.5, 1000)) {
    let reason: string | undefined;
    try {
      reason = checks.map((check) => check(current)).find((each) => each !== undefined);
    } catch (error) {
      if (error instanceof FailedForGood) {
        const said = await lastWords(context.cluster, current, context.signal);
        throw new NotReadyError([error.message, ...said].join("\n"), current);
      }
      throw error;
    }
    if (reason === undefined) {
      if (definition) await untilServed(context, current);
      return current;
    }
    if (Date.now() + pause > deadline) throw new NotReadyError(`timed out after ${seconds} s: ${reason}`, current);
    if (pause >= 1000) context.status(reason);
    await delay(pause, context.signal);
    try {
      current = await context.cluster.get(type, namespaceOf(current), nameOf(current), context.signal);
    } catch (error) {
      if (isNotFound(error)) throw new NotReadyError("the object was deleted while it was waited for", current);
      if (!(error instanceof UnreachableError)) throw error;
    }
  }
}

/** An established definition is served a moment later. */
async function untilServed(context: OperationContext, definition: KubeObject): Promise<void> {
  const spec = definition["spec"];
  if (!isPlainMap(spec) || !isPlainMap(spec["names"]) || !Array.isArray(spec["versions"])) return;
  const version = spec["versions"].filter(isPlainMap).find((each) => each["served"] === true);
  if (!version) return;
  const apiVersion = `${String(spec["group"])}/${String(version["name"])}`;
  const kind = String(spec["names"]["kind"]);
  for (let tries = 0; tries < 50; tries++) {
    try {
      await context.cluster.resourceType(apiVersion, kind);
      return;
    } catch (error) {
      if (!(error instanceof NoMatchError)) throw error;
      await delay(100, context.signal);
    }
  }
}

export async function hasReadyNode(cluster: Cluster, signal: AbortSignal): Promise<boolean> {
  const { body } = await cluster.request("GET", "/api/v1/nodes", { signal });
  const items = isPlainMap(body as PlainMap) ? (body as PlainMap)["items"] : undefined;
  if (!Array.isArray(items)) return false;
  return items.filter(isPlainMap).some((node) => {
    const status = node["status"];
    const conditions = isPlainMap(status) && Array.isArray(status["conditions"]) ? status["conditions"] : [];
    return conditions.filter(isPlainMap).some((each) => each["type"] === "Ready" && each["status"] === "True");
  });
}

/** Whether the field manager owns the field (`path` without list elements). */
export function manages(live: PlainMap, manager: string, path: readonly string[]): boolean {
  return ownsPath(
    ownedFields(live, (entry) => entry.manager === manager),
    path,
  );
}

export function forcesPatch(inputs: PlainMap, enabled: boolean): boolean {
  const wish = annotationOf(inputs, annotations.patchForce);
  return wish === undefined ? enabled : annotationIsTrue(inputs, annotations.patchForce);
}
