/** The command that proves with packets: verify. */
import { Option, type Command } from "commander";
import { outputHelp, several, type Outcome } from "./program-options";
import type { ChecklistOptions } from "./commands/checklist";
import type { VerifyCommandOptions } from "./commands/verify";

const verifyHelp = `
What it creates, and removes whatever happens (Ctrl-C included; after a SIGKILL Jobs end by themselves and the next run
removes the rest):
  - a namespace cluster-security-canary-…, with two pods, an allow-all and a deny-all NetworkPolicy
  - in each namespace with workloads one Job for each listener and each source, never in kube-system or tier 0
The pods have the workload's labels, so that policies take them for it. They are never ready, so no Service sends them
traffic; they have a controller of their own, so no ReplicaSet adopts them; they run as nobody, with nothing mounted.
docs/verify.md tells more. cluster-security rbac --verify prints the role.

Examples:
  cluster-security verify --context staging -d security.yaml                       what would be created
  cluster-security verify --context staging -d security.yaml --create-probe-pods
  cluster-security verify --context staging --create-probe-pods -n shop --all --format tap
  cluster-security verify --context staging --scenarios scenarios.yaml --create-probe-pods --format junit
  cluster-security verify --context infra,apps --checklist --runbook docs/runbooks/policies.md
  cluster-security verify --context prod --create-probe-pods --probe-image registry.internal/node:22 \\
    --outside 198.51.100.10 --format junit --output verify.xml

Exit codes:
  0   every probe did what it must, and every declared policy exists
  1   one did not, or a policy is missing
  2   the command line was not understood, or --create-probe-pods is missing; nothing was created
  3   some probes proved nothing, or a scenario could not be tried; or the canary was not blocked, then nothing else
      was tried
  4   the cluster could not be read, or refused what had to be created; or the file of --output not written`;

/** Adds `verify`. */
export function addVerify(program: Command, outcome: Outcome): void {
  const command = program
    .command("verify")
    .summary("prove it with packets: what is declared passes, what is not does not")
    .description(
      "Sends packets in a live cluster from short-lived pods that carry the labels and service accounts of its workloads: " +
        "metadata addresses must be closed, every declared flow must pass, and of the undeclared ones a sample must not. " +
        "A canary comes first: where a deny-all does not block, nothing would be proved, and nothing is tried.",
    )
    .requiredOption(
      "--context <name>",
      "the cluster, by the name of its kubeconfig context (in-cluster: the one this runs in)",
    )
    .option("--kubeconfig <file>", "the kubeconfig (default: $KUBECONFIG, then ~/.kube/config)")
    .option(
      "-d, --declaration <file>",
      "who may talk to whom: the arguments of ClusterSecurity as YAML or JSON, or a module that exports `declaration` " +
        "(default: the cluster's own policies say what is expected)",
    )
    .option(
      "--scenarios <file>",
      "try these expected connections, in place of what is derived (cluster-security scenarios writes such a file)",
    )
    .option(
      "--create-probe-pods",
      "yes, create these pods; without it nothing is created, and what would be is listed",
      false,
    );
  withChecklist(withProbes(command))
    .option("--cni <enforcer>", "who enforces: cilium@1.20, calico@3.32, kubernetes (default: inferred)")
    .addOption(
      new Option("--format <format>", "how to print").choices(["table", "tap", "junit", "json"]).default("table"),
    )
    .option("-o, --output <file>", outputHelp)
    .option("--allow-problems", "verify in spite of what cannot be read or understood of the cluster", false)
    .option("--all-problems", "print every problem, not one of each kind", false)
    .option("-q, --quiet", "no notes on stderr; problems are still printed", false)
    .addHelpText("after", verifyHelp)
    .action(async (options: VerifyCommandOptions & ChecklistOptions & { readonly checklist: boolean }) => {
      if (options.checklist) {
        const { checklistCommand } = await import("./commands/checklist.js");
        outcome.exitCode = await checklistCommand(options);
        return;
      }
      const { verifyCommand } = await import("./commands/verify.js");
      outcome.exitCode = await verifyCommand(options);
    });
}

/** What is sent, from what, and for how long an answer is waited for. */
function withProbes(command: Command): Command {
  return command
    .option("--sample <count>", "undeclared paths that are tried from each workload", "5")
    .option("--all", "every undeclared path", false)
    .option("-n, --namespace <name>", "only paths with an end in this namespace (repeatable, or a,b)", several, [])
    .option("-w, --workload <name>", "only paths with this workload: ns/name (repeatable, or a,b)", several, [])
    .option(
      "--outside <address>",
      "an address outside the cluster that answers, to stand for the internet or a declared range (repeatable, or a,b)",
      several,
      [],
    )
    .option(
      "--probe-image <image>",
      "image of the pods: any with Node.js 18 or later, no shell needed (default: node:22-alpine)",
    )
    .option("--probe-command <program>", "the program in it (default: node)")
    .option("--probe-pull-secret <name>", "secret for pulling it, in every namespace (repeatable, or a,b)", several, [])
    .option("--max-pods <count>", "pods at the same time", "40")
    .option("--timeout <seconds>", "silence that means blocked", "3")
    .option("--settle <seconds>", "so long an outcome that is not as expected is tried again", "15")
    .option("--start-timeout <seconds>", "so long a pod may take to start", "120");
}

function withChecklist(command: Command): Command {
  return command
    .option(
      "--checklist",
      "fourteen questions to the cluster, answered by reading; creates nothing. --context infra,apps asks several",
      false,
    )
    .option("--repository <folder>", "with --checklist: the folder of the policies")
    .option("--runbook <file>", "with --checklist: the runbook")
    .option("--verified <file>", "with --checklist: what an earlier verify --format json printed");
}
