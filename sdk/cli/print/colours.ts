import picocolors from "picocolors";
import type { Verdict } from "../../reachability";

export type Colours = ReturnType<typeof picocolors.createColors>;

/** Colours for a terminal; plain text for everything else, and where the user says so (https://no-color.org). */
export function coloursFor(output: { readonly isTerminal: boolean }): Colours {
  const wanted = output.isTerminal && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  return picocolors.createColors(wanted);
}

/** A verdict in its colour. Its word says the same: colour is never the only sign. */
export function paintVerdict(verdict: Verdict, colours: Colours, text: string = verdict): string {
  if (verdict === "allowed") return colours.green(text);
  return verdict === "denied" ? colours.red(text) : colours.yellow(text);
}
