/** One run of the command line inside this process. */
import { readFileSync } from "node:fs";
import * as path from "node:path";
import { CommanderError, type Command } from "commander";
import { CliError } from "./errors";
import { exitCodes } from "./exit-codes";
import { OutputClosed, printable } from "./output";
import { endProgress, watchProgress } from "./progress";
import { createProgram } from "./program";
import type { Outcome } from "./program-options";

/** Version in the package.json above this file, which lies deeper once it is compiled. */
function packageVersion(): string {
  for (let folder = __dirname; folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as Record<string, unknown>;
      if (manifest["name"] === "pulumi-cluster-security") return String(manifest["version"]);
    } catch {
      // No package.json here: further up.
    }
  }
  return "unknown";
}

/**
 * Runs `cluster-security` with these arguments (without `node` and the script) and returns its exit code. Prints on the
 * process's standard output and error, and never throws for what a user or a file did.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: exitCodes.ok };
  const program = createProgram(packageVersion(), outcome);
  for (const command of withCommands(program)) command.exitOverride();
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return exitCodes.usage;
  }
  watchProgress(argv);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return outcome.exitCode;
  } catch (error) {
    return await failure(error);
  } finally {
    endProgress();
  }
}

/** A command and all below it: Commander hands nothing down to those that were made before. */
function withCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withCommands)];
}

async function failure(error: unknown): Promise<number> {
  // Commander has printed its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof OutputClosed) return Number(process.exitCode ?? exitCodes.ok);
  const { ClusterError } = await import("../cluster/errors.js");
  if (error instanceof CliError || error instanceof ClusterError) {
    process.stderr.write(`cluster-security: ${printable(error.message)}\n`);
    return error instanceof CliError ? error.exitCode : exitCodes.input;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `cluster-security: this is a defect in cluster-security, please report it with the command and this text:\n${detail}\n`,
  );
  return exitCodes.internal;
}
