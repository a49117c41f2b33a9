/** Patterns for paths in the form of `.gitignore` (gitignore(5)): `*.json`, `charts/`, `/vendor`, `**\/ci/*`, `!keep.yaml`. */

export interface PathPattern {
  readonly negated: boolean;
  readonly foldersOnly: boolean;
  /** For paths below the folder that the pattern belongs to, with `/` between names. */
  readonly expression: RegExp;
}

/** One line of a `.gitignore`; nothing for a comment or an empty line. */
export function readPattern(line: string): PathPattern | undefined {
  let text = line.replace(/\r$/, "").replace(/(?<!\\)\s+$/, "");
  if (text === "" || text.startsWith("#")) return undefined;
  const negated = text.startsWith("!");
  if (negated) text = text.slice(1);
  const foldersOnly = text.endsWith("/");
  if (foldersOnly) text = text.slice(0, -1);
  const anchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  return { negated, foldersOnly, expression: new RegExp(`^${anchored ? "" : "(?:.*/)?"}${expressionOf(text)}$`) };
}

function expressionOf(glob: string): string {
  return glob.replace(/\*\*\/|\/\*\*|\*\*|\*|\?|\[!?[^\]]*\]|\\.|[.+^${}()|[\]]/g, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "/**") return "/.*";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.startsWith("[") && part.length > 1) return part.replace(/^\[!/, "[^").replaceAll("\\", "\\\\");
    return part.startsWith("\\") ? `\\${part.slice(1)}` : `\\${part}`;
  });
}

/** Whether the last pattern that fits a path takes it; undefined where none fits. */
export function decided(patterns: readonly PathPattern[], path: string, isFolder: boolean): boolean | undefined {
  let result: boolean | undefined;
  for (const { negated, foldersOnly, expression } of patterns) {
    if ((isFolder || !foldersOnly) && expression.test(path)) result = !negated;
  }
  return result;
}
