import type { RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { RunResponse } from "@pulumi/pulumi/proto/language_pb";
import { startNode } from "./children";
import { findRunner, runtimeOptions, typescriptEnvironment } from "./node-command";

/** The runner's way to say that it has told the user everything already. */
const alreadyReported = 32;

/** Runs a Pulumi program to its end. What it prints goes where this host's output goes, which the engine reads. */
export async function runProgram(request: RunRequest, engine: string): Promise<RunResponse> {
  const info = request.getInfo();
  const directory = info?.getProgramDirectory() || request.getPwd();
  const options = runtimeOptions((info?.getOptions()?.toJavaScript() ?? {}) as Record<string, unknown>);
  const args = [
    ...options.nodeArgs,
    findRunner("run", directory),
    ...pair("--monitor", request.getMonitorAddress()),
    ...pair("--engine", engine),
    ...pair("--organization", request.getOrganization()),
    ...pair("--project", request.getProject()),
    ...pair("--root-directory", info?.getRootDirectory()),
    ...pair("--stack", request.getStack()),
    ...pair("--pwd", request.getPwd()),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    ...pair("--parallel", String(request.getParallel())),
    info?.getEntryPoint() || request.getProgram() || ".",
    ...request.getArgsList(),
  ];
  const child = startNode(args, {
    cwd: request.getPwd() || directory,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      ...typescriptEnvironment(options, info?.getRootDirectory() || directory),
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    },
  });
  const response = new RunResponse();
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
  });
  if (code === alreadyReported) response.setBail(true);
  else if (code !== 0) response.setError(`the program ended with ${signal ? `signal ${signal}` : `exit code ${code}`}`);
  return response;
}

function pair(flag: string, value: string | undefined): string[] {
  return value ? [flag, value] : [];
}
