/** kube-state-metrics beside a control plane of the lab. */
import { spawn, type ChildProcess } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "../control-plane/index";
import type { ToolchainOptions } from "../toolchain/index";
import { provideTools, ToolchainError } from "../toolchain/index";
import { dyingWithParent } from "../toolchain/run";
import { freePort } from "./ports";

/** kube-state-metrics that runs. */
export interface StateMetrics {
  /** `address:port` of the metrics. */
  readonly target: string;
  stop(): void;
}

/** The program, built once from its module; undefined where that is not possible. */
export async function stateMetricsProgram(options: ToolchainOptions = {}): Promise<string | undefined> {
  try {
    const { "kube-state-metrics": found } = await provideTools(["kube-state-metrics"], options);
    return found.path;
  } catch (error) {
    if (error instanceof ToolchainError && error.code === "no-way") return undefined;
    throw error;
  }
}

/**
 * Starts it, and resolves once it answers.
 *
 * @param log File that takes its output.
 */
export async function startStateMetrics(
  program: string,
  controlPlane: ControlPlane,
  log: string,
): Promise<StateMetrics> {
  const [port, telemetry] = [await freePort(), await freePort()];
  const [command, args] = dyingWithParent(program, [
    `--kubeconfig=${controlPlane.kubeconfigPath}`,
    "--resources=jobs,networkpolicies",
    "--host=127.0.0.1",
    `--port=${port}`,
    "--telemetry-host=127.0.0.1",
    `--telemetry-port=${telemetry}`,
  ]);
  const output = openSync(log, "a", 0o600);
  const child: ChildProcess = spawn(command, args, { stdio: ["ignore", output, output] });
  closeSync(output);
  const target = `127.0.0.1:${port}`;
  for (let tries = 0; ; tries += 1) {
    // without objects it exports nothing
    const answers = await fetch(`http://${target}/metrics`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answers) return { target, stop: () => void child.kill("SIGKILL") };
    if (tries > 120 || child.exitCode !== null) {
      child.kill("SIGKILL");
      throw new Error(`kube-state-metrics does not answer; its log is ${log}`);
    }
    await sleep(500);
  }
}
