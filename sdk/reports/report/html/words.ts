/** Dates, ages and states in words, with signs that need no colour. */
import type { EvidenceState } from "../../evidence/types";
import type { Status } from "../../summary";
import { markup, type Markup } from "./markup";

/** `29 November 2026, 17:57 UTC`. */
export function dateText(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`;
}

/** How long before the report something was seen: `3 days before`. */
export function ageText(at: string, reportAt: string): string {
  const minutes = Math.round((Date.parse(reportAt) - Date.parse(at)) / 60_000);
  if (Number.isNaN(minutes)) return "at an unknown time";
  if (minutes < 0) return "after this report";
  if (minutes < 60) return plural(minutes, "minute");
  if (minutes < 48 * 60) return plural(Math.round(minutes / 60), "hour");
  return plural(Math.round(minutes / 1440), "day");
}

function plural(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"} old`;
}

/** `1 path`, `12 paths`. */
export function count(number: number, what: string): string {
  return `${number.toLocaleString("en-GB")} ${what}${number === 1 ? "" : "s"}`;
}

const evidenceSigns: Readonly<Record<EvidenceState, readonly [sign: string, word: string]>> = {
  holds: ["✓", "holds"],
  fails: ["✕", "fails"],
  undecided: ["?", "undecided"],
  absent: ["–", "nothing"],
};

export function evidenceBadge(state: EvidenceState): Markup {
  const [sign, word] = evidenceSigns[state];
  return badge(state, sign, word);
}

const statusSigns: Readonly<Record<Status, readonly [kind: string, sign: string, word: string]>> = {
  closed: ["holds", "✓", "closed"],
  open: ["fails", "✕", "open"],
  unknown: ["undecided", "?", "undecided"],
  exempt: ["absent", "–", "exempt"],
};

export function statusBadge(status: Status): Markup {
  return badge(...statusSigns[status]);
}

/** A word with a sign before it; the colour says nothing that these do not. */
export function badge(kind: string, sign: string, word: string): Markup {
  return markup`<span class="badge ${kind}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

/** The severity of a finding. */
export function severityBadge(severity: string): Markup {
  return markup`<span class="severity ${severity}">${severity}</span>`;
}
