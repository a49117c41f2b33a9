/** What is said beside a learnt declaration. */
import type { Learned, LeftOut, Recording, ReplayedFlow } from "../../flows/index";
import { describeFlow, describePair, timeText } from "./replay";
import { counted } from "./text";

const shownOfKind = 5;

/** A flow of the part held out that would be denied, and why it is meant to be. */
export interface HeldOut {
  readonly flow: ReplayedFlow;
  readonly why?: string;
}

/** Comments at the top of the file. */
export function headLines(names: readonly string[], { nodes }: Recording, learned: Learned): string[] {
  const first = Math.min(...nodes.map((node) => node.first));
  const last = Math.max(...nodes.map((node) => node.last));
  return [
    `Learnt from ${names.join(", ")}: ${timeText(first)} to ${timeText(last)}.`,
    ...(learned.declared > 0 ? ["Only what the declaration lacks: add it there."] : []),
    "Say of each flow why it is needed and who owns it; the planner refuses it otherwise. Look at every CHECK.",
    "Not here: connections that began before the recording, and whatever did not happen in it.",
  ];
}

/** What was recorded and is not proposed, a line for each reason. */
export function leftOutLines({ leftOut, flows, workloads, declared }: Learned): string[] {
  const reasons = new Map<string, LeftOut[]>();
  for (const each of leftOut) reasons.set(each.reason, [...(reasons.get(each.reason) ?? []), each]);
  const known = declared === 0 ? "" : `; ${counted(declared, "kind")} of flows declared already`;
  return [
    `proposed: ${counted(flows.length, "flow")}, ${counted(workloads.length, "workload")}${known}`,
    ...[...reasons].map(([reason, all]) => {
      const shown = all.slice(0, shownOfKind).map(({ class: each }) => describePair(each));
      const more = all.length > shownOfKind ? `, and ${all.length - shownOfKind} more` : "";
      const attempts = all.reduce((sum, each) => sum + each.attempts, 0);
      return `not proposed: ${reason}: ${shown.join(", ")}${more} (${counted(attempts, "attempt")})`;
    }),
  ];
}

/** What would be denied of the part that was held out. */
export function heldOutLines({ at, later }: NonNullable<Recording["parts"]>, denied: readonly HeldOut[]): string[] {
  const unmeant = denied.filter(({ why }) => why === undefined);
  const meant = denied.length - unmeant.length;
  return [
    `held out: ${counted(later.length, "kind")} of flows since ${timeText(at)}; ${unmeant.length} of them would be denied` +
      (meant === 0 ? "" : `, and ${meant} that are not proposed on purpose`),
    ...unmeant.map(({ flow }) => `  ${flow.effect}: ${describeFlow(flow)}`),
  ];
}
