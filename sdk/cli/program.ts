import { Command, Option } from "commander";
import { endsHelp } from "./ends-help";
import { exitCodesHelp } from "./exit-codes";
import { diffFormats, formats } from "./print/formats";
import { addAudit } from "./program-audit";
import { addBypass } from "./program-bypass";
import { addCompletion } from "./program-completion";
import { addFlows } from "./program-flows";
import { addGitops } from "./program-gitops";
import { addMonitoring } from "./program-monitoring";
import { addJudgements } from "./program-judgements";
import { addReport } from "./program-report";
import { addScaffolds } from "./program-scaffold";
import { addScenarios } from "./program-scenarios";
import { addVerify } from "./program-verify";
import {
  describeOption,
  filterOptions,
  inputOptions,
  outputHelp,
  several,
  sourcesArgument,
  sourcesHelp,
  type Outcome,
} from "./program-options";
import type { CommonOptions } from "./commands/options";
import type { DiffOptions } from "./commands/diff";
import type { ExposureOptions } from "./commands/exposure";
import type { ExplainOptions } from "./commands/explain";
import type { FilterOptions } from "./commands/filters";
import type { RbacOptions } from "./commands/rbac";

/** The command line of `cluster-security`. Modules that take time to load are loaded by the command that needs them. */
export function createProgram(version: string, outcome: Outcome): Command {
  const program = new Command("cluster-security")
    .description(
      "Who can reach whom in a Kubernetes cluster, computed from its policies: Kubernetes, Cilium, Calico, Istio and " +
        "cluster-wide ones, on YAML files, a Pulumi state or preview, or a live cluster.",
    )
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showSuggestionAfterError(true)
    // what comes after a command is the command's, also where a command has commands of its own
    .enablePositionalOptions()
    .configureHelp({ optionDescription: describeOption })
    .showHelpAfterError("(cluster-security --help tells how)")
    .hook("preAction", async (_program, command) => {
      const { refuseOutputs } = await import("./output-paths.js");
      refuseOutputs(command.opts(), command.args);
    })
    .addHelpText(
      "after",
      `
Examples:
  cluster-security matrix manifests/
  cluster-security matrix manifests/ --namespace shop --format md
  cluster-security query shop/frontend shop/postgres:5432 manifests/
  cluster-security explain shop/frontend shop/postgres:5432 manifests/
  cluster-security diff before/ after/
  cluster-security check manifests/
  cluster-security matrix --context prod --format json > prod.json

${sourcesHelp}

${exitCodesHelp("answered", "the answer is no (query: denied; equivalent: no; check, --fail-on: there is such a thing)")}

cluster-security help COMMAND tells more about each.`,
    );

  addMatrix(program, outcome);
  addQuery(program, outcome);
  addExplain(program, outcome);
  addDiff(program, outcome);
  addExposure(program, outcome);
  addJudgements(program, version, outcome);
  addAudit(program, version, outcome);
  addReport(program, version, outcome);
  addFlows(program, outcome);
  addVerify(program, outcome);
  addScenarios(program, outcome);
  addMonitoring(program, outcome);
  addGitops(program, outcome);
  addRbac(program, outcome);
  addBypass(program, outcome);
  addScaffolds(program, version, outcome);
  addCompletion(program, outcome);

  // Commander gives a subcommand these only at the moment it is made.
  for (const command of program.commands) pointToHelp(command, command.name());
  return program;
}

