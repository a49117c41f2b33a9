/** Runs of an audit, one line each, and what became of the drifts from one run to another. */
import { listOf, mapOf, textOf } from "../findings/plain";
import { severities, type Severity } from "../findings/types";
import { describeRef } from "../reachability";
import { isWorse } from "./paths";
import type { AuditResult, AuditVerdict, DriftKind } from "./types";

/** A drift as a line of the history holds it. */
export interface RecordedDrift {
  readonly kind: DriftKind;
  readonly severity: Severity;
  /** `NetworkPolicy shop/default-deny-all`. */
  readonly object: string;
  readonly opens: number;
  readonly closes: number;
}

/** One run. */
export interface RecordedRun {
  /** RFC 3339, UTC. */
  readonly time: string;
  /** The cluster, as its context is called, or the files that stood for it. */
  readonly cluster: string;
  readonly baseline: readonly string[];
  readonly verdict: AuditVerdict;
  readonly drifts: readonly RecordedDrift[];
  /** How much could not be compared. */
  readonly gaps: number;
}

/** What a run leaves in the history. */
export function recordOf(
  { verdict, drifts, gaps }: AuditResult,
  run: Pick<RecordedRun, "time" | "cluster" | "baseline">,
): RecordedRun {
  return {
    ...run,
    verdict,
    drifts: drifts.map(({ kind, severity, object, opens, closes }) => ({
      kind,
      severity,
      object: describeRef(object),
      opens: opens.count,
      closes: closes.count,
    })),
    gaps: gaps.length,
  };
}

/** Reads a line of the history, or what `audit --format json` prints. Undefined for anything else. */
export function readRun(text: string): RecordedRun | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const run = mapOf(value);
  const { verdict, drifts, gaps } = run;
  if (verdict !== "clean" && verdict !== "drift" && verdict !== "inconclusive") return undefined;
  if (!Array.isArray(drifts)) return undefined;
  return {
    time: textOf(run["time"]) ?? "",
    cluster: textOf(run["cluster"]) ?? "",
    baseline: listOf(run["baseline"]).filter((item): item is string => typeof item === "string"),
    verdict,
    drifts: drifts.flatMap(readDrift),
    gaps: typeof gaps === "number" ? gaps : listOf(gaps).length,
  };
}

function readDrift(value: unknown): RecordedDrift[] {
  const { kind, severity, object, opens, closes } = mapOf(value);
  const name = textOf(object);
  const known = severities.find((each) => each === severity);
  if (typeof kind !== "string" || name === undefined || known === undefined) return [];
  const count = (paths: unknown): number => {
    const { count: counted } = mapOf(paths);
    return typeof paths === "number" ? paths : typeof counted === "number" ? counted : 0;
  };
  return [{ kind: kind as DriftKind, severity: known, object: name, opens: count(opens), closes: count(closes) }];
}

/** What became of the drifts of one run in another. */
export interface RunsCompared {
  readonly appeared: readonly RecordedDrift[];
  readonly gone: readonly RecordedDrift[];
  /** In both, and worse or less bad than before. */
  readonly changed: readonly { readonly before: RecordedDrift; readonly after: RecordedDrift }[];
  readonly unchanged: number;
}

/** Compares two runs of one cluster. Drifts are the same where kind and object are. */
export function compareRuns(before: RecordedRun, after: RecordedRun): RunsCompared {
  const keyOf = ({ kind, object }: RecordedDrift): string => `${kind}|${object}`;
  const earlier = new Map(before.drifts.map((drift) => [keyOf(drift), drift]));
  const later = new Map(after.drifts.map((drift) => [keyOf(drift), drift]));
  const both = [...later].flatMap(([key, drift]) => {
    const was = earlier.get(key);
    return was === undefined ? [] : [{ before: was, after: drift }];
  });
  const isChanged = (pair: (typeof both)[number]): boolean =>
    pair.before.severity !== pair.after.severity ||
    pair.before.opens !== pair.after.opens ||
    pair.before.closes !== pair.after.closes;
  const changed = both.filter(isChanged);
  return {
    appeared: [...later].flatMap(([key, drift]) => (earlier.has(key) ? [] : [drift])),
    gone: [...earlier].flatMap(([key, drift]) => (later.has(key) ? [] : [drift])),
    changed,
    unchanged: both.length - changed.length,
  };
}

/** Whether a drift in two runs has become worse: more severe, or it opens more. */
export function hasWorsened(before: RecordedDrift, after: RecordedDrift): boolean {
  return isWorse(after.severity, before.severity) || after.opens > before.opens;
}
