/** The Test Anything Protocol, version 14 (testanything.org). */

/** The first lines. */
export function tapHead(count: number): readonly string[] {
  return ["TAP version 14", `1..${count}`];
}

/** One test. @param text One line; `\` and `#` have a meaning in TAP and are escaped. */
export function tapLine(number: number, isOk: boolean, text: string): string {
  return `${isOk ? "ok" : "not ok"} ${number} - ${text.replaceAll("\\", "\\\\").replaceAll("#", "\\#")}`;
}
