import type { ChildProcess } from "node:child_process";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { RunPluginRequest } from "@pulumi/pulumi/proto/language_pb";
import { RunPluginResponse } from "@pulumi/pulumi/proto/language_pb";
import { startNode } from "./children";
import { findRunner, runtimeOptions, typescriptEnvironment } from "./node-command";
import { serveBeforePack } from "./pack-proxy";

type Call = ServerWritableStream<RunPluginRequest, RunPluginResponse>;

/** Runs a policy pack or a component provider written for Node, as long as the engine keeps the call open. */
export async function runPlugin(call: Call): Promise<void> {
  await (call.request.getKind() === "analyzer" ? runPack(call) : runProvider(call));
}

async function runProvider(call: Call): Promise<void> {
  const { request } = call;
  const directory = directoryOf(request);
  const child = startPlugin(request, [findRunner("run-plugin", directory), directory, ...request.getArgsList()], {});
  call.on("cancelled", () => child.kill("SIGKILL"));
  child.stdout?.on("data", (bytes: Buffer) => writeOut(call, bytes));
  child.stderr?.on("data", (bytes: Buffer) => writeError(call, bytes));
  writeExit(call, await endOf(child));
}

async function runPack(call: Call): Promise<void> {
  const { request } = call;
  const directory = directoryOf(request);
  const runner = findRunner("run-policy-pack", directory);
  const [engine = ""] = request.getArgsList();
  const entry = request.getInfo()?.getEntryPoint() || ".";

  let cancelled = false;
  let ended: (code: number) => void = () => undefined;
  const end = new Promise<number>((resolve) => (ended = resolve));
  const proxy = await serveBeforePack(async (env) => {
    if (cancelled) throw new Error("the engine has given this pack up");
    const child = startPlugin(request, [runner, engine, entry], env);
    call.on("cancelled", () => child.kill("SIGKILL"));
    child.stderr?.on("data", (bytes: Buffer) => writeError(call, bytes));
    void endOf(child).then(ended, () => ended(1));
    return { child, port: await portOf(child, (bytes) => writeOut(call, bytes)) };
  });
  call.on("cancelled", () => {
    cancelled = true;
    proxy.stop();
    ended(0);
  });
  // the engine takes the first line as the pack's port
  writeOut(call, Buffer.from(`${proxy.port}\n`));
  const code = await end;
  proxy.stop();
  writeExit(call, code);
}

/** The port that a plugin prints as its first line; what follows is passed on. */
function portOf(child: ChildProcess, passOn: (bytes: Buffer) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    let found = false;
    child.stdout?.on("data", (bytes: Buffer) => {
      if (found) return passOn(bytes);
      text += bytes.toString("utf8");
      const end = text.indexOf("\n");
      if (end < 0) return;
      const port = Number(text.slice(0, end).trim());
      if (!Number.isInteger(port) || port <= 0) {
        // a pack that prints while it loads would be taken for a broken one
        reject(new Error(`the policy pack printed ${JSON.stringify(text.slice(0, end))} where its port was expected`));
        child.kill("SIGKILL");
        return;
      }
      found = true;
      if (end + 1 < text.length) passOn(Buffer.from(text.slice(end + 1)));
      resolve(port);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the policy pack ended with exit code ${code} before it served`)));
  });
}

function startPlugin(request: RunPluginRequest, args: readonly string[], env: Record<string, string>): ChildProcess {
  const info = request.getInfo();
  const directory = directoryOf(request);
  const options = runtimeOptions((info?.getOptions()?.toJavaScript() ?? {}) as Record<string, unknown>);
  const given = request.getEnvList().map((entry): [string, string] => {
    const equals = entry.indexOf("=");
    return [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return startNode([...options.nodeArgs, ...args], {
    // a pack is loaded relative to its own folder; a provider works where the engine says
    cwd: request.getKind() === "analyzer" ? directory : request.getPwd() || directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...Object.fromEntries(given), ...typescriptEnvironment(options, directory), ...env },
  });
}

function directoryOf(request: RunPluginRequest): string {
  return request.getInfo()?.getProgramDirectory() || request.getProgram() || request.getPwd();
}

/** Exit code of a child; 1 where a signal ended it. Rejects where it could not be started. */
function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function writeOut(call: Call, bytes: Buffer): void {
  if (!call.cancelled) call.write(new RunPluginResponse().setStdout(new Uint8Array(bytes)));
}

function writeError(call: Call, bytes: Buffer): void {
  if (!call.cancelled) call.write(new RunPluginResponse().setStderr(new Uint8Array(bytes)));
}

function writeExit(call: Call, code: number): void {
  if (call.cancelled) return;
  call.write(new RunPluginResponse().setExitcode(code));
  call.end();
}
