/**
 * The plugin `pulumi-resource-kubernetes`: prints the port it serves on and ends with the engine that started it.
 * Arguments as the engine passes them: flags, then the engine's address.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as grpc from "@grpc/grpc-js";
import { EngineConnection } from "./engine-log";
import { createServer } from "./service";

/** Set where the program is bundled (install.ts): the version of the installed @pulumi/kubernetes. */
declare const KUBERNETES_VERSION: string | undefined;

function providerVersion(): string {
  if (typeof KUBERNETES_VERSION === "string") return KUBERNETES_VERSION;
  const manifest = readFileSync(createRequire(__filename).resolve("@pulumi/kubernetes/package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The engine's address: the first argument that is no flag (`--tracing` takes a value). */
export function engineAddress(args: readonly string[]): string {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--tracing") index++;
    else if (!arg.startsWith("-")) return arg;
  }
  return "";
}

/** Ends this process when the one that started it has ended: an orphan would keep working on the cluster. */
function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 500).unref();
}

function main(): void {
  const engine = new EngineConnection();
  engine.attach(engineAddress(process.argv.slice(2)));
  const server = createServer({ version: providerVersion(), engine });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    }
    process.stdout.write(`${port}\n`);
    endWithParent();
  });
}

main();