function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(cluster-security ${words} --help tells how)`);
  for (const each of command.commands) pointToHelp(each, `${words} ${each.name()}`);
}

function addMatrix(program: Command, outcome: Outcome): void {
  const matrix = program
    .command("matrix")
    .alias("list")
    .summary("who may talk to whom, on which ports")
    .description(
      "Lists every pair of workloads and address ranges between which something may pass, and on which ports.",
    )
    .addArgument(sourcesArgument());
  inputOptions(filterOptions(matrix), formats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

--format json prints one array of { "src", "dst", "conn" }, as np-guard's netpol-analyzer does; where something is
unknown there is a fourth key, "possible", and "conn" holds what is certain.

Examples:
  cluster-security matrix manifests/ | less
  cluster-security matrix manifests/ -n shop --direction egress       what the pods of shop may reach
  cluster-security matrix manifests/ -w shop/postgres --direction ingress --port 5432
  cluster-security matrix stack.json --no-external --format mermaid
  helm template ./chart | cluster-security matrix - --cni cilium@1.20

${exitCodesHelp("answered")}`,
    )
    .action(async (sources: string[], options: CommonOptions & FilterOptions) => {
      const command = await import("./commands/matrix.js");
      outcome.exitCode = await command.matrix(sources, options);
    });
}

function addQuery(program: Command, outcome: Outcome): void {
  const query = program
    .command("query")
    .summary("is this flow allowed? (see the exit code)")
    .description("Says whether one flow is allowed, denied or unknown.")
    .argument("<from>", "where the flow comes from")
    .argument("<to>", "where it goes, with its port: shop/postgres:5432")
    .addArgument(sourcesArgument())
    .addOption(
      new Option("--expect <verdict>", "exit with 0 for this verdict, with 1 for the other")
        .choices(["allowed", "denied"])
        .default("allowed"),
    );
  inputOptions(query, formats)
    .addHelpText(
      "after",
      `
${endsHelp}

${sourcesHelp}

Examples:
  cluster-security query shop/frontend shop/backend:8080 manifests/
  cluster-security query new@shop 169.254.169.254:80 manifests/ --expect denied
  cluster-security query 203.0.113.7 shop/postgres:5432 --context prod --expect denied

${exitCodesHelp("allowed (with --expect denied: denied)", "denied (with --expect denied: allowed)")}`,
    )
    .action(async (from: string, to: string, sources: string[], options: QueryOptions) => {
      const command = await import("./commands/query.js");
      outcome.exitCode = await command.query(from, to, sources, options);
    });
}

function addExplain(program: Command, outcome: Outcome): void {
  const explain = program
    .command("explain")
    .summary("why a flow passes or not: the rules on both sides")
    .description(
      "Tells why a flow passes or does not: which policies apply on both sides, which rule decides, in which file and line, and what would change the verdict.",
    )
    .argument("[from]", "where the flow comes from")
    .argument("[to]", "where it goes, with its port: shop/postgres:5432")
    .addArgument(sourcesArgument())
    .option(
      "--flow <file>",
      "a recorded flow (a line of Hubble, Calico or ztunnel; - for standard input), in place of from and to",
    )
    .option("--every-rule", "also rules whose policy does not select the two ends", false);
  inputOptions(explain, formats)
    .addHelpText(
      "after",
      `
${endsHelp}

${sourcesHelp}

Examples:
  cluster-security explain shop/frontend shop/postgres:5432 manifests/
  cluster-security explain new@shop 169.254.169.254:80 --context prod
  cluster-security explain shop/frontend api.example.com:443 stack.json --format md
  hubble observe --verdict DROPPED -o json --last 1 | cluster-security explain --flow - manifests/

${exitCodesHelp("answered")}`,
    )
    .action(async (from: string | undefined, to: string | undefined, sources: string[], options: ExplainOptions) => {
      const command = await import("./commands/explain.js");
      outcome.exitCode = await command.explain(
        [from, to, ...sources].filter((each) => each !== undefined),
        options,
      );
    });
}

