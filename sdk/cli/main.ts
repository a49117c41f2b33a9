#!/usr/bin/env node
import * as nodeModule from "node:module";

// Compiled code is kept between runs where Node can do that (22.8 and later): half the time to start.
(nodeModule as unknown as { enableCompileCache?: () => unknown }).enableCompileCache?.();

import { runCommandLine } from "./run";

// A reader that goes away (`| head`) is no error: a command learns of it when it writes on, help and stderr need not.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

void runCommandLine(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  // what a signal has ended does not wait for answers that are under way
  if (code > 128) process.exit();
});
