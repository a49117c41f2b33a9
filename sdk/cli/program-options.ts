/** What the commands of `cluster-security` share: options, and paragraphs of their help. */
import { Argument, Help, InvalidArgumentError, Option, type Command } from "commander";
import type { ExitCode } from "./exit-codes";
import { textForms } from "./sources/types";

/** What a finished command leaves behind. */
export interface Outcome {
  exitCode: ExitCode;
}

/** Of `--output`. */
export const outputHelp = "write the answer to this file: all of it, or the file stays as it is";

/** The kinds of sources. */
export const sourcesHelp = `What can be read:
  manifests/ app.yaml           YAML and JSON files; folders with everything below them, whatever else lies there
  -                             standard input: kubectl get ... -o yaml | cluster-security matrix -
  stack.json                    a Pulumi state: pulumi stack export > stack.json
  preview.json                  a Pulumi preview: pulumi preview --json --show-sames > preview.json
  git:main, git:main:manifests  a revision of the git repository, or a folder or file of it
  declaration.yaml              a declaration: the policies that it plans, and a pod for each workload
  --context NAME                a live cluster by the name of its context; only reads, and only if named`;

export function several(value: string, previous: readonly string[]): string[] {
  const parts = value.split(",").map((part) => part.trim());
  if (parts.some((part) => part === "")) throw new InvalidArgumentError("It is empty.");
  return [...previous, ...parts];
}

/** Not split at commas: a file's name may hold one. */
export function repeatable(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

/** The default of a list (empty) and of a switch (off) says nothing. */
export function describeOption(this: Help, option: Option): string {
  const { defaultValue } = option;
  if (defaultValue !== false && !Array.isArray(defaultValue))
    return Help.prototype.optionDescription.call(this, option);
  const shown = Object.assign(Object.create(Object.getPrototypeOf(option) as object) as Option, option);
  shown.defaultValue = undefined;
  return Help.prototype.optionDescription.call(this, shown);
}

export function sourcesArgument(): Argument {
  return new Argument(
    "[sources...]",
    "files, folders, - for standard input, git:REVISION:PATH, context=NAME for a live cluster",
  );
}

export function filterOptions(command: Command): Command {
  return command
    .option("-n, --namespace <name>", "only pairs with an end in this namespace (repeatable, or a,b)", several, [])
    .option("-w, --workload <name>", "only pairs with this workload: ns/name (repeatable, or a,b)", several, [])
    .option("-p, --port <port>", "only what passes on this port: 443, 53/udp, icmp")
    .addOption(
      new Option(
        "-d, --direction <direction>",
        "with -n or -w: what arrives there (ingress) or leaves it (egress)",
      ).choices(["ingress", "egress", "both"]),
    )
    .option("--no-external", "without the addresses outside the cluster");
}

/**
 * @param known Values of --format; none: the command prints one way.
 * @param sources False for a command whose sources have their places (diff).
 */
export function inputOptions(command: Command, known: readonly string[], { sources = true } = {}): Command {
  const format = new Option("--format <format>", "how to print").choices(known);
  if (known.length > 0) command.addOption(known.includes("table") ? format.default("table") : format);
  if (sources) sourceOptions(command);
  return command
    .option("-o, --output <file>", outputHelp)
    .option("--kubeconfig <file>", "with a live cluster (default: $KUBECONFIG, then ~/.kube/config)")
    .option("--cni <enforcer>", "who enforces: cilium@1.20, calico@3.32, kubernetes (default: inferred)")
    .addOption(
      new Option("--as <form>", "what the files are (auto: by their content)").choices(textForms).default("auto"),
    )
    .option(
      "--allow-problems",
      "answer in spite of what cannot be read or understood; nothing counts as allowed for it",
      false,
    )
    .option("--all-problems", "print every problem, not one of each kind", false)
    .option(
      "--default-namespace <name>",
      "the namespace of objects without one, as helm template prints them (default: default)",
    )
    .option("--exclude <pattern>", "leave these files of folders out, as .gitignore would (repeatable)", repeatable, [])
    .option(
      "--include <pattern>",
      "only these files of folders, hidden and ignored ones too (repeatable)",
      repeatable,
      [],
    )
    .option("--render", "read what helm template and kustomize build make of charts and kustomizations", false)
    .option("--verbose", "name all files that are passed over", false)
    .option("-q, --quiet", "no notes on stderr; problems are still printed", false);
}

function sourceOptions(command: Command): Command {
  return command
    .option(
      "-f, --file <path>",
      "a file, a folder, or - (repeatable); the same as a source by position",
      repeatable,
      [],
    )
    .option("--context <name>", "read the live cluster of this kubeconfig context (in-cluster: the one this runs in)");
}