function addDiff(program: Command, outcome: Outcome): void {
  const diff = program
    .command("diff")
    .summary("which paths a change opens, closes or changes")
    .description(
      "Compares what can be reached in two snapshots: paths opened, closed and changed, each with the objects that did it.",
    )
    .argument("<before>", "a file, a folder, -, git:REVISION:PATH, or context=NAME")
    .argument("<after>", "the same; with --apply only what changes")
    .option("--apply", "lay <after> over <before>, as kubectl apply would", false)
    .addOption(
      new Option("--fail-on <change>", "exit with 1 where a path opened, closed, or anything changed").choices([
        "opened",
        "closed",
        "any",
      ]),
    );
  inputOptions(filterOptions(diff), diffFormats, { sources: false })
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security diff main/manifests/ branch/manifests/ --fail-on opened
  cluster-security diff context=prod new-policies/ --apply          before kubectl apply
  cluster-security diff stack.json preview.json --format md         before pulumi up
  cluster-security diff context=staging context=prod -n shop
  cluster-security diff git:main:manifests manifests/ --format comment   for a pull request
  cluster-security diff git:main:declaration.yaml declaration.yaml

${exitCodesHelp("answered; with --fail-on: there is no such change", "with --fail-on: there is such a change")}`,
    )
    .action(async (before: string, after: string, options: DiffOptions) => {
      const command = await import("./commands/diff.js");
      outcome.exitCode = await command.diff(before, after, options);
    });
}

function addExposure(program: Command, outcome: Outcome): void {
  const exposure = program
    .command("exposure")
    .summary("what workloads are exposed to: the world, ways in, pods that might be started")
    .description(
      "Lists for each workload what it has to do with beyond the workloads there are: addresses outside the cluster, ways in through Services, Ingresses and Gateways, and a pod without labels that anybody might start in each namespace.",
    )
    .addArgument(sourcesArgument())
    .option("-n, --namespace <name>", "only the workloads of this namespace (repeatable, or a,b)", several, [])
    .option("-w, --workload <name>", "only this workload: ns/name (repeatable, or a,b)", several, []);
  inputOptions(exposure, formats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security exposure manifests/
  cluster-security exposure manifests/ -w shop/postgres --format md
  cluster-security exposure --context prod -n shop

${exitCodesHelp("answered")}`,
    )
    .action(async (sources: string[], options: ExposureOptions) => {
      const command = await import("./commands/exposure.js");
      outcome.exitCode = await command.exposure(sources, options);
    });
}

function addRbac(program: Command, outcome: Outcome): void {
  program
    .command("rbac")
    .summary("the role that --context needs, as YAML")
    .description(
      "Prints the role that reading a live cluster needs: get and list of the kinds that verdicts depend on, and nothing else. With an option, also the role of a command that changes something. Reads no cluster.",
    )
    .option("--name <name>", "the name of the roles", "cluster-security-reader")
    .option("--service-account <ns/name>", "also bind the roles to this service account")
    .option("--audit", "also what audit reads: roles, bindings, admission policies and webhooks", false)
    .option("--verify", "also what verify needs: to make and delete Jobs and the canary's namespace", false)
    .option("--restore", "also what restore and rollback need: to change and delete policies of every kind", false)
    .option("--bypass <namespace>", "also what bypass open needs in this namespace (repeatable, or a,b)", several, [])
    .option(
      "--bypass-trial <namespace>",
      "also what pulumi up needs to try whether bypasses end in this namespace (repeatable, or a,b)",
      several,
      [],
    )
    .option("--group <name>", "with --bypass: also bind that role to this group (repeatable, or a,b)", several, [])
    .addOption(new Option("--format <format>", "how to print").choices(["yaml", "json"]).default("yaml"))
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security rbac | kubectl apply -f -
  cluster-security rbac --service-account ci/cluster-security | kubectl apply -f -
  cluster-security rbac --restore --service-account ops/restore | kubectl apply -f -
  cluster-security rbac --bypass shop --group sre | kubectl apply -f -

${exitCodesHelp("printed")}`,
    )
    .action(async (options: RbacOptions) => {
      const command = await import("./commands/rbac.js");
      outcome.exitCode = await command.rbac(options);
    });
}

type QueryOptions = CommonOptions & { readonly expect: "allowed" | "denied" };
