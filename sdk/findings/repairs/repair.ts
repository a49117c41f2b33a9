import type { Reachability, Source } from "../../reachability";
import { isViolation } from "../evaluate";
import type { Finding } from "../types";
import { allowAlone } from "./allow-alone";
import { defaultDenies } from "./default-deny";
import { dnsPeers } from "./dns-peers";
import { dnsProtocols } from "./dns-protocols";
import { dnsProxy } from "./dns-proxy";
import { Blame, isFailure, type Failure } from "./blame";
import { applied, lineAt, overlap } from "./edits";
import { changedPaths } from "./effects";
import { hostNames } from "./host-names";
import { labelKey } from "./label-key";
import { meshPrincipals } from "./mesh-principals";
import { metadataExcept } from "./metadata-except";
import { misspeltField } from "./misspelt-field";
import { misspeltHeader } from "./misspelt-header";
import { namedDirection } from "./named-direction";
import { namespaceByName } from "./namespace-by-name";
import { namespacedEndpoints } from "./namespaced-endpoints";
import { ParsedTexts } from "./objects";
import { ruleInPolicyTypes } from "./rule-in-policy-types";
import { statedDefaultDeny } from "./stated-default-deny";
import type { ChangedPath, Permission, Repair, Repairer, YamlObject } from "./types";
import { writtenValues } from "./written-values";

const repairers: readonly Repairer[] = [
  misspeltHeader,
  misspeltField,
  writtenValues,
  ruleInPolicyTypes,
  namespaceByName,
  dnsProtocols,
  dnsPeers,
  metadataExcept,
  namedDirection,
  namespacedEndpoints,
  dnsProxy,
  allowAlone,
  hostNames,
  meshPrincipals,
  statedDefaultDeny,
];

/** Texts of files by their names, as they were read. */
export type Texts = ReadonlyMap<string, string>;

/** What is found, and reachable, where files have some texts. */
export interface Judged {
  readonly findings: readonly Finding[];
  readonly reachability: Reachability;
}

/** What {@link repaired} did. */
export interface Repaired extends Judged {
  /** The files that change, with their new text. */
  readonly texts: Texts;
  readonly repairs: readonly Repair[];
}

/** What the rules find where files have these texts; other files are as they were. */
export type Judge = (texts: Texts) => Judged;

/** Rounds: what is read again may hold what can be repaired, and a repair may show another. Each repairs or refuses something. */
const mostRounds = 1000;

/**
 * Repairs what can be repaired for certain. Repairs are kept only where the rules, asked again about the repaired files, find
 * less of what they are for, and nothing that they did not find before, but in a policy that could not be understood until now;
 * and where no path opens or closes but those that the finding is about.
 *
 * @param wanted the findings that are to be repaired; the others are only watched. Default: all.
 */
export function repaired(texts: Texts, judge: Judge, wanted: (finding: Finding) => boolean = () => true): Repaired {
  let state: State = { current: texts, judged: judge(new Map()), repairs: [] };
  const refused = new Set<string>();
  const parsed = new ParsedTexts();
  for (let round = 0; round < mostRounds; round++) {
    const all = candidatesIn(state, wanted, parsed).filter((each) => !refused.has(keyOfRepair(each)));
    const early = all.filter(({ last }) => last !== true);
    const candidates = early.length > 0 ? early : all;
    if (candidates.length === 0) break;
    // several may be needed before a finding is gone: those of one place are tried together, others beside them
    const batch = batchOf(candidates);
    const next = tried(texts, state, batch, judge);
    if (!isFailure(next)) state = next;
    else if (batch.length === 1) batch.forEach((each) => refused.add(keyOfRepair(each)));
    else state = apart(texts, state, batch, next, judge, refused);
  }
  return {
    texts: changedOf(texts, state.current),
    repairs: [...state.repairs].sort(byPlace),
    ...state.judged,
  };
}

interface State {
  readonly current: Texts;
  readonly judged: Judged;
  readonly repairs: readonly Repair[];
}

/**
 * The repairs that can be proved together: of what has to be tried by itself one of each rule in a file, for then the findings
 * in that file show what it does.
 */
function batchOf(candidates: readonly Repair[]): readonly Repair[] {
  const places = new Set<string>();
  return candidates.filter((each) => {
    if (each.alone !== true) return true;
    const place = JSON.stringify([anywhere.has(each.rule) ? "" : each.file, each.rule]);
    return !places.has(place) && places.add(place);
  });
}

/**
 * What of a batch is an improvement that is none as a whole. Those are left out that its failure points at: they come again in
 * the next round, but for those that alone can have done it, since to refuse costs nothing but a repair. Where it points at all
 * of them, each rule's are tried by themselves, then halves: most repairs are good, so that few are tried alone.
 */
