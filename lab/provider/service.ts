/** Pulumi's provider protocol (pulumirpc.ResourceProvider) on one side, the provider's operations on the other. */
import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { readConfiguration } from "./configuration";
import { constructComponent } from "./construct";
import { pathText } from "./diff";
import type { EngineConnection } from "./engine-log";
import { invoke } from "./invoke";
import { activeCluster } from "./kubeconfig";
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
  type ReadRequest,
  type ReadResult,
  type UpdateRequest,
} from "./messages";
import type { Autonaming } from "./naming";
import { releaseToken, typeOfUrn } from "./objects";
import { equal, hasUnknown, mapFromWire, toWire, unwrap, unwrapMap, type PropertyMap } from "./properties";
import { KubernetesProvider } from "./provider";
import { ReleaseProvider } from "./release";

/** What every family of resources offers. */
interface Resources {
  check(request: CheckRequest): Promise<CheckResult>;
  diff(request: DiffRequest): DiffResult | Promise<DiffResult>;
  create(request: CreateRequest): Promise<CreateResult>;
  read(request: ReadRequest): Promise<ReadResult>;
  update(request: UpdateRequest): Promise<PropertyMap>;
  delete(request: DeleteRequest): Promise<void>;
}

export interface ServiceOptions {
  /** Version of the provider that this one stands for: that of the installed @pulumi/kubernetes. */
  version: string;
  engine: EngineConnection;
}

function structOf(map: PropertyMap): Struct {
  return Struct.fromJavaScript(toWire(map) as Record<string, JavaScriptValue>);
}

function mapOf(struct: Struct | undefined): PropertyMap {
  return mapFromWire(struct?.toJavaScript());
}

function resourceOf(request: { getUrn(): string; getType(): string }): { urn: string; token: string } {
  return { urn: request.getUrn(), token: request.getType() || typeOfUrn(request.getUrn()) };
}

/** An error for the engine; a partial failure carries the state that is to be kept. */
function grpcError(error: unknown): Partial<grpc.ServiceError> {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PartialFailure)) return { code: grpc.status.UNKNOWN, details: message };
  const detail = new proto.ErrorResourceInitFailed();
  detail.setId(error.id);
  detail.setProperties(structOf(error.outputs));
  if (error.inputs) detail.setInputs(structOf(error.inputs));
  detail.setReasonsList(error.reasons);
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(any);
  const metadata = new grpc.Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return { code: grpc.status.UNKNOWN, details: message, metadata };
}

