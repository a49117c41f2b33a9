/** The commands that judge: check, hygiene, blast-radius, equivalent. */
import { Option, type Command } from "commander";
import { exitCodesHelp } from "./exit-codes";
import { checkFormats, formats, listFormats } from "./print/formats";
import { filterOptions, inputOptions, several, sourcesArgument, sourcesHelp, type Outcome } from "./program-options";
import type { BlastRadiusOptions } from "./commands/blast-radius";
import type { CheckOptions } from "./commands/check";
import type { EquivalentOptions } from "./commands/equivalent";
import type { HygieneOptions } from "./commands/hygiene";

/** Adds these commands. `version` is named by reports. */
export function addJudgements(program: Command, version: string, outcome: Outcome): void {
  addCheck(program, version, outcome);
  addHygiene(program, outcome);
  addBlastRadius(program, outcome);
  addEquivalent(program, outcome);
}

function addCheck(program: Command, version: string, outcome: Outcome): void {
  const command = program
    .command("check")
    .summary("what is wrong: open metadata services, missing default denies, ...")
    .description(
      "Judges what was read by the rules of the policy pack: each violation with its reason, its fix and the controls it is about.",
    )
    .addArgument(sourcesArgument())
    .addOption(
      new Option("--fail-on <severity>", "exit with 1 for violations of this severity or worse")
        .choices(["critical", "high", "medium", "low", "none"])
        .default("high"),
    )
    .option("--exemptions <file>", "findings that are accepted until a date: a list in YAML or JSON")
    .option("--fix", "print a patch of what can be repaired for certain, in place of the findings", false)
    .option("--write", "with --fix: write the repaired files, all of them or none", false)
    .option("--allow-dirty", "with --write: although the git tree has changes that are not committed", false)
    .option("--rule <id>", "only this rule (repeatable, or a,b)", several, [])
    .option("--tier0 <namespace>", "the namespaces that are exempt (repeatable, or a,b)", several, [])
    .option("--tier1 <namespace>", "the namespaces of shared services (repeatable, or a,b)", several, [])
    .option("-n, --namespace <name>", "only findings about this namespace (repeatable, or a,b)", several, [])
    .option("-w, --workload <name>", "only findings about this workload: ns/name (repeatable, or a,b)", several, []);
  inputOptions(command, checkFormats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

An exemption names a finding, what it is for (namespace, kind, name), and who accepts it, why and how long:
  - { finding: internet-egress, namespace: shop, owner: web, reason: updates come from a mirror, expires: 2027-01-31 }
It is shown as exempt. One that has ended, or does not say all of this, counts for nothing and is a finding itself.

Examples:
  cluster-security check manifests/
  cluster-security check stack.json --fail-on critical --exemptions exemptions.yaml
  cluster-security check manifests/ --format sarif --output check.sarif     for code scanning
  cluster-security check --context prod --format policyreport | kubectl apply -f -
  cluster-security check manifests/ --fix | git apply
  cluster-security check --context prod -n shop --rule namespace-default-deny

${exitCodesHelp("no violation of --fail-on's severity or worse", "there are such violations; where none is certain, 3")}`,
    )
    .action(async (sources: string[], options: Omit<CheckOptions, "version">) => {
      const { check } = await import("./commands/check.js");
      outcome.exitCode = await check(sources, { ...options, version });
    });
}

function addHygiene(program: Command, outcome: Outcome): void {
  const command = program
    .command("hygiene")
    .summary("policies and rules that do nothing, or only half")
    .description(
      "Lists policies that select nothing, rules that match nothing, rules that another rule makes superfluous or repeats, and rules whose flow the other end does not let pass.",
    )
    .addArgument(sourcesArgument())
    .option(
      "-k, --kind <kind>",
      "only this kind: unused, dead, shadowed, duplicate, half-open (repeatable, or a,b)",
      several,
      [],
    )
    .option("-n, --namespace <name>", "only policies in this namespace (repeatable, or a,b)", several, [])
    .addOption(
      new Option("-d, --direction <direction>", "only rules of this direction").choices(["ingress", "egress", "both"]),
    )
    .option("--fail-on-any", "exit with 1 where there is any", false);
  inputOptions(command, listFormats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security hygiene manifests/
  cluster-security hygiene manifests/ -n shop --kind unused,dead --fail-on-any
  cluster-security hygiene --context prod --format csv --output hygiene.csv

${exitCodesHelp("answered; with --fail-on-any: there is none", "with --fail-on-any: there is one")}`,
    )
    .action(async (sources: string[], options: HygieneOptions) => {
      const { hygiene } = await import("./commands/hygiene.js");
      outcome.exitCode = await hygiene(sources, options);
    });
}

function addBlastRadius(program: Command, outcome: Outcome): void {
  const command = program
    .command("blast-radius")
    .summary("how far an intruder gets from a workload, hop by hop")
    .description(
      "Lists what can be reached from a workload if whatever is reached can be taken over, nearest first; with --direction ingress, from where the workload can be reached in this way.",
    )
    .argument("<workload>", "where it begins: shop/frontend")
    .addArgument(sourcesArgument())
    .option("--hops <number>", "so many hops at most (default: no end)")
    .addOption(
      new Option("-d, --direction <direction>", "what it reaches (egress), or what reaches it (ingress)")
        .choices(["egress", "ingress"])
        .default("egress"),
    )
    .option("-p, --port <port>", "only hops on this port: 443, 53/udp, icmp")
    .option("-n, --namespace <name>", "show only workloads of this namespace (repeatable, or a,b)", several, [])
    .option("-w, --workload <name>", "show only this workload: ns/name (repeatable, or a,b)", several, [])
    .option("--no-external", "without the addresses outside the cluster");
  inputOptions(command, formats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security blast-radius shop/frontend manifests/
  cluster-security blast-radius shop/postgres manifests/ --direction ingress --hops 2
  cluster-security blast-radius shop/frontend --context prod --format mermaid

${exitCodesHelp("answered")}`,
    )
    .action(async (workload: string, sources: string[], options: BlastRadiusOptions) => {
      const { blastRadius } = await import("./commands/blast-radius.js");
      outcome.exitCode = await blastRadius(workload, sources, options);
    });
}

function addEquivalent(program: Command, outcome: Outcome): void {
  const command = program
    .command("equivalent")
    .summary("are two sets of policies equivalent? (see the exit code)")
    .description(
      "Compares two sets of policies between all workloads, new pods in each namespace, nodes, the API server and the world, and lists the first paths that differ.",
    )
    .argument("<a>", "a file, a folder, -, or context=NAME")
    .argument("<b>", "the same")
    .option("--limit <number>", "list so many differences at most", "20");
  inputOptions(filterOptions(command), listFormats, { sources: false })
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security equivalent before-cleanup/ after-cleanup/
  cluster-security equivalent kubernetes/ cilium/ --cni cilium@1.20 -n shop
  cluster-security equivalent manifests/ context=prod --limit 1 --quiet

${exitCodesHelp("equivalent", "not equivalent")}`,
    )
    .action(async (a: string, b: string, options: EquivalentOptions) => {
      const { equivalent } = await import("./commands/equivalent.js");
      outcome.exitCode = await equivalent(a, b, options);
    });
}
