/** Durations as people write them: `30m`, `8h`, `1h30m`. */

const unitSeconds: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60, s: 1 };

/** Seconds of `2d`, `8h`, `90m`, `1h30m`, `45s`; undefined where the text is none, or is no time at all. */
export function secondsOf(text: string): number | undefined {
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text.trim());
  if (match === null) return undefined;
  const seconds = Object.values(unitSeconds).reduce(
    (sum, unit, index) => sum + unit * Number(match[index + 1] ?? 0),
    0,
  );
  return seconds > 0 && Number.isSafeInteger(seconds) ? seconds : undefined;
}

/** The same in the other direction, without parts that are nothing: `8h`, `1h30m`. Days are hours: `48h`. */
export function durationText(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  const parts = [hours > 0 ? `${hours}h` : "", minutes > 0 ? `${minutes}m` : "", rest > 0 ? `${rest}s` : ""];
  return parts.join("") || "0s";
}
