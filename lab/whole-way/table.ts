/** What came of the examples, one row each, narrow enough for a terminal. */
import Table from "cli-table3";
import pc from "picocolors";
import { elapsed } from "../toolchain/progress";
import type { LiveReport } from "./live-probes";
import type { RemovalByHand, WholeWayResult } from "./whole-way";
import { problemsOf } from "./whole-way";

const head = [
  "",
  "example",
  "declared\npass",
  "metadata\nblocked",
  "undeclared\nblocked",
  "Hubble\ntells",
  "wrong\nduring up",
  "wrong during\ndestroy",
  "policy deleted\nby hand",
  "time",
];

/** An example that ran end to end, or why it did not. */
export type TableEntry = WholeWayResult | { readonly example: string; readonly stopped: string };

/** Example, probes that ended as they must, and what was seen when a policy went. */
export function examplesTable(entries: readonly TableEntry[]): string {
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const entry of entries) {
    if ("stopped" in entry) {
      table.push([pc.red("✘"), entry.example, { content: entry.stopped, colSpan: head.length - 2 }]);
    } else {
      table.push(row(entry));
    }
  }
  return table.toString();
}

function row(result: WholeWayResult): string[] {
  const { example, verification, hubble, up, destroy, byHand, milliseconds } = result;
  const group = (name: string): string => {
    const probes = verification.probes.filter(({ probe }) => probe.group === name);
    return `${probes.filter(({ holds }) => holds).length}/${probes.length}`;
  };
  return [
    problemsOf(result).length === 0 ? pc.green("✔") : pc.red("✘"),
    example,
    ...["declared", "metadata", "undeclared"].map(group),
    hubble === undefined ? "–" : `${hubble.asked - hubble.missing.length}/${hubble.asked}`,
    wrong(up),
    wrong(destroy),
    whatBecameOf(byHand),
    elapsed(milliseconds),
  ];
}

function wrong({ declared, undeclared, violations }: LiveReport): string {
  return `${violations.length} of ${declared + undeclared}`;
}

function whatBecameOf({ named, unseen, drift, restored }: RemovalByHand): string {
  const probed = named && unseen.length === 0;
  const compared = drift.gone.code === 1;
  if (!probed || !compared) return `not seen by ${[probed ? [] : "verify", compared ? [] : "diff"].flat().join(", ")}`;
  return restored === "holds" && drift.restored.code === 0 ? "seen, restored" : "seen, not restored";
}
