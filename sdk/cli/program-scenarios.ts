/** The command on expected connections: scenarios. */
import { Option, type Command } from "commander";
import { exitCodesHelp } from "./exit-codes";
import { inputOptions, several, type Outcome } from "./program-options";
import type { ScenariosOptions } from "./commands/scenarios";

/** Adds `scenarios`. */
export function addScenarios(program: Command, outcome: Outcome): void {
  const command = program
    .command("scenarios")
    .summary("expected connections: made of a declaration, held against policies")
    .description(
      "Writes the connections that a declaration expects to pass and not to pass into a file that people edit and extend; with --policies, says which of them the policies keep. verify --scenarios tries the same file with packets.",
    )
    .argument("<file>", "a declaration (YAML, JSON, or a module that exports it), or a file of scenarios")
    .option(
      "--policies <source>",
      "hold the scenarios against these: files, folders, a declaration, context=NAME (repeatable, or a,b)",
      several,
      [],
    )
    .option("--sample <count>", "connections of each workload that nobody declared", "5")
    .option("--all", "all of them, and every known metadata address", false)
    .option(
      "--outside <address>",
      "an address outside the cluster that answers, for verify to send packets to (repeatable, or a,b)",
      several,
      [],
    )
    .option("--overwrite", "write over the file of --output where it exists", false)
    .addOption(
      new Option(
        "--format <format>",
        "yaml or netassert (tests of netassert v2) to write, the others for what came of it (default: yaml; with --policies: table)",
      ).choices(["yaml", "netassert", "table", "tap", "junit", "json"]),
    );
  inputOptions(command, [], { sources: false })
    .addHelpText(
      "after",
      `
A scenario, with what may be written for from and to as for query:
  - from: shop/frontend
    to: shop/postgres:5432/TCP       without a port, where it is denied: every TCP port
    expect: denied                   or allowed
    because: only the backend may    who reads a failure wants to know
    packets: false                   verify sends none for it (default: true)
    unlistedPort: true               the containers do not list this port (default: false, and it is refused)

Examples:
  cluster-security scenarios security.yaml --output scenarios.yaml
  cluster-security scenarios scenarios.yaml --policies manifests/ --format junit --output scenarios.xml
  cluster-security scenarios security.yaml --policies context=prod
  cluster-security scenarios scenarios.yaml --policies manifests/ --format netassert --output netassert.yaml
  cluster-security verify --context staging --scenarios scenarios.yaml --create-probe-pods

${exitCodesHelp("written; with --policies: every scenario came about", "with --policies: one did not")}`,
    )
    .action(async (file: string, options: ScenariosOptions) => {
      const { scenarios } = await import("./commands/scenarios.js");
      outcome.exitCode = await scenarios(file, options);
    });
}