function unary<Request, Response>(handle: (request: Request) => Response | Promise<Response>) {
  return (call: grpc.ServerUnaryCall<Request, Response>, callback: grpc.sendUnaryData<Response>): void => {
    Promise.resolve()
      .then(() => handle(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(grpcError(error)),
      );
  };
}

const unimplemented = (name: string) => (_: unknown, callback: grpc.sendUnaryData<never>) =>
  callback({ code: grpc.status.UNIMPLEMENTED, details: `${name} is not offered by this provider` });

function autonamingOf(request: proto.CheckRequest): Autonaming | undefined {
  const options = request.getAutonaming();
  if (!options) return undefined;
  const modes = ["propose", "enforce", "disable"] as const;
  return { proposedName: options.getProposedName(), mode: modes[options.getMode()] ?? "propose" };
}

function checkResponse(inputs: Struct | undefined, failures: readonly CheckFailure[]): proto.CheckResponse {
  const response = new proto.CheckResponse();
  response.setInputs(inputs);
  for (const { property, reason } of failures) {
    const failure = new proto.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return response;
}

const kinds = {
  add: [proto.PropertyDiff.Kind.ADD, proto.PropertyDiff.Kind.ADD_REPLACE],
  delete: [proto.PropertyDiff.Kind.DELETE, proto.PropertyDiff.Kind.DELETE_REPLACE],
  update: [proto.PropertyDiff.Kind.UPDATE, proto.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

function diffResponse(result: DiffResult): proto.DiffResponse {
  const response = new proto.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
  response.setChanges(result.changes.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setDeletebeforereplace(result.deleteBeforeReplace);
  response.setHasdetaileddiff(true);
  const top = new Set<string>();
  for (const change of result.changes) {
    const path = pathText(change.path);
    const detail = new proto.PropertyDiff();
    detail.setKind(kinds[change.kind][change.replace ? 1 : 0]);
    detail.setInputdiff(change.byInputs);
    response.getDetaileddiffMap().set(path, detail);
    top.add(String(change.path[0]));
    if (change.replace) response.addReplaces(path);
  }
  response.setDiffsList([...top]);
  return response;
}

/** The configuration variables as the engine passes them: `kubernetes:config:kubeconfig` → `kubeconfig`. */
function variablesOf(request: proto.ConfigureRequest): Map<string, string> {
  const variables = new Map<string, string>();
  request
    .getVariablesMap()
    .forEach((value: string, key: string) => variables.set(key.replace(/^kubernetes:config:/, ""), value));
  return variables;
}

/** Provider inputs that may mean another cluster when they change. */
const clusterInputs = ["kubeconfig", "context", "cluster"] as const;

/** A provider that points at another cluster takes its resources along: it is replaced, and they with it. */
function diffConfig(request: proto.DiffRequest): proto.DiffResponse {
  const olds = mapOf(request.getOldInputs() ?? request.getOlds());
  const news = mapOf(request.getNews());
  const response = new proto.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
  const names = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
  const changed = names.filter((name) => !equal(plain(olds[name]), plain(news[name])));
  response.setChanges(changed.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setDiffsList(changed);
  const identifier = [plain(olds["clusterIdentifier"]), plain(news["clusterIdentifier"])];
  if (identifier[1] !== undefined && equal(identifier[0], identifier[1])) return response;
  const unclear = clusterInputs.filter((name) => hasUnknown(news[name] ?? null));
  const choice = (map: PropertyMap): string => {
    const values = unwrapMap(map);
    const text = (name: string): string | undefined => (typeof values[name] === "string" ? values[name] : undefined);
    return activeCluster({ kubeconfig: text("kubeconfig"), context: text("context"), cluster: text("cluster") });
  };
  if (identifier[0] !== undefined && identifier[1] !== undefined) response.addReplaces("clusterIdentifier");
  else if (unclear.length > 0) response.setReplacesList(unclear);
  else if (
    changed.some((name) => (clusterInputs as readonly string[]).includes(name)) &&
    choice(olds) !== choice(news)
  ) {
    response.setReplacesList(changed.filter((name) => (clusterInputs as readonly string[]).includes(name)));
  }
  return response;
}

function plain(value: PropertyMap[string] | undefined): ReturnType<typeof unwrap> | undefined {
  return value === undefined ? undefined : unwrap(value);
}

/** Makes the server; it is not listening yet. */
export function createServer(options: ServiceOptions): grpc.Server {
  const { engine, version } = options;
  const objects = new KubernetesProvider(engine);
  const releases = new ReleaseProvider(objects, engine);
  const family = (token: string): Resources => (token === releaseToken ? releases : objects);

  const server = new grpc.Server({
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  server.addService(ResourceProviderService, {
    handshake: unary((request: proto.ProviderHandshakeRequest) => {
      engine.attach(request.getEngineAddress());
      const response = new proto.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      response.setSupportsAutonamingConfiguration(true);
      return response;
    }),
    getPluginInfo: unary(() => {
      const info = new PluginInfo();
      info.setVersion(version);
      return info;
    }),
    getSchema: unary((request: proto.GetSchemaRequest) => {
      if (request.getVersion() !== 0) throw new Error(`unsupported schema version ${request.getVersion()}`);
      const response = new proto.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: "kubernetes", version, resources: {}, functions: {}, types: {} }));
      return response;
    }),
    attach: unary((request: { getAddress(): string }) => {
      engine.attach(request.getAddress());
      return new Empty();
    }),
    cancel: unary(() => {
      objects.cancel();
      return new Empty();
    }),
    getMapping: unary(() => new proto.GetMappingResponse()),
    getMappings: unary(() => new proto.GetMappingsResponse()),
    parameterize: unimplemented("Parameterize"),
    call: unimplemented("Call"),
    list: (call: grpc.ServerWritableStream<unknown, unknown>) =>
      call.emit("error", { code: grpc.status.UNIMPLEMENTED, details: "List is not offered by this provider" }),

    checkConfig: unary((request: proto.CheckRequest) => checkResponse(request.getNews(), [])),
    diffConfig: unary(diffConfig),
    configure: unary((request: proto.ConfigureRequest) => {
      objects.configure(readConfiguration(variablesOf(request), process.env));
      const response = new proto.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      response.setSupportsAutonamingConfiguration(true);
      return response;
    }),
    invoke: unary(async (request: proto.InvokeRequest) => {
      const response = new proto.InvokeResponse();
      response.setReturn(structOf(await invoke(request.getTok(), mapOf(request.getArgs()), objects, releases)));
      return response;
    }),
    construct: unary((request: proto.ConstructRequest) => constructComponent(request, version)),

    check: unary(async (request: proto.CheckRequest) => {
      const resource = resourceOf(request);
      const autonaming = autonamingOf(request);
      const result = await family(resource.token).check({
        ...resource,
        olds: mapOf(request.getOlds()),
        news: mapOf(request.getNews()),
        randomSeed: request.getRandomseed_asU8(),
        ...(autonaming ? { autonaming } : {}),
      });
      return checkResponse(structOf(result.inputs), result.failures);
    }),
    diff: unary(async (request: proto.DiffRequest) => {
      const resource = resourceOf(request);
      return diffResponse(
        await family(resource.token).diff({
          ...resource,
          id: request.getId(),
          olds: mapOf(request.getOlds()),
          oldInputs: mapOf(request.getOldInputs()),
          news: mapOf(request.getNews()),
          ignoreChanges: request.getIgnorechangesList(),
        }),
      );
    }),
    create: unary(async (request: proto.CreateRequest) => {
      const resource = resourceOf(request);
      const result = await family(resource.token).create({
        ...resource,
        inputs: mapOf(request.getProperties()),
        timeout: request.getTimeout(),
        preview: request.getPreview(),
      });
      const response = new proto.CreateResponse();
      response.setId(result.id);
      response.setProperties(structOf(result.outputs));
      return response;
    }),
    read: unary(async (request: proto.ReadRequest) => {
      const resource = resourceOf(request);
      const result = await family(resource.token).read({
        ...resource,
        id: request.getId(),
        outputs: mapOf(request.getProperties()),
        inputs: mapOf(request.getInputs()),
      });
      const response = new proto.ReadResponse();
      response.setId(result.id);
      if (result.id === "") return response;
      response.setProperties(structOf(result.outputs));
      response.setInputs(structOf(result.inputs));
      return response;
    }),
    update: unary(async (request: proto.UpdateRequest) => {
      const resource = resourceOf(request);
      const outputs = await family(resource.token).update({
        ...resource,
        id: request.getId(),
        olds: mapOf(request.getOlds()),
        oldInputs: mapOf(request.getOldInputs()),
        news: mapOf(request.getNews()),
        timeout: request.getTimeout(),
        preview: request.getPreview(),
        ignoreChanges: request.getIgnorechangesList(),
      });
      const response = new proto.UpdateResponse();
      response.setProperties(structOf(outputs));
      return response;
    }),
    delete: unary(async (request: proto.DeleteRequest) => {
      const resource = resourceOf(request);
      await family(resource.token).delete({
        ...resource,
        id: request.getId(),
        outputs: mapOf(request.getProperties()),
        oldInputs: mapOf(request.getOldInputs()),
        timeout: request.getTimeout(),
      });
      return new Empty();
    }),
  });
  return server;
}
