/** Asks whoever sits at the terminal. The question goes to stderr: an answer of the command may be piped. */
import { createInterface } from "node:readline/promises";
import { endProgress } from "./progress";

/** What was typed, without blanks around it. */
export async function ask(question: string): Promise<string> {
  endProgress();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
}
