/** The commands on recorded flows: replay and learn. */
import type { Command } from "commander";
import type { LearnOptions } from "./commands/learn";
import type { ReplayOptions } from "./commands/replay";
import { exitCodesHelp } from "./exit-codes";
import { declarationForms, listFormats } from "./print/formats";
import { inputOptions, several, type Outcome } from "./program-options";

const readableHelp = `What can be read:
  Hubble      the exporter's files, hubble observe -o json
  Calico      Goldmane's flows (its emitter, its stream, grpcurl), Whisker's
  Istio       ztunnel's access log, text or JSON
As they are, compressed, from container logs (CRI, Docker), logcli, Loki's API or Grafana.`;

/** Adds these commands. */
export function addFlows(program: Command, outcome: Outcome): void {
  addReplay(program, outcome);
  addLearn(program, outcome);
}

function addLearn(program: Command, outcome: Outcome): void {
  const command = program
    .command("learn")
    .summary("the declaration that recorded flows would need")
    .description(
      "Writes a declaration, or what one lacks, from recorded flows: by workload, with names where they were looked up. Why a flow is needed and who owns it is left for a person to say. Replies, scans, ephemeral ports and metadata addresses are not proposed.",
    )
    .argument("<flows...>", "recordings: files, gzip or not, folders of them, - for standard input")
    .option("-d, --declaration <file>", "what is declared already, as for verify: only what it lacks is written")
    .option(
      "--policies <source>",
      "the cluster's workloads, Services and ports: files, folders, context=NAME (repeatable, or a,b)",
      several,
      [],
    )
    .option("--holdout <percent>", "learn from the earlier part, and say what it would deny of this last part")
    .option("--min-count <attempts>", "propose what was seen so often", "1")
    .option("--min-days <days>", "propose what was seen on so many days", "1")
    .option("--max-unknown <percent>", "share of records that may be unreadable or lost", "0.1%")
    .option("--overwrite", "write over the file of --output where it exists", false);
  inputOptions(command, declarationForms, { sources: false })
    .addHelpText(
      "after",
      `
${readableHelp}

--format is yaml, unless the name of --output says otherwise (.ts, .json).

Examples:
  cluster-security learn events.log > declaration.yaml
  cluster-security learn /var/run/cilium/hubble/ --policies context=staging -o security.ts
  cluster-security learn events.log -d security.yaml --holdout 20%

${exitCodesHelp("written; with --holdout: nothing of the last part would be denied", "something of the last part would be denied")}`,
    )
    .action(async (flows: string[], options: LearnOptions) => {
      const { learn } = await import("./commands/learn.js");
      outcome.exitCode = await learn(flows, options);
    });
}

function addReplay(program: Command, outcome: Outcome): void {
  const command = program
    .command("replay")
    .summary("what policies would do to recorded flows, before they are enforced")
    .description(
      "Holds recorded flows against policies: what would be denied, what would open, what cannot be told, and how much of the truth the recording holds.",
    )
    .argument("<flows...>", "recordings: files, gzip or not, folders of them, - for standard input")
    .option("--policies <source>", "the policies: files, folders, context=NAME (repeatable, or a,b)", several, [])
    .option(
      "-d, --declaration <file>",
      "who may talk to whom, as for verify: its flows that were not recorded are named",
    )
    .option("--max-unknown <percent>", "share of attempts that may stay unknown or unresolved", "0.1%")
    .option("--record <file>", "write what the roll-out of each namespace needs of this replay, as JSON")
    .option("--all", "also what stays allowed or denied", false);
  inputOptions(command, listFormats, { sources: false })
    .addHelpText(
      "after",
      `
${readableHelp}

Examples:
  cluster-security replay events.log --policies manifests/
  cluster-security replay /var/run/cilium/hubble/ --policies context=prod --policies new-policies/
  hubble observe -o json --last 10000 | cluster-security replay - --policies manifests/ --all --format json

${exitCodesHelp("no recorded flow would be denied, and what is unknown stays below --max-unknown", "recorded flows would be denied")}`,
    )
    .action(async (flows: string[], options: ReplayOptions) => {
      const { replay } = await import("./commands/replay.js");
      outcome.exitCode = await replay(flows, options);
    });
}
