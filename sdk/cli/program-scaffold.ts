/** Commands that begin a project, and add to its declaration. */
import { Option, type Command } from "commander";
import type { AddServiceOptions } from "./commands/add-service";
import type { InitOptions } from "./commands/init";
import { exitCodesHelp } from "./exit-codes";
import { outputHelp, several, type Outcome } from "./program-options";

/** Adds the commands. */
export function addScaffolds(program: Command, version: string, outcome: Outcome): void {
  program
    .command("init")
    .summary("a new Pulumi project with a declaration")
    .description(
      "Writes a Pulumi project: a program, and a declaration in security.yaml that both the program and the other commands read. Denies only in the namespaces that it names. Writes over no file.",
    )
    .argument("<folder>", "where to; made if it is not there")
    .option("--name <name>", "of the project (default: the folder's)")
    .addOption(
      new Option("--dialect <api>", "which API policies are written in")
        .choices(["cilium", "calico", "kubernetes"])
        .default("cilium"),
    )
    .option("--install", "the program installs Cilium or Calico, too", false)
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security init network-security
  cluster-security init network-security --dialect calico --install

${exitCodesHelp("written")}`,
    )
    .action(async (folder: string, options: InitOptions) => {
      const { init } = await import("./commands/init.js");
      outcome.exitCode = await init(folder, version, options);
    });
  const add = program
    .command("add")
    .summary("a service into a declaration")
    .description("Adds to a declaration in YAML; every other line stays as it is.")
    .addHelpText(
      "after",
      `
Examples:
  cluster-security add service shop/orders -d security.yaml --port 8080 --from shop/backend

${exitCodesHelp("added")}`,
    );
  addServiceCommand(add, outcome);
}

function addServiceCommand(add: Command, outcome: Outcome): void {
  add
    .description("Adds to a declaration in YAML. Comments and order stay.")
    .command("service")
    .summary("a workload, who calls it, and what it calls")
    .description(
      "Adds a workload and its flows to a declaration in YAML, and prints what that opens and the two commands that come next. What the declaration refuses is not written.",
    )
    .argument("<name>", "namespace/name")
    .requiredOption("-d, --declaration <file>", "the declaration, YAML or JSON")
    .requiredOption("--reason <text>", "why these flows exist")
    .requiredOption("--owner <name>", "who answers for them")
    .option("--port <port>", "a port that it serves: 8080, 53/udp, http=8080 (repeatable, or a,b)", several, [])
    .option(
      "--from <end>",
      "who calls it: shop/frontend, entity:ingress, cidr:10.0.0.0/8 (repeatable, or a,b)",
      several,
      [],
    )
    .option(
      "--to <end>",
      "what it calls: shop/postgres:5432, fqdn:api.example.com:443 (repeatable, or a,b)",
      several,
      [],
    )
    .option("--label <key=value>", "of its pods (repeatable, or a,b; default: app=NAME)", several, [])
    .option("--service-account <name>", "of its pods")
    .option("--dry-run", "print what would be added, and write nothing", false)
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security add service shop/orders -d security.yaml --port 8080 --from shop/backend --to shop/postgres:5432 \\
    --reason "the backend takes orders" --owner shop
  cluster-security add service shop/mailer -d security.yaml --to fqdn:smtp.example.com:587 \\
    --reason receipts --owner shop

${exitCodesHelp("added")}`,
    )
    .action(async (name: string, options: AddServiceOptions) => {
      const { addService } = await import("./commands/add-service.js");
      outcome.exitCode = await addService(name, options);
    });
}
