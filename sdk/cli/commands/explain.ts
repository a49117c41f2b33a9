import { parseFlow } from "../ends";
import { exitCodes, type ExitCode } from "../exit-codes";
import { answerFor } from "../http";
import { coloursFor } from "../print/colours";
import { printExplanation } from "../print/explain";
import { exitCodeOf, load, note } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

/** `cluster-security explain`: why a flow passes or does not. */
export async function explain(
  from: string,
  to: string,
  positional: readonly string[],
  options: CommonOptions & { readonly everyRule: boolean },
): Promise<ExitCode> {
  const loaded = await load(sourcesOf(positional, options), options);
  const explained = loaded.reachability.explain(parseFlow(from, to, loaded.snapshot));
  const output = outputOf(options, { coloured: options.format === "table" });
  const { verdict, condition } = answerFor(loaded, explained.flow);
  const printing = {
    ...(condition === undefined || loaded.holes ? {} : { condition }),
    format: options.format,
    colours: coloursFor(output),
    flowLog: loaded.snapshot.profile.flowLog,
    everyRule: options.everyRule,
  };
  if (condition !== undefined) note(`note: allowed for ${condition}`, options);
  const explanation = { ...explained, verdict };
  const answer =
    loaded.holes && explanation.verdict === "allowed" ? { ...explanation, verdict: "unknown" as const } : explanation;
  if (answer !== explanation) note("the verdict is unknown because something could not be read", options);
  output.write(printExplanation(answer, printing));
  await output.end();
  return answer.verdict === "unknown" ? exitCodes.incomplete : exitCodeOf([loaded], options);
}
