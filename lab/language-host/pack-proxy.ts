import type { ChildProcess } from "node:child_process";
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from "@grpc/grpc-js";
import { Client, credentials, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { AnalyzerService } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import { AnalyzerStackConfigureRequest } from "@pulumi/pulumi/proto/analyzer_pb";

/** Starts the pack's process with the environment given in addition to its own; resolves to its port. */
export type StartPack = (env: Record<string, string>) => Promise<{ child: ChildProcess; port: number }>;

const noLimit = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
const same = (bytes: Buffer): Buffer => bytes;

/**
 * Stands between the engine and a policy pack. A pack reads its stack's configuration from the environment that its
 * process starts with, but the engine tells the configuration only to the running pack. So the pack is started when that
 * message has come; from then on every message is passed through as it is. Without that message (publishing, analysing a
 * file) the pack is started at the first other one.
 */
export async function serveBeforePack(start: StartPack): Promise<{ port: number; stop: () => void }> {
  let client: Promise<Client> | undefined;
  const pack = (env: Record<string, string>): Promise<Client> => {
    client ??= start(env).then(({ port }) => new Client(`127.0.0.1:${port}`, credentials.createInsecure(), noLimit));
    return client;
  };

  const definition: Record<string, unknown> = {};
  const handlers: Record<string, (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void> = {};
  for (const [name, method] of Object.entries(AnalyzerService)) {
    if (name === "handshake") continue;
    definition[name] = {
      ...method,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    handlers[name] = (call, callback) => {
      const env = name === "configureStack" ? stackEnvironment(call.request) : {};
      pack(env).then(
        (target) => target.makeUnaryRequest(method.path, same, same, call.request, new Metadata(), callback),
        (error: unknown) => callback({ code: status.UNAVAILABLE, details: messageOf(error) }),
      );
    };
  }

  const server = new Server(noLimit);
  server.addService(definition as ServiceDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    stop: () => {
      server.forceShutdown();
      client?.then((open) => open.close()).catch(() => undefined);
    },
  };
}

/** What a pack's process is told about the stack, by the names that @pulumi/pulumi reads. */
function stackEnvironment(bytes: Buffer): Record<string, string> {
  const request = AnalyzerStackConfigureRequest.deserializeBinary(bytes);
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigSecretKeysList()),
    PULUMI_NODEJS_ORGANIZATION: request.getOrganization(),
    PULUMI_NODEJS_PROJECT: request.getProject(),
    PULUMI_NODEJS_STACK: request.getStack(),
    PULUMI_NODEJS_DRY_RUN: String(request.getDryRun()),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
