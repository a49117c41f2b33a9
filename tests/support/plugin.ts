/** The package's components in a process of their own, started as Pulumi's engine does it. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { credentials } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { GetSchemaRequest } from "@pulumi/pulumi/proto/provider_pb";

export interface StartedPlugin {
  readonly process: ChildProcess;
  /** Where it listens on the loopback interface. */
  readonly port: string;
}

/** @param folder The package: a checkout that is built, or what npm has unpacked. */
export async function startPlugin(folder: string): Promise<StartedPlugin> {
  const runner = require.resolve("@pulumi/pulumi/cmd/run-plugin");
  const child = spawn(process.execPath, [runner, folder], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  process.once("exit", () => child.kill("SIGKILL"));
  return { process: child, port: await firstLine(child) };
}

/** The schema that a plugin serves, as JSON. */
export async function schemaOf({ port }: StartedPlugin): Promise<string> {
  const client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 100_000_000,
  });
  const schema = await new Promise<string>((resolve, reject) =>
    client.getSchema(new GetSchemaRequest(), (error, response) =>
      error === null ? resolve(response.getSchema()) : reject(error),
    ),
  );
  client.close();
  return schema;
}

/** The schema of the package in a folder, from a plugin that is started for it. */
export async function servedSchema(folder: string): Promise<string> {
  const plugin = await startPlugin(folder);
  try {
    return await schemaOf(plugin);
  } finally {
    plugin.process.kill("SIGKILL");
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")).trim());
    });
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`the plugin ended with exit code ${code}`)));
  });
}
