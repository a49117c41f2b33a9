/** Commands that write a declaration or a cluster's policies as files, and bring them back. */
import { Option, type Command } from "commander";
import type { ExportOptions } from "./commands/export";
import type { RenderOptions } from "./commands/render";
import type { RestoreOptions } from "./commands/restore";
import type { RollbackOptions } from "./commands/rollback";
import { exitCodesHelp } from "./exit-codes";
import { inputOptions, outputHelp, several, sourcesHelp, type Outcome } from "./program-options";
import { defaultSettings, renderTargets } from "../render/settings";

/** Adds the commands. */
export function addGitops(program: Command, outcome: Outcome): void {
  addRender(program, outcome);
  addExport(program, outcome);
  addRestore(program, outcome);
  addRollback(program, outcome);
}

function addRender(program: Command, outcome: Outcome): void {
  program
    .command("render")
    .summary("a declaration as files for Flux, Argo CD, kustomize or kubectl")
    .description(
      "Writes the policies of a declaration as files that a GitOps tool applies in a safe order, and proves the order: reachability is computed after each object that the tool applies. Reads no cluster.",
    )
    .addOption(new Option("--for <tool>", "who applies the files").choices(renderTargets).makeOptionMandatory())
    .requiredOption(
      "-d, --declaration <file>",
      "who may talk to whom: the arguments of ClusterSecurity as YAML or JSON, or a module that exports `declaration`",
    )
    .option(
      "--out <folder>",
      "the repository, or for kustomize and plain the folder of the files; without it only the summary is printed",
    )
    .option("--path <path>", `below --out, where the files go (default for flux and argocd: ${defaultSettings.path})`)
    .option("--name <name>", "of the Kustomizations or the Application", defaultSettings.name)
    .option("--source <name>", "flux: the GitRepository", defaultSettings.source)
    .option(
      "--depends-on <name>",
      `flux: a Kustomization that comes first (repeatable, or a,b; none for none; default: ${defaultSettings.dependsOn.join(", ")})`,
      several,
      [],
    )
    .option(
      "--target-namespace <name>",
      "flux: targetNamespace of what has no namespace",
      defaultSettings.targetNamespace,
    )
    .option("--repository <url>", "argocd: the repository's address")
    .option("--revision <name>", "argocd: branch, tag or commit", defaultSettings.revision)
    .option("--move", "flux: objects change their Kustomization, in two commits", false)
    .option("--remove", "take the policies down, in two commits", false)
    .addOption(new Option("--commit <n>", "with --move or --remove: which of the two commits").choices(["1", "2"]))
    .option("--check", "write nothing; exit with 1 where the files are not what the declaration gives", false)
    .option("--allow-dirty", "write although the git tree has other changes that are not committed", false)
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
The folder belongs to render: it writes what differs, and refuses files of others, files that somebody edited, links,
and a git tree with other changes. No Secret and no open bypass is written.

Examples:
  cluster-security render --for flux -d declaration.yaml --out .
  cluster-security render --for argocd -d declaration.yaml --out . --repository https://git.example.com/k8s.git
  cluster-security render --for plain -d declaration.yaml --out policies/     kubectl apply --server-side -f policies/
  cluster-security render --for flux -d declaration.yaml --out . --check      in CI
  cluster-security render --for flux -d declaration.yaml --out . --remove --commit 1

${exitCodesHelp("written, or nothing to write", "--check: the files are not what the declaration gives")}`,
    )
    .action(async (options: RenderOptions) => {
      const { render } = await import("./commands/render.js");
      outcome.exitCode = await render(options);
    });
}

function addExport(program: Command, outcome: Outcome): void {
  const command = program
    .command("export")
    .summary("the policies of a live cluster as files, for a backup")
    .description(
      "Writes the policies of a live cluster, and what policies refer to, into a folder: one file each, without what the server adds. Only reads. What belongs to another object (an open bypass does) is left out.",
    )
    .requiredOption("--context <name>", "the cluster: a context of your kubeconfig (in-cluster: the one this runs in)")
    .requiredOption("--out <folder>", "an empty folder, or that of an earlier export")
    .option("-n, --namespace <name>", "only policies of this namespace (repeatable, or a,b)", several, []);
  inputOptions(command, [], { sources: false })
    .addHelpText(
      "after",
      `
Examples:
  cluster-security export --context prod --out backup/
  cluster-security diff backup/ context=prod           what changed since

${exitCodesHelp("written")}`,
    )
    .action(async (options: ExportOptions) => {
      const { exportPolicies } = await import("./commands/export.js");
      outcome.exitCode = await exportPolicies(options);
    });
}

/** Options of what changes a cluster. */
function changeOptions(command: Command): Command {
  return inputOptions(
    command
      .requiredOption("--context <name>", "the cluster that is changed: a context of your kubeconfig; never guessed")
      .option("--yes", "do not ask", false)
      .option("--dry-run", "print what would happen, and change nothing", false),
    [],
    { sources: false },
  );
}

function addRestore(program: Command, outcome: Outcome): void {
  const command = program
    .command("restore")
    .summary("policies of files into a live cluster, in a safe order")
    .description(
      "Applies the policies of files to a live cluster. Prints first which paths that opens and closes, asks, applies what allows before what denies, and looks at the cluster afterwards. Deletes nothing.",
    )
    .argument("<source>", "a folder of export, files, a Pulumi state, or git:REVISION:PATH");
  changeOptions(command)
    .addHelpText(
      "after",
      `
${sourcesHelp}

Examples:
  cluster-security restore backup/ --context prod
  cluster-security restore git:main:backup --context prod --dry-run

${exitCodesHelp("done, or nothing to do", "not confirmed, or the cluster allows something else afterwards")}`,
    )
    .action(async (source: string, options: RestoreOptions) => {
      const { restore } = await import("./commands/restore.js");
      outcome.exitCode = await restore(source, options);
    });
}

function addRollback(program: Command, outcome: Outcome): void {
  const command = program
    .command("rollback")
    .summary("the policies of a live cluster as they were")
    .description(
      "Brings the policies of a live cluster back to what a state, a git revision or an export holds: prints first which paths that opens and closes, asks, and changes them in a safe order, what denies last. Policies that were added since are deleted, if this package wrote them or --policy names them. Where Flux or Argo CD applies the policies, prints what to do, in order.",
    )
    .requiredOption(
      "--to <source>",
      "what the policies were: a Pulumi state, history:VERSION[@STACK] of it, git:REVISION:PATH, a folder of export",
    )
    .option(
      "--policy <name>",
      "only this policy: shop/allow-web, or default-deny-all (repeatable, or a,b)",
      several,
      [],
    )
    .option("--suspended", "the GitOps tool is suspended; without it that is looked up", false);
  changeOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  cluster-security rollback --to git:HEAD~1:backup --context prod
  cluster-security rollback --to history:41 --context prod --policy shop/allow-web
  cluster-security rollback --to state.json --context prod --dry-run

${exitCodesHelp("done, or nothing to do", "not confirmed, a GitOps tool would interfere, or the cluster allows something else afterwards")}`,
    )
    .action(async (options: RollbackOptions) => {
      const { rollback } = await import("./commands/rollback.js");
      outcome.exitCode = await rollback(options);
    });
}
