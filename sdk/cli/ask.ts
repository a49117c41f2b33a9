/** Asks whoever sits at the terminal. The question goes to stderr: an answer of the command may be piped. */
import { createInterface } from "node:readline";
import { interrupted } from "./interruption";
import { endProgress } from "./progress";

/**
 * What was typed, without blanks around it; nothing where the input ends instead (Ctrl-D).
 *
 * @param undone What is said where Ctrl-C is the answer: "nothing was changed".
 * @throws CliError for Ctrl-C.
 */
export async function ask(question: string, undone: string): Promise<string> {
  endProgress();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((resolve, reject) => {
      // the terminal is read key by key here: Ctrl-C is a key, and no signal
      terminal.once("SIGINT", () => reject(interrupted("SIGINT", undone)));
      terminal.once("close", () => resolve(""));
      terminal.question(question, (text) => resolve(text.trim()));
    });
  } finally {
    terminal.close();
  }
}
