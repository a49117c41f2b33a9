/** `npm start`: end to end on this machine, from a declaration to what is reachable now. */
import { Command } from "commander";
import pc from "picocolors";
import { ControlPlaneError, stopLab, ToolchainError } from "../index";
import { StoryError } from "./stage";
import { tellInLab, tellOnCluster } from "./story";

interface Options {
  readonly keep?: boolean;
  readonly down?: boolean;
  readonly cluster?: string;
  readonly yes?: boolean;
}

const program = new Command("npm start --")
  .description(
    "Shows what this package does, on a real Pulumi engine and a real Kubernetes API server of its own: an insecure " +
      "stack is blocked in preview, a secure one is deployed, and what is reachable is computed before and after.",
  )
  .option("--keep", "leave the lab's cluster running, to look around with kubectl")
  .option("--down", "stop what --keep left running; with --cluster, remove the example's stack from that cluster")
  .option("--cluster <context>", "use this context of your kubeconfig instead of the lab's cluster; only previews")
  .option("--yes", "with --cluster: really deploy there")
  .addHelpText(
    "after",
    "\nWithout options the lab's cluster is stopped at the end. No cluster but the lab's own is touched unless it is named.",
  )
  .showHelpAfterError("(run `npm start -- --help` for the options)");

async function main(): Promise<number> {
  program.parse();
  const options = program.opts<Options>();
  if (options.yes && options.cluster === undefined) program.error("error: --yes goes with --cluster <context>");
  if (options.keep && options.cluster !== undefined) program.error("error: --keep is for the lab's own cluster");

  const interrupted = new AbortController();
  // the engine hears of it through the signal, finishes what it is at, and then the lab is closed
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
  const { signal } = interrupted;
  try {
    if (options.cluster !== undefined) {
      await tellOnCluster({
        context: options.cluster,
        deploy: options.yes === true,
        down: options.down === true,
        signal,
      });
    } else if (options.down) {
      console.log((await stopLab()) ? "The lab's cluster is stopped." : "No lab is running.");
    } else {
      await tellInLab({ keep: options.keep === true, signal });
    }
    return 0;
  } catch (error) {
    if (signal.aborted) {
      console.error("\nStopped. Nothing is left running; run `npm start` again at any time.");
      return 130;
    }
    if (error instanceof StoryError) {
      console.error(`\n${pc.red("✘")} ${error.message}`);
      if (error.details) console.error(error.details);
      return 1;
    }
    if (error instanceof ToolchainError || error instanceof ControlPlaneError) {
      console.error(`\n${pc.red("✘")} ${error.message}`);
      return error instanceof ToolchainError ? error.exitCode : 1;
    }
    throw error;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
