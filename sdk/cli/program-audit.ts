/** The command that holds a cluster against its baseline: audit. */
import { Option, type Command } from "commander";
import type { AuditOptions } from "./commands/audit";
import type { CronJobCommandOptions } from "./commands/audit-cronjob";
import { exitCodesHelp } from "./exit-codes";
import { auditFormats } from "./print/formats";
import { inputOptions, outputHelp, repeatable, several, type Outcome } from "./program-options";

const auditHelp = `
A baseline is what the cluster should be: a Pulumi state (pulumi stack export), manifests, or a declaration (arguments
of ClusterSecurity as YAML, JSON or a module). It is told apart by its content; several are one.

Severity is the effect: a drift is as bad as the worst path that it opens. One that changes no path is low. What the API
server fills in, and the marks of Helm, Flux and Argo CD, are no drift.

Examples:
  cluster-security audit --context prod --baseline stack.json
  pulumi stack export | cluster-security audit --context prod --baseline - --history audit.jsonl
  cluster-security audit --context prod --baseline security.yaml --audit-log /var/log/kubernetes/audit.log
  cluster-security audit --live dump/ --baseline manifests/ --format md --effect
  cluster-security audit --context prod --baseline stack.json --format policyreport | kubectl apply -f -
  cluster-security audit --compare audit.jsonl:-2 audit.jsonl:-1
  cluster-security audit cronjob --image registry.internal/cluster-security:1 --baseline-config-map baseline

${exitCodesHelp("no drift, or none that opens a path or is of --fail-on's severity", "there is such drift")}`;

const cronJobHelp = `
Examples:
  kubectl create configmap baseline -n cluster-security --from-file=policies.yaml
  cluster-security audit cronjob --image IMAGE --baseline-config-map baseline | kubectl apply -f -

${exitCodesHelp("printed")}`;

/** Adds `audit` and `audit cronjob`. */
export function addAudit(program: Command, version: string, outcome: Outcome): void {
  const command = program
    .command("audit")
    .summary("drift: what has become of a baseline in a cluster, and what that opens")
    .description(
      "Compares a cluster with its baseline: policies that are missing, changed or extra, stored and not enforced, guards and " +
        "roles that are gone, rights that were given, what is past its end. Each with the paths that it opens and closes, and " +
        "who wrote it. Only reads.",
    )
    .option("--context <name>", "the live cluster of this kubeconfig context (in-cluster: the one this runs in)")
    .option("--live <source>", "files that stand for the cluster: kubectl get ... -o yaml (repeatable)", repeatable, [])
    .option(
      "--baseline <source>",
      "what the cluster should be: a state, a folder, a declaration, - (repeatable)",
      repeatable,
      [],
    )
    .option(
      "--audit-log <file>",
      "the API server's audit log, JSON lines: who sent the requests (repeatable)",
      repeatable,
      [],
    )
    .option("--history <file>", "append this run to the file, one JSON object a line")
    .option(
      "--compare <runs...>",
      "two runs (of --history or --format json), in place of a cluster: what became of drifts",
    )
    .addOption(
      new Option("--fail-on <severity>", "exit with 1 for drift of this severity or worse; none: never")
        .choices(["critical", "high", "medium", "low", "none"])
        .default("high"),
    )
    .option("--tier0 <namespace>", "further namespaces that need no default deny (repeatable, or a,b)", several, [])
    .option(
      "--policy-editor <subject>",
      'who may change policies besides those of the baseline: "User alice", "ServiceAccount ns/name" (repeatable)',
      repeatable,
      [],
    );
  command.option(
    "--effect",
    "also policies and rules without effect: they select nothing, match nothing, or others do all of it; no drift",
    false,
  );
  inputOptions(command, auditFormats, { sources: false })
    .addHelpText("after", auditHelp)
    .action(async (options: Omit<AuditOptions, "version">) => {
      const { audit } = await import("./commands/audit.js");
      outcome.exitCode = await audit({ ...options, version });
    });
  addCronJob(command, outcome);
}

function addCronJob(audit: Command, outcome: Outcome): void {
  audit
    .command("cronjob")
    .summary("a CronJob that audits the cluster it runs in, as YAML")
    .description(
      "Prints a CronJob, its service account and the role that it needs: get and list, nothing else. Reads no cluster.",
    )
    .requiredOption("--image <image>", "an image that holds cluster-security")
    .requiredOption("--baseline-config-map <name>", "the ConfigMap with the baseline, in the CronJob's namespace")
    .option("--name <name>", "the name of all objects", "cluster-security-audit")
    .option("--in-namespace <name>", "where it runs; the namespace must exist", "cluster-security")
    .option("--schedule <cron>", "when it runs", "17 * * * *")
    .addOption(
      new Option("--fail-on <severity>", "the Job fails for drift of this severity or worse")
        .choices(["critical", "high", "medium", "low", "none"])
        .default("high"),
    )
    .addOption(new Option("--format <format>", "how to print").choices(["yaml", "json"]).default("yaml"))
    .option("-o, --output <file>", outputHelp)
    .addHelpText("after", cronJobHelp)
    .action(async (options: CronJobCommandOptions) => {
      const { cronjob } = await import("./commands/audit-cronjob.js");
      outcome.exitCode = await cronjob(options);
    });
}
