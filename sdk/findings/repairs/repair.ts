import { isAlias, isMap, parseAllDocuments, visit, type Document } from "yaml";
import { isViolation } from "../evaluate";
import type { Finding } from "../types";
import { dnsOverTcp } from "./dns-over-tcp";
import { applied } from "./edits";
import { metadataExcept } from "./metadata-except";
import { misspeltField } from "./misspelt-field";
import { namespaceByName } from "./namespace-by-name";
import { rangeAsPort } from "./range-as-port";
import { statedDefaultDeny } from "./stated-default-deny";
import type { Repair, Repairer, YamlObject } from "./types";

const repairers: readonly Repairer[] = [
  misspeltField,
  rangeAsPort,
  namespaceByName,
  dnsOverTcp,
  metadataExcept,
  statedDefaultDeny,
];

/** Texts of files by their names, as they were read. */
export type Texts = ReadonlyMap<string, string>;

/** What {@link repaired} did. */
export interface Repaired {
  /** The files that change, with their new text. */
  readonly texts: Texts;
  readonly repairs: readonly Repair[];
  /** What the rules find in the repaired files. */
  readonly findings: readonly Finding[];
}

/** What the rules find where files have these texts; other files are as they were. */
export type Judge = (texts: Texts) => readonly Finding[];

/** Rounds: a field that is read again may hold what can be repaired. */
const mostRounds = 5;

/**
 * Repairs what can be repaired for certain. Repairs are kept only where the rules, asked again about the repaired files, find
 * less of what they are for, and nothing that they did not find before, but in a policy that could not be understood until now.
 *
 * @param wanted the findings that are to be repaired; the others are only watched. Default: all.
 */
export function repaired(texts: Texts, judge: Judge, wanted: (finding: Finding) => boolean = () => true): Repaired {
  let state: State = { current: texts, findings: judge(new Map()), repairs: [] };
  const refused = new Set<string>();
  for (let round = 0; round < mostRounds; round++) {
    const candidates = [...candidatesIn(state.current, state.findings.filter(wanted))].filter(
      (each) => !refused.has(keyOfRepair(each)),
    );
    if (candidates.length === 0) break;
    // several may be needed before a finding is gone; what could change the meaning of another rule is tried by itself
    const together = candidates.filter(({ alone }) => alone !== true);
    const all = together.length === 0 ? undefined : tried(texts, state, together, judge);
    if (all !== undefined) {
      state = all;
      continue;
    }
    // each by itself, from the end of a file, so that the offsets of the others stay
    for (const each of [...candidates].sort(fromTheEnd)) {
      const next = tried(texts, state, [each], judge);
      if (next === undefined) refused.add(keyOfRepair(each));
      else state = next;
    }
  }
  return {
    texts: changedOf(texts, state.current),
    repairs: [...state.repairs].sort(byPlace),
    findings: state.findings,
  };
}

interface State {
  readonly current: Texts;
  readonly findings: readonly Finding[];
  readonly repairs: readonly Repair[];
}

/** What comes of repairs; undefined where they are no improvement. */
function tried(texts: Texts, state: State, repairs: readonly Repair[], judge: Judge): State | undefined {
  const current = new Map(state.current);
  for (const file of new Set(repairs.map((each) => each.file))) {
    const edits = repairs.filter((each) => each.file === file).flatMap((each) => each.edits);
    current.set(file, applied(current.get(file) ?? "", edits));
  }
  const findings = judge(changedOf(texts, current));
  if (!repairs.every((each) => improves(each, state.findings, findings))) return undefined;
  const understands = repairs.some(({ rule }) => rule === "not-understood");
  const known = new Set(state.findings.map(keyOf));
  const fresh = findings.filter((finding) => isViolation(finding) && !known.has(keyOf(finding)));
  // what was not understood hid what the policy does: to see it now is no harm that the repair does
  if (fresh.some(({ id }) => !understands || id === "not-understood")) return undefined;
  return { current, findings, repairs: [...state.repairs, ...repairs] };
}

function fromTheEnd(a: Repair, b: Repair): number {
  return a.file === b.file ? b.line - a.line : a.file < b.file ? -1 : 1;
}

function byPlace(a: Repair, b: Repair): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}

function keyOfRepair({ file, rule, what, line }: Repair): string {
  return JSON.stringify([file, rule, what, line]);
}

function changedOf(texts: Texts, current: Texts): Map<string, string> {
  return new Map([...current].filter(([file, text]) => texts.get(file) !== text));
}

/** In files that a finding of their rule is about, the first of each file first. */
function* candidatesIn(texts: Texts, findings: readonly Finding[]): Iterable<Repair> {
  for (const [file, text] of texts) {
    const rules = new Set(
      findings
        .filter(isViolation)
        .filter((finding) => isIn(finding, file))
        .map(({ id }) => id),
    );
    for (const object of objectsIn(file, text)) {
      for (const repairer of repairers) {
        for (const repair of repairer(object)) {
          if (rules.has(repair.rule) && repair.edits.length > 0) yield { ...repair, file };
        }
      }
    }
  }
}

function isIn({ causes = [], subject }: Finding, file: string): boolean {
  return [...causes, ...(subject.source === undefined ? [] : [subject.source])].some((source) => source.file === file);
}

/** Documents that hold one object, are valid, and share nothing by anchors. */
function objectsIn(file: string, text: string): YamlObject[] {
  if (!/\.ya?ml$/i.test(file) || text.includes("{{")) return [];
  return parseAllDocuments(text, { keepSourceTokens: false }).flatMap((document): YamlObject[] => {
    if (!("contents" in document) || document.errors.length > 0 || hasAliases(document)) return [];
    const root: unknown = document.contents;
    if (!isMap(root)) return [];
    const object = document.toJS() as Readonly<Record<string, unknown>>;
    const kind = object["kind"];
    if (typeof kind !== "string") return [];
    return [{ file, text, document, object, kind }];
  });
}

function hasAliases(document: Document.Parsed): boolean {
  let found = false;
  visit(document, (_key, node) => {
    if (isAlias(node) || (node as { anchor?: unknown } | null)?.anchor !== undefined) found = true;
  });
  return found;
}

/** Less is found of what a repair is for, in its file, or with fewer reasons. */
function improves({ rule, file }: Repair, before: readonly Finding[], after: readonly Finding[]): boolean {
  const weight = (findings: readonly Finding[]): number =>
    findings.filter((finding) => finding.id === rule && isViolation(finding) && isIn(finding, file)).length;
  return weight(after) < weight(before) || saysLess(rule, before, after);
}

/** Findings of the rule give fewer reasons: one of several faults of one object is gone. */
function saysLess(rule: string, before: readonly Finding[], after: readonly Finding[]): boolean {
  const words = (findings: readonly Finding[]): number =>
    findings
      .filter((finding) => finding.id === rule && isViolation(finding))
      .reduce((sum, { because, message }) => sum + because.join("\n").length + message.length, 0);
  return words(after) < words(before);
}

/** By what it is about and the rule, not by the line: lines move. */
function keyOf({ id, subject: { kind, namespace, name }, certainty }: Finding): string {
  return JSON.stringify([id, kind, namespace, name, certainty]);
}
