import { describeEnd } from "../../reachability";
import type { Verdict } from "../../reachability";
import { parseFlow } from "../ends";
import { exitCodes, type ExitCode } from "../exit-codes";
import { answerFor } from "../http";
import { coloursFor } from "../print/colours";
import { printAnswer } from "../print/query";
import { exitCodeOf, load, note } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

/** `cluster-security query`: may this pass? The exit code says it too. */
export async function query(
  from: string,
  to: string,
  positional: readonly string[],
  options: CommonOptions & { readonly expect: "allowed" | "denied" },
): Promise<ExitCode> {
  const loaded = await load(sourcesOf(positional, options), options);
  const flow = parseFlow(from, to, loaded.snapshot);
  const { verdict: computed, condition } = answerFor(loaded, flow);
  // With holes in what was read, neither answer is certain: a policy that is missing may close it, or open it.
  const verdict: Verdict = loaded.holes ? "unknown" : computed;
  if (verdict !== computed)
    note(`unknown because something could not be read; without that it is ${computed}`, options);
  for (const end of [flow.source, flow.destination]) {
    const known = loaded.reachability.knownAs(end);
    if (known !== undefined) note(`${describeEnd(end)} is ${known}`, options);
  }
  const traffic = loaded.reachability.traffic(flow.source, flow.destination);
  const output = outputOf(options, { coloured: options.format === "table" });
  output.write(
    printAnswer(
      { flow, verdict, traffic, ...(condition === undefined ? {} : { condition }) },
      options.format,
      coloursFor(output),
    ),
  );
  await output.end();
  if (verdict === "unknown") return exitCodes.incomplete;
  return verdict === options.expect ? exitCodeOf([loaded], options) : exitCodes.no;
}
