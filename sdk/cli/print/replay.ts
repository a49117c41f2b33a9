import { declarationLine } from "../../flows/index";
import type { DeclaredFlow, FlowClass, Recording, RecordedEnd, ReplayedFlow } from "../../flows/index";
import { describePlannedPeer } from "../../plan";
import { describeEnd, type Peer, type Snapshot } from "../../reachability";
import { describePort } from "../ends";
import type { ListFormat } from "./formats";
import { printList } from "./list";

/** Judged flows in the format asked for. */
export function printReplay(flows: readonly ReplayedFlow[], format: ListFormat): string {
  const titles = ["EFFECT", "FROM", "TO", "PORT", "ATTEMPTS", "FIRST", "LAST", "WHY"];
  const cells = (flow: ReplayedFlow): string[] => [
    flow.effect,
    describe(flow.source),
    withNames(flow),
    portOf(flow),
    String(flow.passed + flow.denied),
    timeText(flow.first),
    timeText(flow.last),
    flow.reason,
  ];
  const json = (flow: ReplayedFlow): unknown => ({
    ...flow,
    source: describe(flow.source),
    destination: describe(flow.destination),
    first: timeText(flow.first),
    last: timeText(flow.last),
    ...(flow.effect === "would-be-denied" ? { declare: declarationLine(flow) } : {}),
  });
  const list = printList({ titles, items: flows, cells, json }, format);
  return format === "table" ? `${list}${additions(flows)}` : list;
}

/** What to declare so that nothing is denied. */
function additions(flows: readonly ReplayedFlow[]): string {
  const lines = flows
    .filter(({ effect }) => effect === "would-be-denied")
    .map((flow) => declarationLine(flow))
    .filter((line) => line !== undefined);
  if (lines.length === 0) return "";
  const all = [...new Set(lines)].map((line) => `  ${line}.because("…").ownedBy("…")\n`);
  return `\nto let it pass, declare why it is needed and who owns it:\n${all.join("")}`;
}

function portOf({ protocol, port }: ReplayedFlow): string {
  return describePort({ protocol, port });
}

function withNames({ destination, names }: ReplayedFlow): string {
  const text = describe(destination);
  return names.length === 0 ? text : `${text} (${names.join(", ")})`;
}

function describe(end: Peer | RecordedEnd): string {
  switch (end.kind) {
    case "pod":
      return `${end.namespace}/${end.workload ?? end.pod ?? "?"}`;
    case "ingressProxy":
      return "Cilium's ingress proxy";
    case "unresolvable":
      return end.name;
    default:
      return describeEnd(end);
  }
}

/** `shop/web[Deployment] to shop/db[StatefulSet] TCP 5432`. */
export function describeFlow(flow: ReplayedFlow): string {
  return `${describe(flow.source)} to ${withNames(flow)} ${portOf(flow)}`;
}

/** The same of flows as they were recorded. */
export function describePair({ source, destination, protocol, port }: FlowClass): string {
  return `${describe(source)} to ${describe(destination)} ${describePort({ protocol, port })}`;
}

/** RFC 3339, in whole seconds. */
export function timeText(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}

const shownOfKind = 10;

/** How much of the truth the recording holds, a line each. */
export function coverageLines(recording: Recording, judged: readonly ReplayedFlow[], snapshot: Snapshot): string[] {
  return [sums(judged), ...recordingLines(recording), ...byName(judged), ...silent(judged, snapshot)];
}

/** What was read, when, and what was not, a line each. */
export function recordingLines(recording: Recording): string[] {
  return [read(recording), ...windows(recording), ...unread(recording), ...lost(recording)];
}

function sums(judged: readonly ReplayedFlow[]): string {
  const counts = new Map<string, { kinds: number; attempts: number }>();
  for (const { effect, passed, denied } of judged) {
    const known = counts.get(effect) ?? { kinds: 0, attempts: 0 };
    counts.set(effect, { kinds: known.kinds + 1, attempts: known.attempts + passed + denied });
  }
  return [...counts].map(([effect, { kinds, attempts }]) => `${effect}: ${kinds} (${attempts} attempts)`).join(", ");
}

function read({ lines, records, passedOver }: Recording): string {
  const other = [...passedOver.values()].reduce((sum, count) => sum + count, 0);
  return `read: ${lines} lines, ${records} records of flows that policies decide, ${other} of others (replies, events on the way, logs)`;
}

function windows({ nodes }: Recording): string[] {
  return nodes.map(({ node, first, last, gaps }) => {
    const holes = gaps
      .slice(0, shownOfKind)
      .map(({ from, to }) => `${timeText(from)} to ${timeText(to)}`)
      .join(", ");
    const name = node === "" ? "records without a node" : `node ${node}`;
    const paused = holes === "" ? "" : `; nothing from ${holes}${gaps.length > shownOfKind ? ", and more" : ""}`;
    return `${name}: ${timeText(first)} to ${timeText(last)}${paused}`;
  });
}

function unread({ notUnderstood }: Recording): string[] {
  return [...notUnderstood].map(([why, { count, places }]) => {
    const where = places.map(({ file, line }) => `${file}:${line}`).join(", ");
    return `not understood: ${count} × ${why} (${where}${count > places.length ? ", …" : ""})`;
  });
}

function lost({ lost: count }: Recording): string[] {
  return count === 0 ? [] : [`lost: the recorder reports ${count} lost events`];
}

function byName(judged: readonly ReplayedFlow[]): string[] {
  const count = judged.filter((flow) => flow.byName).length;
  return count === 0 ? [] : [`${count} kinds of flows were resolved by names, because the labels are not recorded`];
}

/** Workloads that were seen at no end. */
function silent(judged: readonly ReplayedFlow[], { workloads }: Snapshot): string[] {
  const seen = new Set(
    judged.flatMap(({ source, destination }) =>
      [source, destination].flatMap((end) => (end.kind === "workload" ? [end.id] : [])),
    ),
  );
  const names = workloads.filter(({ id, hostNetwork }) => !hostNetwork && !seen.has(id)).map(({ id }) => id);
  if (names.length === 0) return [];
  const more = names.length > shownOfKind ? `, and ${names.length - shownOfKind} more` : "";
  return [`silent: nothing was recorded of ${names.slice(0, shownOfKind).join(", ")}${more}`];
}

/** Declared flows that the recording does not show: nothing tells whether they would pass. */
export function declaredLines(flows: readonly DeclaredFlow[]): string[] {
  const unseen = flows.filter(({ last }) => last === undefined);
  if (flows.length === 0) return [];
  const shown = unseen
    .slice(0, shownOfKind)
    .map(({ flow: { from, to, owner } }) => `  ${describePlannedPeer(from)} to ${describePlannedPeer(to)} (${owner})`);
  const more = unseen.length > shownOfKind ? [`  and ${unseen.length - shownOfKind} more`] : [];
  return [
    `declared: ${flows.length - unseen.length} of ${flows.length} flows were recorded${unseen.length === 0 ? "" : "; not recorded:"}`,
    ...shown,
    ...more,
  ];
}
