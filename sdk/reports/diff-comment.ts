/** What a change opens and closes, as one comment of a pull request. */
import type { DiffCounts, PathDifference } from "../reachability";
import { describeTraffic } from "./connections";
import { describeCauses, describeCounts } from "./diff";

/** By this line a pipeline finds its own comment, and writes over it. */
export const commentMarker = "<!-- cluster-security diff -->";

/** So many rows are in sight; the others are folded. */
const shownRows = 20;

/** Characters that a comment may have, with some room: GitHub takes 65,536, GitLab a million. */
const mostCharacters = 60_000;

/** So many rows of one kind are kept, of millions perhaps: more find no room. */
const keptRows = 1000;

/** Collects the paths of a diff, those that open first, and writes the comment. */
export class DiffComment {
  readonly #counts = { opened: 0, closed: 0, changed: 0 } satisfies DiffCounts;
  readonly #rows: Record<Urgency, string[]> = { opens: [], changes: [], closes: [] };
  #total = 0;

  add(difference: PathDifference): void {
    this.#counts[difference.change]++;
    this.#total++;
    const rows = this.#rows[urgencyOf(difference)];
    if (rows.length < keptRows) rows.push(rowOf(difference));
  }

  /**
   * The comment, in the Markdown of GitHub, GitLab and Gitea.
   *
   * @param incomplete Something was not understood or not read, so paths may be missing.
   */
  text(incomplete: boolean): string {
    const { opened, closed, changed } = this.#counts;
    const title = this.#total === 0 ? "no path opens, closes or changes" : describeCounts({ opened, closed, changed });
    const warning = incomplete
      ? "\n> Something could not be read or understood: paths may be missing here. The log of the check names it.\n"
      : "";
    const head = `${commentMarker}\n### Network reachability: ${title}\n${warning}`;
    return this.#total === 0 ? head : `${head}\n${this.#tables(mostCharacters - head.length)}`;
  }

  #tables(room: number): string {
    const { opens, changes, closes } = this.#rows;
    const rows = [...opens, ...changes, ...closes];
    const kept = fitting(rows, room - tableHead.length * 2 - 400);
    const left = this.#total - kept.length;
    const shown = kept.slice(0, shownRows);
    const folded = kept.slice(shownRows);
    const rest =
      left === 0
        ? ""
        : `\n${left} more ${left === 1 ? "path does" : "paths do"} not fit into a comment: see the log of the check.\n`;
    if (folded.length === 0) return `${tableHead}${shown.join("")}${rest}`;
    return `${tableHead}${shown.join("")}\n<details>\n<summary>${folded.length} more</summary>\n\n${tableHead}${folded.join("")}\n</details>\n${rest}`;
  }
}

type Urgency = "opens" | "changes" | "closes";

function urgencyOf({ change, opens }: PathDifference): Urgency {
  if (opens) return "opens";
  return change === "changed" ? "changes" : "closes";
}

const tableHead = "| change | source | destination | before | after | because of |\n|---|---|---|---|---|---|\n";

function rowOf({ change, sourceId, destinationId, before, after, causes }: PathDifference): string {
  const cells = [
    sourceId,
    destinationId,
    describeTraffic(before.allowed, before.possible),
    describeTraffic(after.allowed, after.possible),
    describeCauses(causes),
  ];
  const mark = change === "opened" ? "**opened**" : change;
  return `| ${mark} | ${cells.map(codeCell).join(" | ")} |\n`;
}

/** A cell that is text, whatever stands in it: no markup, no link, no mention of a person. */
function codeCell(text: string): string {
  const line = text.replace(/[\r\n]+/g, " ").replaceAll("|", "\\|");
  if (line.trim() === "") return "";
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  const room = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${room}${line}${room}${fence}`;
}

function fitting(rows: readonly string[], room: number): readonly string[] {
  let left = room;
  const end = rows.findIndex((row) => (left -= row.length) < 0);
  return end < 0 ? rows : rows.slice(0, end);
}
