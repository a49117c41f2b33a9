/**
 * The lab's Pulumi language host for Node: what `pulumi-language-nodejs` of the official download is to the engine. An
 * engine that was built from its Go module comes without one. Runs programs, policy packs and component providers.
 */
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import type { ILanguageRuntimeServer } from "@pulumi/pulumi/proto/language_grpc_pb";
import {
  AboutResponse,
  DependencyInfo,
  GetProgramDependenciesResponse,
  GetRequiredPackagesResponse,
  GetRequiredPluginsResponse,
  LanguageHandshakeResponse,
  RuntimeOptionsResponse,
} from "@pulumi/pulumi/proto/language_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { endWithParent, killChildren } from "./children";
import { programDependencies } from "./dependencies";
import { runPlugin } from "./plugin";
import { runProgram } from "./program";

/** The engine's own address, the last argument that is not a flag (`-root=…`, `-tracing=…` come first). */
let engine = process.argv.slice(2).findLast((argument) => !argument.startsWith("-")) ?? "";

function failure(error: unknown): { code: status; details: string } {
  return { code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) };
}

const service: Partial<ILanguageRuntimeServer> = {
  handshake: (call, callback) => {
    engine = call.request.getEngineAddress() || engine;
    callback(null, new LanguageHandshakeResponse());
  },
  getPluginInfo: (_call, callback) => callback(null, new PluginInfo().setVersion("0.0.0")),
  // the engine asks for a provider when a resource names it; nothing is to be fetched beforehand
  getRequiredPlugins: (_call, callback) => callback(null, new GetRequiredPluginsResponse()),
  getRequiredPackages: (_call, callback) => callback(null, new GetRequiredPackagesResponse()),
  run: (call, callback) => {
    runProgram(call.request, engine).then(
      (response) => callback(null, response),
      (error: unknown) => callback(failure(error)),
    );
  },
  runPlugin: (call) => {
    runPlugin(call).catch((error: unknown) => call.destroy(Object.assign(new Error(), failure(error))));
  },
  // dependencies are the user's to install; the lab never runs a package manager by itself
  installDependencies: (call) => call.end(),
  runtimeOptionsPrompts: (_call, callback) => callback(null, new RuntimeOptionsResponse()),
  about: (_call, callback) =>
    callback(null, new AboutResponse().setExecutable(process.execPath).setVersion(process.version)),
  getProgramDependencies: (call, callback) => {
    const directory = call.request.getInfo()?.getProgramDirectory() || call.request.getPwd();
    const list = programDependencies(directory).map(({ name, version }) =>
      new DependencyInfo().setName(name).setVersion(version),
    );
    callback(null, new GetProgramDependenciesResponse().setDependenciesList(list));
  },
  cancel: (_call, callback) => {
    killChildren();
    callback(null, new Empty());
  },
};

const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
// what is not implemented here (code generation, linking) is answered as unimplemented by the server itself
server.addService(LanguageRuntimeService, service as UntypedServiceImplementation);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  endWithParent();
  process.stdout.write(`${port}\n`);
});
