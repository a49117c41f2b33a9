import { findingOf } from "../report";
import type { Finding } from "../types";
import type { Slip } from "./slips";
import { documentSlip, slips } from "./slips";

export { documentSlip } from "./slips";

/** Lines looked at; what is longer is no runbook. */
const mostLines = 100_000;
/** Characters of a line; what is longer was not written by hand. */
const longestLine = 2_000;

/**
 * What is wrong in a runbook, script or report about network policies, line by line. The lines themselves are in a
 * finding's `detail` only, since a script may hold anything.
 *
 * @param file Named in the findings' source.
 */
export function lintDocument(text: string, file = "document"): Finding[] {
  const lines = text.split("\n").slice(0, mostLines);
  const said = new Set<Slip>();
  return lines.flatMap((line, index) => {
    const context = { comment: commentAbove(lines, index), text };
    return slips
      .filter((slip) => line.length <= longestLine && !said.has(slip) && slip.found(line, context))
      .map((slip) => {
        if (slip.once === true) said.add(slip);
        return describe(slip, line, { file, line: index + 1 });
      });
  });
}

function describe({ message, because, fix }: Slip, line: string, source: { file: string; line: number }): Finding {
  return findingOf(documentSlip, {
    subject: { kind: "Document", name: source.file, source },
    message: `${message} (line ${source.line})`,
    because: [because],
    fix,
    detail: [line.trim().slice(0, 200)],
    causes: [source],
  });
}

/** The nearest comment or heading in the three lines above. */
function commentAbove(lines: readonly string[], index: number): string {
  return lines.slice(Math.max(0, index - 3), index).findLast((line) => /^\s*#/.test(line)) ?? "";
}
