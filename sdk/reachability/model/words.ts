/** How far two words are from each other. */

/**
 * Edits between two words: a letter too many, too few or wrong (Levenshtein).
 *
 * @param swaps Two neighbours that are swapped are one edit (optimal string alignment). Default false: they are two.
 */
export function editDistance(a: string, b: string, { swaps = false } = {}): number {
  let beforeThat: readonly number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, replaced);
      if (swaps && i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeThat[j - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    beforeThat = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
