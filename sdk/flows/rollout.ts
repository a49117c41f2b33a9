/** What a replay says for the roll-out of each namespace. */
import type { ReplayRecord } from "../plan";
import type { Recording } from "./recording";
import type { ReplayedFlow } from "./replay";

/** For each namespace with an end of a recorded flow: what its `rollout.replay` in the declaration is. */
export function replayRecords(
  { nodes, lost, notUnderstood }: Recording,
  judged: readonly ReplayedFlow[],
): Readonly<Record<string, ReplayRecord>> {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
  const unread = [...notUnderstood.values()].reduce((sum, { count }) => sum + count, 0);
  const records = new Map<string, ReplayRecord>();
  for (const flow of judged) {
    const attempts = flow.passed + flow.denied;
    const isOpen = flow.effect === "unknown" || flow.effect === "unresolved";
    for (const name of new Set([flow.source, flow.destination].flatMap(namespaceOf))) {
      const known = records.get(name) ?? {
        from: day(Math.min(...nodes.map(({ first }) => first))),
        to: day(Math.max(...nodes.map(({ last }) => last))),
        attempts: 0,
        wouldBeDenied: 0,
        unknown: 0,
        lost: lost + unread,
      };
      records.set(name, {
        ...known,
        attempts: known.attempts + attempts,
        wouldBeDenied: known.wouldBeDenied + (flow.effect === "would-be-denied" ? attempts : 0),
        unknown: known.unknown + (isOpen ? attempts : 0),
      });
    }
  }
  return Object.fromEntries([...records].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function namespaceOf(end: ReplayedFlow["source"]): string[] {
  switch (end.kind) {
    case "workload":
      return [end.id.slice(0, end.id.indexOf("/"))];
    case "pod":
    case "freshPod":
      return [end.namespace];
    default:
      return [];
  }
}
