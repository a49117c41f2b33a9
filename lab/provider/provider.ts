/** The provider's operations on plain resources; Helm Releases are handed to `release.ts`. */
import { ApiError, isNotFound, NoMatchError, UnreachableError, type ResourceType } from "./cluster";
import { WaitForError, waitForReadiness } from "./await";
import { Connection, type Configuration } from "./configuration";
import {
  diffObject,
  isBelow,
  observeInputs,
  parsePath,
  pathText,
  valueAt,
  type Change,
  type FieldPath,
  type Rewrite,
} from "./diff";
import { immutablePaths } from "./immutable";
import {
  PartialFailure,
  type CheckFailure,
  type CheckRequest,
  type CheckResult,
  type CreateRequest,
  type CreateResult,
  type DeleteRequest,
  type DiffRequest,
  type DiffResult,
  type EngineLog,
  type ReadRequest,
  type ReadResult,
  type UpdateRequest,
} from "./messages";
import { fieldManagerFor, nameObject } from "./naming";
import {
  annotationIsTrue,
  annotationOf,
  annotations,
  asObject,
  idOf,
  isPatch,
  metadataOf,
  nameOf,
  nameOfUrn,
  namespaceOf,
  parseId,
  parseToken,
  toKubernetesKeys,
  toPulumiKeys,
  withoutServerFields,
  type KubeObject,
} from "./objects";
import * as operations from "./operations";
import { isAppliedBy, isHandWritten, ownedFields } from "./ownership";
import {
  editMap,
  equal,
  hasSecret,
  hasUnknown,
  isPlainMap,
  redact,
  secretTexts,
  unknown,
  unwrapMap,
  type Plain,
  type PlainMap,
  type PropertyMap,
} from "./properties";
import { isNamespacedBuiltIn } from "./scopes";
import { comparable, readState, rewritesOf, writeState, type State } from "./state";

const unreachableHelp =
  "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation with the " +
  'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"';

export class KubernetesProvider {
  private connection: Connection | undefined;
  private readonly cancellation = new AbortController();
  /** Scopes of the kinds that this program itself defines, by `group/Kind`: known before they are installed. */
  private readonly definedScopes = new Map<string, boolean>();
  private saidNodeless = false;
  private readyNode = false;

  constructor(private readonly log: EngineLog) {}

  configure(configuration: Configuration): void {
    this.connection = new Connection(configuration);
  }

