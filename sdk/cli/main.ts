#!/usr/bin/env node
import * as nodeModule from "node:module";
import { readFileSync } from "node:fs";
import * as path from "node:path";

// Compiled code is kept between runs where Node can do that (22.8 and later): half the time to start.
(nodeModule as unknown as { enableCompileCache?: () => unknown }).enableCompileCache?.();

import { CommanderError } from "commander";
import { CliError } from "./errors";
import { exitCodes } from "./exit-codes";
import { OutputClosed, printable } from "./output";
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

async function main(argv: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: exitCodes.ok };
  const program = createProgram(packageVersion(), outcome);
  for (const command of [program, ...program.commands]) command.exitOverride();
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return exitCodes.usage;
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
    return outcome.exitCode;
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): number {
  // Commander has printed its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof OutputClosed) return Number(process.exitCode ?? exitCodes.ok);
  if (error instanceof CliError) {
    process.stderr.write(`cluster-security: ${printable(error.message)}\n`);
    return error.exitCode;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `cluster-security: this is a defect in cluster-security, please report it with the command and this text:\n${detail}\n`,
  );
  return exitCodes.internal;
}

// A reader that goes away (`| head`) is no error: a command learns of it when it writes on, help and stderr need not.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = failure(error);
  },
);
