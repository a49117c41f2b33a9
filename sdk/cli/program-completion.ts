/** The command that prints a shell's completion. */
import { Argument, type Command } from "commander";
import { completionScript, shells, type Shell } from "./completion";
import { exitCodes, exitCodesHelp } from "./exit-codes";
import { standardOutput } from "./output";
import type { Outcome } from "./program-options";

/** Adds it. Commands that come later are in the script as well. */
export function addCompletion(program: Command, outcome: Outcome): void {
  program
    .command("completion")
    .summary("completion of commands and options in a shell")
    .description("Prints a script that completes commands, options and their values in a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .addHelpText(
      "after",
      `
Examples:
  source <(cluster-security completion bash)           in ~/.bashrc
  source <(cluster-security completion zsh)            in ~/.zshrc
  cluster-security completion fish | source            in ~/.config/fish/config.fish

${exitCodesHelp("printed")}`,
    )
    .action(async (shell: Shell) => {
      const output = standardOutput();
      output.write(completionScript(program, shell));
      await output.end();
      outcome.exitCode = exitCodes.ok;
    });
}
