/** Reads recordings line by line: counts what is there, and gathers the flows in classes. */
import { Attempts } from "./attempts";
import type { FlowClass } from "./classes";
import { FlowClasses } from "./classes";
import { readLine, unwrapContainerLine } from "./line";
import type { FlowRecord, LineContent } from "./record";
import type { Parts } from "./slices";
import { TimeSlices } from "./slices";

/** Where a line is. */
interface LinePlace {
  readonly file: string;
  readonly line: number;
}

/** Lines of one kind that were not understood: how many, and where the first ten are. */
interface Unread {
  readonly count: number;
  readonly places: readonly LinePlace[];
}

/** When a node recorded. */
interface NodeWindow {
  readonly node: string;
  readonly first: number;
  readonly last: number;
  /** Times without any record, longer than a quarter of an hour. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
}

/** What was read. */
export interface Recording {
  readonly lines: number;
  /** Records of flows that policies decide. */
  readonly records: number;
  /** Connection attempts, without repetitions. */
  readonly classes: readonly FlowClass[];
  /** The same before and after the moment at which the last share of the recording begins, where that was asked for. */
  readonly parts?: Parts;
  /** The names that DNS gave for addresses, where its answers were recorded. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Lines that are understood and say nothing about policies, by why. */
  readonly passedOver: ReadonlyMap<string, number>;
  readonly notUnderstood: ReadonlyMap<string, Unread>;
  /** Flows that the recorder says it lost. */
  readonly lost: number;
  readonly nodes: readonly NodeWindow[];
}

const shownPlaces = 10;
const minute = 60_000;
const longestPause = 15;
/** Of what goes on over several lines so much is held; an answer of an API in one piece is no longer. */
const longestDocument = 64 * 1024 * 1024;
/** So many addresses with names are remembered, and so many names of each. */
const rememberedAddresses = 100_000;
const rememberedNames = 16;

/** Takes lines of any number of files; memory grows with the kinds of flows, not with the lines. */
export class RecordingReader {
  private lines = 0;
  private records = 0;
  private lost = 0;
  private readonly attempts = new Attempts();
  private readonly classes = new FlowClasses();
  private readonly slices: TimeSlices | undefined;
  private readonly names = new Map<string, string[]>();
  private readonly passedOver = new Map<string, number>();
  private readonly notUnderstood = new Map<string, { count: number; places: LinePlace[] }>();
  private readonly minutes = new Map<string, Set<number>>();
  /** The beginning of a line that a container runtime cut in parts, or of a document of several lines. */
  private begun: { text: string; kind: "part" | "document" } | undefined;

  /** @param holdout The share of the time, from 0 to 1, that {@link Recording.parts} puts apart. */
  constructor(private readonly holdout?: number) {
    this.slices = holdout === undefined ? undefined : new TimeSlices();
  }

  /** @param number Of the line in its file, from 1. */
  line(text: string, file: string, number: number): void {
    this.lines += 1;
    const whole = this.wholeOf(text);
    if (whole === undefined) return;
    for (const content of readLine(whole)) this.take(content, file, number);
  }

  /** The end of a file: what was begun there goes on nowhere. */
  endOfFile(file: string, number: number): void {
    if (this.begun === undefined) return;
    const { text } = this.begun;
    this.begun = undefined;
    for (const content of readLine(text.replaceAll("\n", " "))) this.take(content, file, number);
  }

  result(): Recording {
    return {
      lines: this.lines,
      records: this.records,
      classes: this.classes.all(),
      ...(this.slices === undefined || this.holdout === undefined ? {} : { parts: this.slices.parts(this.holdout) }),
      names: this.names,
      passedOver: this.passedOver,
      notUnderstood: this.notUnderstood,
      lost: this.lost,
      nodes: [...this.minutes].map(([node, minutes]) => windowOf(node, minutes)),
    };
  }

  /** The text of a line, once it is whole. */
  private wholeOf(text: string): string | undefined {
    const unwrapped = unwrapContainerLine(text);
    if (unwrapped !== undefined) {
      const begun = this.begun?.kind === "part" && this.begun.text.length < longestDocument ? this.begun.text : "";
      const whole = `${begun}${unwrapped.text}`;
      this.begun = unwrapped.partial ? { text: whole, kind: "part" } : undefined;
      return unwrapped.partial ? undefined : whole;
    }
    // JSON of several lines: it begins with a bracket that stands alone, and ends with one that is not indented
    if (this.begun?.kind === "document") {
      this.begun.text += `\n${text}`;
      if (!/^[}\]]/.test(text) && this.begun.text.length < longestDocument) return undefined;
      const whole = this.begun.text.replaceAll("\n", " ");
      this.begun = undefined;
      return whole;
    }
    this.begun = /^[{[]\s*$/.test(text) ? { text, kind: "document" } : undefined;
    return this.begun === undefined ? text : undefined;
  }

  private take(content: LineContent, file: string, line: number): void {
    switch (content.kind) {
      case "flow":
        this.takeFlow(content.record);
        return;
      case "passed-over":
        this.passedOver.set(content.why, (this.passedOver.get(content.why) ?? 0) + 1);
        return;
      case "lookup":
        this.passedOver.set("an answer of DNS", (this.passedOver.get("an answer of DNS") ?? 0) + 1);
        for (const address of content.addresses) this.remember(address, content.name);
        return;
      case "lost":
        this.lost += content.count;
        return;
      case "not-understood": {
        const known = this.notUnderstood.get(content.why) ?? { count: 0, places: [] };
        known.count += 1;
        if (known.places.length < shownPlaces) known.places.push({ file, line });
        this.notUnderstood.set(content.why, known);
      }
    }
  }

  private takeFlow(record: FlowRecord): void {
    this.records += 1;
    const node = record.node ?? "";
    const minutes = this.minutes.get(node) ?? new Set<number>();
    this.minutes.set(node, minutes.add(Math.floor(record.time / minute)));
    if (!this.attempts.isNew(record)) return;
    this.classes.add(record);
    this.slices?.add(record);
  }

  private remember(address: string, name: string): void {
    const known = this.names.get(address);
    if (known === undefined) {
      if (this.names.size < rememberedAddresses) this.names.set(address, [name]);
    } else if (known.length < rememberedNames && !known.includes(name)) known.push(name);
  }
}

function windowOf(node: string, minutes: ReadonlySet<number>): NodeWindow {
  const sorted = [...minutes].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const gaps: { from: number; to: number }[] = [];
  let before = first;
  for (const each of sorted) {
    if (each - before > longestPause) gaps.push({ from: before * minute, to: each * minute });
    before = each;
  }
  return { node, first: first * minute, last: before * minute, gaps };
}