  cancel(): void {
    this.cancellation.abort();
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  get connected(): Connection {
    if (!this.connection) throw new Error("the provider has not been configured");
    return this.connection;
  }

  private get configuration(): Configuration {
    return this.connected.configuration;
  }

  private context(urn: string, hide: (message: string) => string): operations.OperationContext {
    return {
      cluster: this.connected.cluster,
      signal: this.cancellation.signal,
      status: (message) => this.log.log("info", hide(message), urn, true),
      warn: (message) => this.log.log("warning", hide(message), urn),
      info: (message) => this.log.log("info", hide(message), urn),
      hasReadyNode: () => this.hasReadyNode(),
      nodeless: (object) => this.sayNodeless(`${object.kind} ${idOf(object)}`),
    };
  }

  /** Whether anything can start in this cluster; asked again until a node is ready. */
  async hasReadyNode(): Promise<boolean> {
    this.readyNode ||= await operations.hasReadyNode(this.connected.cluster, this.cancellation.signal);
    return this.readyNode;
  }

  /** Once for the whole update, not for each workload. */
  sayNodeless(what: string): void {
    if (this.saidNodeless) return;
    this.saidNodeless = true;
    this.log.log(
      "info",
      `no node of this cluster is ready: nothing starts here, so the rollout of ${what} and of every other workload is not awaited`,
      "",
    );
  }

  // --- Check

  async check(request: CheckRequest): Promise<CheckResult> {
    const failures: CheckFailure[] = [];
    let inputs = this.withType(request);
    const plain = unwrapMap(inputs);
    const metadata = metadataOf(plain);
    const patch = isPatch(request.token, String(plain["kind"]));
    if (patch && !("name" in metadata)) {
      failures.push({
        property: "metadata.name",
        reason: "patch resources require the `.metadata.name` field to be set",
      });
    }
    if ("generateName" in metadata && !("name" in metadata)) {
      failures.push({
        property: "metadata.generateName",
        reason: "the `.metadata.generateName` field is not supported in Server-Side Apply mode",
      });
    }
    if (failures.length > 0) return { inputs, failures };

    inputs = nameObject(inputs, request.olds, nameOfUrn(request.urn), request.randomSeed, request.autonaming);
    inputs = await this.withNamespace(inputs, plain);
    this.noteDefinition(plain);
    try {
      waitForReadiness(plain);
    } catch (error) {
      if (!(error instanceof WaitForError)) throw error;
      failures.push({ property: "metadata.annotations", reason: error.message });
    }
    return { inputs, failures };
  }

  /** The inputs with version and kind (the type says them) and without what only the API server writes. */
  private withType(request: CheckRequest): PropertyMap {
    const type = parseToken(request.token);
    const inputs: PropertyMap = { ...request.news };
    inputs["apiVersion"] ??= type.apiVersion;
    inputs["kind"] ??= type.kind.replace(/Patch$/, "");
    if (inputs["metadata"] === undefined) return inputs;
    const clean = (metadata: PropertyMap): PropertyMap =>
      withoutServerFields({ metadata } as unknown as PlainMap)["metadata"] as unknown as PropertyMap;
    return { ...inputs, metadata: editMap(inputs["metadata"], clean) };
  }

  private async withNamespace(inputs: PropertyMap, plain: PlainMap): Promise<PropertyMap> {
    const metadata = plain["metadata"];
    if (metadata !== undefined && !isPlainMap(metadata)) return inputs;
    const given = metadataOf(plain)["namespace"];
    if (given !== undefined && given !== "") return inputs;
    if (!(await this.isNamespaced(String(plain["apiVersion"]), String(plain["kind"])))) return inputs;
    const namespace = this.connected.defaultNamespace;
    return { ...inputs, metadata: editMap(inputs["metadata"], (map) => ({ ...map, namespace })) };
  }

  /** A kind that nobody knows yet counts as namespaced, like most custom resources. */
  async isNamespaced(apiVersion: string, kind: string): Promise<boolean> {
    const known = isNamespacedBuiltIn(apiVersion, kind) ?? this.definedScopes.get(scopeKey(apiVersion, kind));
    if (known !== undefined) return known;
    if ((await this.connected.unreachable()) !== undefined) return true;
    try {
      return (await this.connected.cluster.resourceType(apiVersion, kind)).namespaced;
    } catch (error) {
      if (error instanceof NoMatchError || error instanceof UnreachableError) return true;
      throw error;
    }
  }

  private noteDefinition(plain: PlainMap): void {
    const spec = plain["spec"];
    if (plain["kind"] !== "CustomResourceDefinition" || !isPlainMap(spec) || !isPlainMap(spec["names"])) return;
    this.definedScopes.set(`${String(spec["group"])}/${String(spec["names"]["kind"])}`, spec["scope"] === "Namespaced");
  }

  // --- Diff

  diff(request: DiffRequest): DiffResult {
    const state = readState(request.olds);
    const oldInputs = Object.keys(request.oldInputs).length > 0 ? request.oldInputs : state.inputs;
    const next = comparable(request.news);
    const old = comparable(oldInputs);
    const live = namespaceOf(state.live) === "" ? withoutNamespace(state.live) : state.live;
    const clusterWide = namespaceOf(state.live) === "";
    const patch = isPatch(request.token, String(next["kind"]));
    const ours = state.fieldManager !== undefined && isAppliedBy(state.live, state.fieldManager) && !patch;

    let changes = diffObject({
      live,
      oldInputs: clusterWide ? withoutNamespace(old) : old,
      newInputs: clusterWide ? withoutNamespace(next) : next,
      owned: ownedFields(state.live),
      byHand: ours ? ownedFields(state.live, isHandWritten) : undefined,
      rewrites: state.rewrites,
    });
    changes = this.likeTheProgram(changes, request.news);
    if (state.imported && equal(old, comparable(importedInputs(state.live)))) {
      // an import reads every field there is; those that the program leaves to the cluster are not removed
      changes = changes.filter((change) => change.kind !== "delete" || pathText(change.path) === "metadata.name");
    }
    const ignored = request.ignoreChanges.map(parsePath);
    changes = changes.filter((change) => !ignored.some((path) => isBelow(change.path, path)));

    const identity = ["metadata.name", "metadata.namespace"];
    const immutable = (patch ? identity : immutablePaths(next, this.configuration.mutable)).map(parsePath);
    const marked = changes.map((change) => ({
      ...change,
      replace: immutable.some((path) => isBelow(change.path, path)),
    }));
    const sameName =
      nameOf(next) !== "" && nameOf(next) === nameOf(live) && !annotationIsTrue(next, annotations.autonamed);
    const sameNamespace = clusterWide || namespaceOf(next) === namespaceOf(live);
    return {
      changes: marked,
      // the new object cannot exist beside the old one under the same name
      deleteBeforeReplace: marked.some((change) => change.replace) && sameName && sameNamespace,
    };
  }

  /** A Secret's keys are compared as `data`; they are reported where the program wrote them. */
  private likeTheProgram(changes: Change[], news: PropertyMap): Change[] {
    const written = unwrapMap(news)["stringData"];
    if (!isPlainMap(written)) return changes;
    return changes.map((change) => {
      const [first, key, ...rest] = change.path;
      const inStringData = first === "data" && typeof key === "string" && key in written;
      return inStringData ? { ...change, path: ["stringData", key, ...rest] } : change;
    });
  }

  // --- Create

  async create(request: CreateRequest): Promise<CreateResult> {
    const { inputs, urn } = request;
    const echo: CreateResult = { id: "", outputs: inputs };
    if (request.preview && (hasUnknown(inputs) || (await this.connected.unreachable()) !== undefined)) return echo;
    const object = asObject(unwrapMap(inputs));
    return this.guarded(inputs, async (hide) => {
      const patch = isPatch(request.token, object.kind);
      const manager = annotationOf(object, annotations.fieldManager) ?? fieldManagerFor(urn);
      const context = this.context(urn, hide);
      let stored: KubeObject;
      try {
        stored = await operations.create(context, object, {
          manager,
          preview: request.preview,
          force: operations.forcesPatch(object, this.configuration.patchForce),
          timeout: request.timeout,
          isPatch: patch,
          upsert: this.configuration.upsert,
        });
      } catch (error) {
        if (error instanceof operations.NoPreviewError) return echo;
        throw describe(
          error,
          (message) => `resource "${urn}" was not successfully created by the Kubernetes API server: ${message}`,
        );
      }
      const rewrites = rewritesOf(inputs, stored);
      const save = (live: KubeObject): PropertyMap =>
        writeState({ live, inputs, fieldManager: manager, initialApiVersion: object.apiVersion, rewrites });
      if (request.preview) return { id: "", outputs: previewed(save(withoutServerFields(stored)), object) };
      const live = patch ? stored : await this.awaited(context, stored, object, request.timeout, inputs, save);
      return { id: idOf(live), outputs: save(live) };
    });
  }

  private async awaited(
    context: operations.OperationContext,
    stored: KubeObject,
    object: KubeObject,
    timeout: number,
    inputs: PropertyMap,
    save: (live: KubeObject) => PropertyMap,
  ): Promise<KubeObject> {
    try {
      return await operations.awaitReady(context, stored, object, timeout);
    } catch (error) {
      const live = error instanceof operations.NotReadyError ? error.object : stored;
      const reason = `${object.kind} "${idOf(live)}" was stored but did not become ready: ${(error as Error).message}`;
      throw new PartialFailure(idOf(live), save(live), inputs, [redact(reason, secretTexts(inputs))]);
    }
  }

  // --- Update

  async update(request: UpdateRequest): Promise<PropertyMap> {
    const { news, urn } = request;
    if (request.preview && (hasUnknown(news) || (await this.connected.unreachable()) !== undefined)) return news;
    const state = readState(request.olds);
    const object = withIgnored(asObject(unwrapMap(news)), state, request.ignoreChanges);
    return this.guarded(news, async (hide) => {
      const patch = isPatch(request.token, object.kind);
      const before = state.fieldManager ?? fieldManagerFor(urn);
      const manager = annotationOf(object, annotations.fieldManager) ?? before;
      const context = this.context(urn, hide);
      let stored: KubeObject;
      try {
        stored = await operations.update(context, object, state.live, {
          manager,
          preview: request.preview,
          force: operations.forcesPatch(object, this.configuration.patchForce),
          timeout: request.timeout,
          isPatch: patch,
        });
        if (manager !== before && !request.preview) {
          const type = await context.cluster.resourceType(object.apiVersion, object.kind);
          await operations.relinquish(context, type, stored, before);
        }
      } catch (error) {
        if (error instanceof operations.NoPreviewError) return news;
        throw describe(error, (message) => `update of resource "${urn}" failed: ${message}`);
      }
      const rewrites = rewritesOf(news, stored);
      const initialApiVersion = state.initialApiVersion ?? object.apiVersion;
      const save = (live: KubeObject): PropertyMap =>
        writeState({ live, inputs: news, fieldManager: manager, initialApiVersion, rewrites });
      if (request.preview) return save(stored);
      return save(patch ? stored : await this.awaited(context, stored, object, request.timeout, news, save));
    });
  }

  // --- Read

  async read(request: ReadRequest): Promise<ReadResult> {
    const gone: ReadResult = { id: "", outputs: {}, inputs: {} };
    const unreachable = await this.connected.unreachable();
    if (unreachable !== undefined) {
      this.log.log("warning", `configured Kubernetes cluster is unreachable: ${unreachable}`, request.urn);
      if (this.configuration.deleteUnreachable) return gone;
      if (this.configuration.skipUpdateUnreachable)
        return { id: request.id, outputs: request.outputs, inputs: request.inputs };
      throw new Error(`failed to read resource state due to unreachable cluster. ${unreachableHelp}`);
    }
    const { namespace, name } = parseId(request.id);
    if (name === "")
      throw new Error(
        `failed to read resource because of a failure to parse resource name from request ID: ${request.id}`,
      );
    const state = readState(request.outputs);
    const live = await this.find(request, state, namespace, name);
    if (!live) return gone;

    const known = Object.keys(request.inputs).length > 0;
    const inputs = known ? observed(request.inputs, live, state.rewrites) : toPulumiKeys(importedInputs(live));
    const outputs = writeState({
      live,
      inputs: inputs as PropertyMap,
      fieldManager: state.fieldManager ?? annotationOf(live, annotations.fieldManager) ?? fieldManagerFor(request.urn),
      initialApiVersion: state.initialApiVersion ?? live.apiVersion,
      rewrites: known ? state.rewrites : [],
      imported: !known,
    });
    return { id: request.id, outputs, inputs: inputs as PropertyMap };
  }

  private async find(
    request: ReadRequest,
    state: State,
    namespace: string,
    name: string,
  ): Promise<KubeObject | undefined> {
    const type = await this.typeToRead(request, state);
    if (!type) return undefined;
    const place = type.namespaced ? namespace || this.connected.defaultNamespace : "";
    try {
      return await this.connected.cluster.get(type, place, name, this.cancellation.signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async typeToRead(request: ReadRequest, state: State): Promise<ResourceType | undefined> {
    const token = parseToken(request.token);
    const inputs = unwrapMap(request.inputs);
    const text = (value: Plain | undefined): string | undefined =>
      typeof value === "string" && value !== "" ? value : undefined;
    const apiVersion = text(inputs["apiVersion"]) ?? text(state.live["apiVersion"]) ?? token.apiVersion;
    const kind = text(inputs["kind"]) ?? text(state.live["kind"]) ?? token.kind;
    for (const candidate of new Set([kind, kind.replace(/Patch$/, "")])) {
      try {
        return await this.connected.cluster.resourceType(apiVersion, candidate);
      } catch (error) {
        // a kind that is gone took its objects with it
        if (!(error instanceof NoMatchError)) throw error;
      }
    }
    return undefined;
  }

  // --- Delete

  async delete(request: DeleteRequest): Promise<void> {
    const state = readState(request.outputs);
    const unreachable = await this.connected.unreachable();
    if (unreachable !== undefined) {
      this.log.log("warning", `configured Kubernetes cluster is unreachable: ${unreachable}`, request.urn);
      if (this.configuration.deleteUnreachable) return;
      throw new Error(`configured Kubernetes cluster is unreachable. ${unreachableHelp}`);
    }
    const inputs = Object.keys(request.oldInputs).length > 0 ? request.oldInputs : state.inputs;
    const { namespace, name } = parseId(request.id);
    // the program's annotations (timeouts, propagation) hold even where somebody took them off the live object
    const wishes = metadataOf(unwrapMap(inputs))["annotations"] ?? metadataOf(state.live)["annotations"] ?? {};
    const metadata: PlainMap = { name, ...(namespace === "" ? {} : { namespace }), annotations: wishes };
    const token = parseToken(request.token);
    const object: PlainMap = {
      apiVersion: state.live["apiVersion"] ?? token.apiVersion,
      kind: state.live["kind"] ?? token.kind,
      metadata,
    };
    const manager = state.fieldManager ?? fieldManagerFor(request.urn);
    await this.guarded(inputs, async (hide) => {
      const context = this.context(request.urn, hide);
      try {
        if (isPatch(request.token, String(object["kind"]))) await operations.deletePatch(context, object, manager);
        else await operations.remove(context, object, { manager, timeout: request.timeout });
      } catch (error) {
        const required = requiredField(error);
        if (required === undefined) throw error;
        throw new Error(
          "this Patch resource is currently managing a required field, so it can't be deleted directly. Either set the " +
            `\`retainOnDelete\` resource option, or transfer ownership of the field before deleting: ${required}`,
        );
      }
    });
  }

  /** Runs an operation with every secret of the inputs taken out of the errors it throws. */
  private async guarded<T>(inputs: PropertyMap, run: (hide: (message: string) => string) => Promise<T>): Promise<T> {
    const secrets = hasSecret(inputs) ? secretTexts(inputs) : [];
    try {
      return await run((message) => redact(message, secrets));
    } catch (error) {
      if (error instanceof PartialFailure) throw error;
      if (this.cancellation.signal.aborted) throw new Error("cancelled");
      const prefix = error instanceof UnreachableError ? "configured Kubernetes cluster is unreachable: " : "";
      throw new Error(prefix + redact((error as Error).message, secrets));
    }
  }
}

function scopeKey(apiVersion: string, kind: string): string {
  return `${apiVersion.split("/")[0] ?? ""}/${kind}`;
}

function describe(error: unknown, say: (message: string) => string): unknown {
  if (error instanceof NoMatchError) {
    return new Error(
      say(
        `the apiVersion for this resource does not exist. Verify that any required CRDs have been created: ${error.message}`,
      ),
    );
  }
  return error instanceof ApiError ? new Error(say(error.message)) : error;
}

function requiredField(error: unknown): string | undefined {
  if (!(error instanceof ApiError) || error.code !== 422) return undefined;
  const causes = error.details["causes"];
  const cause = Array.isArray(causes)
    ? causes.filter(isPlainMap).find((each) => each["reason"] === "FieldValueRequired")
    : undefined;
  return cause === undefined ? undefined : String(cause["field"]);
}

function withoutNamespace(object: PlainMap): PlainMap {
  const metadata = object["metadata"];
  if (!isPlainMap(metadata)) return object;
  const { namespace: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}

/** What an import takes as inputs: everything but what the API server and the controllers write. */
function importedInputs(live: PlainMap): PlainMap {
  const { status: _, ...rest } = withoutServerFields(live);
  const metadata = metadataOf(rest);
  const all = metadata["annotations"];
  if (!isPlainMap(all)) return rest;
  const kept = Object.fromEntries(
    Object.entries(all).filter(
      ([key]) => key !== annotations.lastApplied && key !== "deployment.kubernetes.io/revision",
    ),
  );
  const { annotations: __, ...others } = metadata;
  return { ...rest, metadata: Object.keys(kept).length > 0 ? { ...others, annotations: kept } : others };
}

/** The program's inputs as the cluster holds them now. */
function observed(inputs: PropertyMap, live: KubeObject, rewrites: readonly Rewrite[]): PropertyMap {
  const owned = ownedFields(live);
  const stringData = inputs["stringData"];
  if (stringData === undefined || live.kind !== "Secret") {
    return observeInputs(
      toKubernetesKeys(inputs as unknown as PlainMap) as unknown as PropertyMap,
      withNamespaceOf(inputs, live),
      owned,
      rewrites,
    );
  }
  // what was written as stringData is read back as data; it is reported where the program wrote it
  const data = live["data"];
  const decoded = isPlainMap(data)
    ? Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), "base64").toString("utf8")]),
      )
    : {};
  return observeInputs(inputs, { ...withNamespaceOf(inputs, live), stringData: decoded }, owned, rewrites);
}