function apart(
  texts: Texts,
  start: State,
  batch: readonly Repair[],
  failed: Failure,
  judge: Judge,
  refused: Set<string>,
): State {
  let state = start;
  const edited = new Map<string, number>();
  const run = (part: readonly Repair[]): void => {
    // offsets before an edit stay
    const open = part.filter(
      (each) => firstOf(each) + lengthOf(each) <= (edited.get(each.file) ?? Number.POSITIVE_INFINITY),
    );
    if (open.length === 0) return;
    const next = tried(texts, state, open, judge);
    if (isFailure(next)) return without(open, next);
    state = next;
    for (const each of open) edited.set(each.file, Math.min(edited.get(each.file) ?? firstOf(each), firstOf(each)));
  };
  const without = (part: readonly Repair[], { suspects, culprits }: Failure): void => {
    for (const each of part.length === 1 ? part : culprits) refused.add(keyOfRepair(each));
    const rest = part.filter((each) => !suspects.has(each));
    if (rest.length > 0) run(rest);
    else if (part.length > 1 && culprits.size === 0) partsOf(part).forEach(run);
  };
  // from the end of a file, so that the offsets of the others stay
  without([...batch].sort(fromTheEnd), failed);
  return state;
}

/** Those of each rule, or halves where there is one rule. */
function partsOf(repairs: readonly Repair[]): readonly (readonly Repair[])[] {
  const rules = [...new Set(repairs.map(({ rule }) => rule))];
  if (rules.length > 1) return rules.map((rule) => repairs.filter((each) => each.rule === rule));
  const half = Math.ceil(repairs.length / 2);
  return [repairs.slice(0, half), repairs.slice(half)];
}

/** What comes of repairs, or whom it points at that they are no improvement. */
function tried(texts: Texts, state: State, repairs: readonly Repair[], judge: Judge): State | Failure {
  const current = new Map(state.current);
  const files = new Set(repairs.map((each) => each.file));
  const blame = new Blame(repairs);
  for (const file of files) {
    const edits = uniqueEdits(repairs.filter((each) => each.file === file));
    if (overlap(edits)) blame.add((each) => each.file === file);
    else current.set(file, applied(current.get(file) ?? "", edits));
  }
  if (blame.isGiven) return blame;
  const judged = judge(changedOf(texts, current));
  const { findings } = state.judged;
  for (const each of repairs) {
    if (!improves(each, findings, judged.findings)) blame.add((other) => mayHide(other, each));
  }
  const understands = repairs.some(({ rule }) => rule === "not-understood");
  const fresh = freshAfter(findings, judged.findings, new Set(repairs.map(({ rule }) => rule)));
  for (const finding of fresh) {
    // what was not understood hid what the policy does: to see it now is no harm that the repair does
    if (!understands || finding.id === "not-understood") blame.add((each) => isIn(finding, each.file));
  }
  // what costs most comes last, and only where nothing is known against the repairs
  if (blame.isGiven) return blame;
  for (const path of changedPaths(state.judged.reachability, judged.reachability, files)) {
    const may = (permission: "mayOpen" | "mayClose"): boolean =>
      repairs.some((each) => permits(each[permission], path));
    if ((path.opens && !may("mayOpen")) || (path.closes && !may("mayClose"))) {
      blame.add((each) => mayChange(each, path));
    }
  }
  return blame.isGiven ? blame : { current, judged, repairs: [...state.repairs, ...distinct(repairs)] };
}

/**
 * What was not found before. A finding that names several objects is named for the first of them: where there are no more of
 * the rule that is repaired, another name is no other finding.
 */
function freshAfter(before: readonly Finding[], after: readonly Finding[], repaired: ReadonlySet<string>): Finding[] {
  const known = new Set(before.map(keyOf));
  const count = (findings: readonly Finding[], id: string): number =>
    findings.filter((finding) => finding.id === id && isViolation(finding)).length;
  return after.filter(
    (finding) =>
      isViolation(finding) &&
      !known.has(keyOf(finding)) &&
      !(repaired.has(finding.id) && count(after, finding.id) <= count(before, finding.id)),
  );
}

function permits(permission: Permission | undefined, path: ChangedPath): boolean {
  return permission === true || permission?.(path) === true;
}

/** One edit may mend two findings. */
function uniqueEdits(repairs: readonly Repair[]): Repair["edits"] {
  return distinct(repairs).flatMap((each) => each.edits);
}

function distinct(repairs: readonly Repair[]): readonly Repair[] {
  const keyOfEdits = ({ file, edits }: Repair): string => JSON.stringify([file, edits]);
  return [...new Map([...repairs].reverse().map((each) => [keyOfEdits(each), each])).values()].reverse();
}

function firstOf({ edits }: Repair): number {
  return Math.min(...edits.map(({ from }) => from));
}

function lengthOf(repair: Repair): number {
  return Math.max(...repair.edits.map(({ to }) => to)) - firstOf(repair);
}

function fromTheEnd(a: Repair, b: Repair): number {
  return a.file === b.file ? firstOf(b) - firstOf(a) : a.file < b.file ? -1 : 1;
}

