/** The commands that open paths in an emergency, and close them: bypass open, close and list. */
import { Option, type Command } from "commander";
import type { BypassCloseOptions, BypassListOptions, BypassOpenOptions } from "./commands/bypass";
import { outputHelp, several, type Outcome } from "./program-options";

const contextHelp = "the cluster, by the name of its kubeconfig context (in-cluster: the one this runs in)";
const kubeconfigHelp = "the kubeconfig (default: $KUBECONFIG, then ~/.kube/config)";

const openHelp = `
What it does, and undoes where a step fails or Ctrl-C ends it:
  1. reads what is granted (breakGlass of the declaration) and refuses what is not
  2. computes and prints the paths that open, and asks
  3. creates the timer, a Job that starts no pod, and waits until the cluster runs it
  4. creates the policy that the timer owns, and looks whether the API server kept the owner
  5. puts the timer's name as a label on the pods; with --debug-pod it makes one pod with that label, a copy of the
     workload's that is never ready, so that no Service sends to it, and that ends with the timer
The cluster ends it: the Job fails at its deadline, is deleted at once, and the policy goes with it. Metadata endpoints,
denyExternal and the boundaries of tenants stay closed. docs/break-glass.md tells more; cluster-security rbac --bypass
prints the role.

Examples:
  cluster-security bypass open shop/api --for 2h --owner shop --reason "incident 7" --context prod
  cluster-security bypass open shop/api --pod api-7d4b9-x2x7p --for 30m --owner shop --reason "incident 7" \\
    --context prod
  cluster-security bypass open shop/api --debug-pod --for 1h --owner shop --reason "incident 7" --context prod
  cluster-security bypass open jobs --for 1h --owner batch --reason "incident 8" --context prod --yes

Exit codes:
  0   it is open
  1   nothing was opened: it is not granted, there is no pod, or the answer was no
  2   the command line was not understood, or --yes is missing where nobody can be asked; nothing was opened
  4   the cluster could not be read, or refused something; nothing is left`;

/** Adds `bypass` with its commands. */
export function addBypass(program: Command, outcome: Outcome): void {
  const bypass = program
    .command("bypass")
    .summary("open paths in an emergency; the cluster closes them again")
    .description(
      "Opens what a grant of break glass allows, for a time that the cluster itself ends; closes and lists it.",
    );
  addOpen(bypass, outcome);
  addClose(bypass, outcome);
  addList(bypass, outcome);
  for (const command of bypass.commands) {
    command.showHelpAfterError(`(cluster-security bypass ${command.name()} --help tells how)`);
  }
}

function addOpen(bypass: Command, outcome: Outcome): void {
  bypass
    .command("open")
    .summary("open the paths of a workload or a namespace for a time")
    .description(
      "Lifts the policies of the pods of a workload or a namespace, for a time that the cluster itself ends.",
    )
    .argument("<target>", "whose pods: shop/api, or shop for any pod of the namespace")
    .requiredOption("--context <name>", contextHelp)
    .requiredOption("--for <duration>", "how long: 30m, 2h, 1h30m; at most what is granted")
    .requiredOption("--owner <team>", "who answers for it; written into the policy")
    .requiredOption("--reason <text>", "why it is needed; written into the policy")
    .option("--kubeconfig <file>", kubeconfigHelp)
    .option("--grant <name>", "the grant, where several cover it")
    .option("--pod <name>", "only this pod (repeatable, or a,b)", several, [])
    .option("--debug-pod", "a fresh pod, a copy of the workload's, in place of labels on running pods", false)
    .option("--yes", "open without asking", false)
    .option("--start-timeout <seconds>", "so long the timer may take to start", "30")
    .option("--cni <enforcer>", "who enforces: cilium@1.20, calico@3.32, kubernetes (default: inferred)")
    .option("--allow-problems", "open in spite of what cannot be read or understood of the cluster", false)
    .option("-q, --quiet", "no notes on stderr; problems are still printed", false)
    .addHelpText("after", openHelp)
    .action(async (target: string, options: BypassOpenOptions) => {
      const { bypassOpen } = await import("./commands/bypass.js");
      outcome.exitCode = await bypassOpen(target, options);
    });
}

function addClose(bypass: Command, outcome: Outcome): void {
  bypass
    .command("close")
    .summary("end a bypass before its time")
    .description("Deletes the policies and the timer of a bypass, and takes its label from the pods.")
    .argument("<target>", "shop/api or shop, as it was opened, or the timer: shop/break-glass-…")
    .requiredOption("--context <name>", contextHelp)
    .option("--kubeconfig <file>", kubeconfigHelp)
    .option("--all", "every bypass of the namespace", false)
    .option("-q, --quiet", "no notes on stderr", false)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security bypass close shop/api --context prod
  cluster-security bypass close shop --all --context prod

Exit codes:
  0   it is closed
  1   there is no such bypass
  2   the command line was not understood
  4   the cluster could not be read, or refused something; what is left is named`,
    )
    .action(async (target: string, options: BypassCloseOptions) => {
      const { bypassClose } = await import("./commands/bypass.js");
      outcome.exitCode = await bypassClose(target, options);
    });
}

function addList(bypass: Command, outcome: Outcome): void {
  bypass
    .command("list")
    .summary("what is open, until when, by whom, and what is overdue")
    .description(
      "Lists the bypasses of a cluster. open: the timer runs. overdue: the policy is in place though its end is over or its " +
        "timer gone. closed: nothing is open, but a label or a timer is left.",
    )
    .requiredOption("--context <name>", contextHelp)
    .option("--kubeconfig <file>", kubeconfigHelp)
    .option("-n, --namespace <name>", "only the bypasses of this namespace")
    .addOption(new Option("--format <format>", "how to print").choices(["table", "json"]).default("table"))
    .option("-o, --output <file>", outputHelp)
    .option("-q, --quiet", "no notes on stderr", false)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security bypass list --context prod
  cluster-security bypass list --context prod --format json

Exit codes:
  0   nothing is overdue
  1   something is
  2   the command line was not understood
  4   the cluster could not be read as a whole, so there is no answer; or the file of --output not written`,
    )
    .action(async (options: BypassListOptions) => {
      const { bypassList } = await import("./commands/bypass.js");
      outcome.exitCode = await bypassList(options);
    });
}
