/** Plain data as CEL, the language of admission policies. */

/** A text that holds a part which the admission policy finds out: `<part>` in the data becomes `expression` in CEL. */
export interface Hole {
  readonly part: string;
  readonly expression: string;
}

/**
 * CEL that equals the data. The API server allows no list or map of several types, so what lies inside one is `dyn`.
 *
 * @param hole What is no constant in it. Defaults to none.
 */
export function celOf(value: unknown, hole?: Hole): string {
  if (typeof value === "string") return celText(value, hole);
  if (Array.isArray(value)) return `[${value.map((item) => `dyn(${celOf(item, hole)})`).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([key, item]) => `${celText(key, hole)}: dyn(${celOf(item, hole)})`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** JSON's escapes are CEL's, too. */
function celText(text: string, hole: Hole | undefined): string {
  if (hole === undefined || !text.includes(hole.part)) return JSON.stringify(text);
  const parts = text.split(hole.part).map((part) => (part === "" ? "" : JSON.stringify(part)));
  return parts
    .flatMap((part, index) => (index === 0 ? [part] : [hole.expression, part]))
    .filter((part) => part !== "")
    .join(" + ");
}
