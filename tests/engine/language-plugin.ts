/** The package's components in a process of their own, as programs in other languages have them. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { GetSchemaRequest } from "@pulumi/pulumi/proto/provider_pb";
import { repository } from "./shared-lab";

/** A plugin that serves more than one operation of the engine. */
export interface AttachedPlugin {
  /** Has the engine use the process. */
  readonly env: Readonly<Record<string, string>>;
  /** The package's schema, as JSON. */
  readonly schema: string;
}

let attached: Promise<AttachedPlugin> | undefined;

/**
 * The plugin of the checkout, started as the engine does, once for all suites of a run: reading its sources takes it ten
 * times as long as a small update.
 */
export function attachedPlugin(): Promise<AttachedPlugin> {
  return (attached ??= attachPlugin());
}

async function attachPlugin(): Promise<AttachedPlugin> {
  const runner = require.resolve("@pulumi/pulumi/cmd/run-plugin");
  const child = spawn(process.execPath, [runner, repository], {
    cwd: repository,
    stdio: ["ignore", "pipe", "ignore"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const port = await firstLine(child);
  const client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 100_000_000,
  });
  const schema = await new Promise<string>((resolve, reject) =>
    client.getSchema(new GetSchemaRequest(), (error, response) =>
      error === null ? resolve(response.getSchema()) : reject(error),
    ),
  );
  client.close();
  // it ends with the run, and keeps nobody waiting
  child.unref();
  (child.stdout as Socket).unref();
  return { env: { PULUMI_DEBUG_PROVIDERS: `pulumi-cluster-security:${port}` }, schema };
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
