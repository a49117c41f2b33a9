/** A unified diff of two texts (POSIX diff -u), with three lines around each change. */

const around = 3;

/** Lines that stay, go and come, in their order. */
type Change = readonly [mark: " " | "-" | "+", line: string];

/** The patch of one file; empty where nothing changes. `name` is taken for both sides, after `a/` and `b/`. */
export function unifiedDiff(name: string, before: string, after: string): string {
  if (before === after) return "";
  const changes = changesOf(before.split("\n"), after.split("\n"));
  const hunks = hunksOf(changes);
  return `--- a/${name}\n+++ b/${name}\n${hunks.join("")}`;
}

/** Repairs change few lines that are far apart, so lines are matched from both ends, then by the nearest that is equal. */
function changesOf(before: readonly string[], after: readonly string[]): Change[] {
  const changes: Change[] = [];
  let [left, right] = [0, 0];
  while (left < before.length || right < after.length) {
    if (left < before.length && before[left] === after[right]) {
      changes.push([" ", before[left] ?? ""]);
      left++;
      right++;
      continue;
    }
    const [removed, added] = nextEqual(before, after, left, right);
    for (const end = left + removed; left < end; left++) changes.push(["-", before[left] ?? ""]);
    for (const end = right + added; right < end; right++) changes.push(["+", after[right] ?? ""]);
  }
  return changes;
}

/** How many lines to leave on both sides until the next three are equal. */
function nextEqual(before: readonly string[], after: readonly string[], left: number, right: number): [number, number] {
  const rest = before.length - left + after.length - right;
  for (let distance = 1; distance < rest; distance++) {
    for (let removed = 0; removed <= distance; removed++) {
      const added = distance - removed;
      if (left + removed > before.length || right + added > after.length) continue;
      const same = [0, 1, 2].every((ahead) => before[left + removed + ahead] === after[right + added + ahead]);
      if (same) return [removed, added];
    }
  }
  return [before.length - left, after.length - right];
}

function hunksOf(changes: readonly Change[]): string[] {
  const hunks: string[] = [];
  let [oldLine, newLine] = [1, 1];
  let at = 0;
  while (at < changes.length) {
    if (changes[at]?.[0] === " ") {
      oldLine++;
      newLine++;
      at++;
      continue;
    }
    const start = Math.max(0, at - around);
    let end = at;
    for (let next = at; next < changes.length && next <= end + 2 * around; next++) {
      if (changes[next]?.[0] !== " ") end = next;
    }
    const lines = changes.slice(start, Math.min(changes.length, end + around + 1));
    // a text that ends with a line end has an empty last piece, which is no line
    if (start + lines.length === changes.length && lines.at(-1)?.[0] === " " && lines.at(-1)?.[1] === "") lines.pop();
    const count = (mark: "-" | "+"): number => lines.filter(([each]) => each === " " || each === mark).length;
    const [oldStart, newStart] = [oldLine - (at - start), newLine - (at - start)];
    hunks.push(
      `@@ -${oldStart},${count("-")} +${newStart},${count("+")} @@\n${lines.map(([mark, line]) => `${mark}${line}\n`).join("")}`,
    );
    for (const [mark] of changes.slice(at, start + lines.length)) {
      if (mark !== "+") oldLine++;
      if (mark !== "-") newLine++;
    }
    at = start + lines.length;
  }
  return hunks;
}
