/** Asks about one line of a recording: what it says, and what today's policies say of the same flow. */
import type { Reachability } from "../reachability";
import { answerOf, type Answer } from "./answer";
import { readLine } from "./line";
import type { FlowRecord } from "./record";
import { resolveEnd } from "./resolve";

/** A recorded flow and today's answer. */
export interface AskedLine {
  readonly record: FlowRecord;
  readonly answer: Answer;
}

/** @returns A sentence where the text holds no flow, or nobody can be asked about it. */
export function askAboutLine(text: string, reachability: Reachability): AskedLine | string {
  const contents = text.split("\n").flatMap((line) => readLine(line));
  const flow = contents.find((content) => content.kind === "flow");
  if (flow === undefined) {
    const why = contents.flatMap((content) => ("why" in content ? [content.why] : []))[0] ?? "no flow";
    return `the line is ${why}: paste a policy verdict of Hubble, a flow of Calico, or ztunnel's "connection complete"`;
  }
  const { record } = flow;
  const source = resolveEnd(record.source, reachability.snapshot);
  const destination = resolveEnd(record.destination, reachability.snapshot);
  if (typeof source === "string") return `the source cannot be identified: ${source}`;
  if (typeof destination === "string") return `the destination cannot be identified: ${destination}`;
  const names = record.destination.kind === "address" ? record.destination.names : [];
  const { protocol, port } = record;
  return { record, answer: answerOf({ source, destination }, names, { protocol, port }, reachability) };
}