/** A kind that turned out to be cluster-wide keeps the namespace that its inputs were given; it means nothing there. */
function withNamespaceOf(inputs: PropertyMap, live: KubeObject): PlainMap {
  const namespace = namespaceOf(unwrapMap(inputs));
  if (namespaceOf(live) !== "" || namespace === "") return live;
  return { ...live, metadata: { ...metadataOf(live), namespace } };
}

/** What a preview must not promise: a dry run makes up addresses, and it has no status. */
function previewed(outputs: PropertyMap, object: KubeObject): PropertyMap {
  const { status: _, ...rest } = outputs;
  if (object.kind !== "Service" || object.apiVersion !== "v1") return rest;
  const given = object["spec"];
  const spec = editMap(rest["spec"], (map) => ({
    ...map,
    ...(isPlainMap(given) && "clusterIP" in given ? {} : { clusterIP: unknown, clusterIPs: unknown }),
  }));
  return { ...rest, spec };
}

/** Ignored fields: left to another manager that owns them alone, else sent as they are. */
function withIgnored(object: KubeObject, state: State, ignoreChanges: readonly string[]): KubeObject {
  let result: PlainMap = object;
  const ours = ownedFields(state.live, (entry) => entry.manager === state.fieldManager);
  const all = ownedFields(state.live);
  for (const path of ignoreChanges.map(parsePath)) {
    const names = path.filter((part): part is string => typeof part === "string" && part !== "*");
    if (names.length !== path.length) continue;
    const owns = (tree: typeof all): boolean =>
      names.reduce<typeof all | undefined>((node, name) => node?.fields.get(name), tree) !== undefined;
    const live = valueAt(state.live, path);
    if (live === undefined) continue;
    result = withValue(result, path, owns(all) && !owns(ours) ? undefined : live);
  }
  return result as KubeObject;
}

function withValue(object: PlainMap, path: FieldPath, value: Plain | undefined): PlainMap {
  const [first, ...rest] = path;
  if (typeof first !== "string") return object;
  const { [first]: current, ...others } = object;
  if (rest.length === 0) return value === undefined ? others : { ...others, [first]: value };
  if (current !== undefined && !isPlainMap(current)) return object;
  if (current === undefined && value === undefined) return object;
  return { ...others, [first]: withValue(current ?? {}, rest, value) };
}