function byPlace(a: Repair, b: Repair): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}

/** Not by the line: lines move. */
function keyOfRepair({ file, rule, what, object = "", nth = 0 }: Repair): string {
  return JSON.stringify([file, rule, what, object, nth]);
}

function changedOf(texts: Texts, current: Texts): Map<string, string> {
  return new Map([...current].filter(([file, text]) => texts.get(file) !== text));
}

/** For objects that a finding of their rule is about. */
function candidatesIn(
  { current, judged }: State,
  wanted: (finding: Finding) => boolean,
  parsed: ParsedTexts,
): Repair[] {
  const findings = judged.findings.filter(isViolation).filter(wanted);
  const found: Repair[] = [];
  for (const [file, text] of current) {
    const hasPolicies = policyKind.test(text);
    const near = findings.filter((finding) => (hasPolicies && anywhere.has(finding.id)) || isIn(finding, file));
    if (near.length === 0) continue;
    const shared = parsed.sharedIn(file, text);
    for (const object of parsed.objectsIn(file, text)) {
      const here = near.filter((finding) => anywhere.has(finding.id) || isAbout(finding, object));
      const rules = new Set(here.map(({ id }) => id));
      if (rules.size === 0) continue;
      for (const repair of [...repairers.flatMap((each) => [...each(object)]), ...labelKey(object, here)]) {
        const isShared = repair.edits.some(({ from }) => shared.some(([start, end]) => from >= start && from < end));
        if (!rules.has(repair.rule) || repair.edits.length === 0 || isShared) continue;
        const own = nameOf(object);
        const nth = found.filter(
          (each) => each.file === file && each.object === own && each.what === repair.what,
        ).length;
        found.push({ ...repair, file, object: own, nth });
      }
    }
  }
  return [...found, ...defaultDenies(current, findings, judged.reachability.snapshot, parsed)];
}

/** A text that may hold a policy. */
const policyKind = /\bkind["']?\s*:\s*["']?\w*policy/i;

/** Whether one repair may be why another one seems to do nothing: in the same file, or where any place may be meant. */
function mayHide(other: Repair, each: Repair): boolean {
  if (other === each) return true;
  if (each.namespace !== undefined) return false;
  return anywhere.has(each.rule) ? other.rule === each.rule : other.file === each.file;
}

/** Whether a repair is in the namespace of one of a path's ends; one of no namespace may be about any. */
function mayChange({ object = "", namespace }: Repair, path: ChangedPath): boolean {
  const home = namespace ?? object.split("/")[1] ?? "undefined";
  const ends = [path.sourceId, path.destinationId].map((id) => id?.split("/")[0]);
  const fresh = [path.source, path.destination].map((end) => (end.kind === "freshPod" ? end.namespace : undefined));
  return home === "undefined" || [...ends, ...fresh].includes(home);
}

function nameOf({ kind, object }: YamlObject): string {
  const { name, namespace } = (object["metadata"] ?? {}) as { readonly name?: unknown; readonly namespace?: unknown };
  return [kind, namespace, name].map(String).join("/");
}

/** Rules whose findings are about workloads, wherever the policy lies that is to be repaired. */
const anywhere: ReadonlySet<string> = new Set(["dns-cut"]);

function sourcesOf({ causes = [], subject }: Finding): readonly Source[] {
  return [...causes, ...(subject.source === undefined ? [] : [subject.source])];
}

function isIn(finding: Finding, file: string): boolean {
  return sourcesOf(finding).some((source) => source.file === file);
}

/** Whether a finding names a line of an object, or its file alone. */
function isAbout(finding: Finding, { file, text, within }: YamlObject): boolean {
  const [from, to] = within.map((offset) => lineAt(text, offset));
  return sourcesOf(finding).some(
    (source) =>
      source.file === file && (source.line === undefined || (source.line >= (from ?? 0) && source.line <= (to ?? 0))),
  );
}

/** Less is found of what a repair is for, in its file or about its namespace, or with fewer reasons: one of several faults of one object is gone. */
function improves({ rule, file, namespace }: Repair, before: readonly Finding[], after: readonly Finding[]): boolean {
  const of = (findings: readonly Finding[]): readonly Finding[] =>
    findings.filter(
      (finding) =>
        finding.id === rule &&
        isViolation(finding) &&
        (namespace === undefined
          ? anywhere.has(rule) || isIn(finding, file)
          : finding.subject.kind === "Namespace" && finding.subject.name === namespace),
    );
  const words = (findings: readonly Finding[]): number =>
    findings.reduce((sum, { because, message }) => sum + because.join("\n").length + message.length, 0);
  const [was, is] = [of(before), of(after)];
  return is.length < was.length || words(is) < words(was);
}

/** By what it is about and the rule, not by the line: lines move. */
function keyOf({ id, subject: { kind, namespace, name }, certainty }: Finding): string {
  return JSON.stringify([id, kind, namespace, name, certainty]);
}
