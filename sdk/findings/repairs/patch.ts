/** A unified diff of two texts (POSIX diff -u), with three lines around each change. */

const around = 3;

/** Lines that stay, go and come, in their order. */
type Change = readonly [mark: " " | "-" | "+", line: string];

/** The patch of one file; empty where nothing changes. `name` is taken for both sides, after `a/` and `b/`. */
export function unifiedDiff(name: string, before: string, after: string): string {
  if (before === after) return "";
  // a name with a space ends where a tab stands
  const end = /\s/.test(name) ? "\t" : "";
  const hunks = hunksOf(changesOf(linesOf(before), linesOf(after)));
  return `--- a/${name}${end}\n+++ b/${name}${end}\n${hunks.join("")}`;
}

/** Lines with what ends them; one that nothing ends says so, as diff does. */
function linesOf(text: string): string[] {
  return text
    .split(/(?<=\n)/)
    .filter((line) => line !== "")
    .map((line) => (line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`));
}

/**
 * The fewest lines that go and come (E. W. Myers, An O(ND) Difference Algorithm, 1986), between what is equal at both ends.
 */
function changesOf(before: readonly string[], after: readonly string[]): Change[] {
  let [start, end] = [0, 0];
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  const rest = Math.min(before.length, after.length) - start;
  while (end < rest && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const kept = (line: string): Change => [" ", line];
  return [
    ...before.slice(0, start).map(kept),
    ...shortest(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(kept),
  ];
}

function shortest(before: readonly string[], after: readonly string[]): Change[] {
  const trace: Map<number, number>[] = [];
  let furthest = new Map<number, number>([[1, 0]]);
  for (let distance = 0; distance <= before.length + after.length; distance++) {
    trace.push(furthest);
    const next = new Map(furthest);
    for (let diagonal = -distance; diagonal <= distance; diagonal += 2) {
      let left = isDown(furthest, diagonal, distance)
        ? (furthest.get(diagonal + 1) ?? 0)
        : (furthest.get(diagonal - 1) ?? 0) + 1;
      while (left < before.length && left - diagonal < after.length && before[left] === after[left - diagonal]) left++;
      next.set(diagonal, left);
      if (left >= before.length && left - diagonal >= after.length) return walkedBack(trace, before, after);
    }
    furthest = next;
  }
  return [];
}

function isDown(furthest: ReadonlyMap<number, number>, diagonal: number, distance: number): boolean {
  if (diagonal === -distance) return true;
  return diagonal !== distance && (furthest.get(diagonal - 1) ?? -1) < (furthest.get(diagonal + 1) ?? -1);
}

function walkedBack(
  trace: readonly ReadonlyMap<number, number>[],
  before: readonly string[],
  after: readonly string[],
): Change[] {
  const changes: Change[] = [];
  let [left, right] = [before.length, after.length];
  for (let distance = trace.length - 1; distance >= 0; distance--) {
    const furthest = trace[distance] ?? new Map<number, number>();
    const diagonal = left - right;
    const from = isDown(furthest, diagonal, distance) ? diagonal + 1 : diagonal - 1;
    const [fromLeft, fromRight] = [furthest.get(from) ?? 0, (furthest.get(from) ?? 0) - from];
    while (left > Math.max(fromLeft, 0) && right > Math.max(fromRight, 0)) {
      changes.push([" ", before[--left] ?? ""]);
      right--;
    }
    if (distance === 0) break;
    changes.push(from === diagonal + 1 ? ["+", after[--right] ?? ""] : ["-", before[--left] ?? ""]);
  }
  return changes.reverse();
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
    const count = (mark: "-" | "+"): number => lines.filter(([each]) => each === " " || each === mark).length;
    const [oldStart, newStart] = [oldLine - (at - start), newLine - (at - start)];
    hunks.push(
      `@@ -${oldStart},${count("-")} +${newStart},${count("+")} @@\n${lines.map(([mark, line]) => `${mark}${line}`).join("")}`,
    );
    for (const [mark] of changes.slice(at, start + lines.length)) {
      if (mark !== "+") oldLine++;
      if (mark !== "-") newLine++;
    }
    at = start + lines.length;
  }
  return hunks;
}
