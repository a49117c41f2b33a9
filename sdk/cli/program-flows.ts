/** The commands on recorded flows: replay. */
import type { Command } from "commander";
import type { ReplayOptions } from "./commands/replay";
import { exitCodesHelp } from "./exit-codes";
import { listFormats } from "./print/formats";
import { inputOptions, several, type Outcome } from "./program-options";

/** Adds these commands. */
export function addFlows(program: Command, outcome: Outcome): void {
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
    .option("--all", "also what stays allowed or denied", false);
  inputOptions(command, listFormats, { sources: false })
    .addHelpText(
      "after",
      `
What can be read:
  Hubble      the exporter's files, hubble observe -o json
  Calico      Goldmane's flows (its emitter, its stream, grpcurl), Whisker's
  Istio       ztunnel's access log, text or JSON
As they are, compressed, from container logs (CRI, Docker), logcli, Loki's API or Grafana.

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
