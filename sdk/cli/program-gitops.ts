/** Commands that write a declaration or a cluster's policies as files, and bring them back. */
import { Option, type Command } from "commander";
import type { RenderOptions } from "./commands/render";
import { exitCodesHelp } from "./exit-codes";
import { outputHelp, several, type Outcome } from "./program-options";
import { defaultSettings, renderTargets } from "../render/settings";

/** Adds the commands. */
export function addGitops(program: Command, outcome: Outcome): void {
  addRender(program, outcome);
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
    .option("--remove", "flux: take the policies down, in two commits", false)
    .addOption(new Option("--commit <n>", "with --move or --remove: which of the two commits").choices(["1", "2"]))
    .option("--check", "write nothing; exit with 1 where the files are not what the declaration gives", false)
    .option("--allow-dirty", "write although the git tree has other changes that are not committed", false)
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
The folder belongs to render: it writes what differs, and refuses files of others, files that somebody edited, links, and a
git tree with other changes. No Secret and no open bypass is written.

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
