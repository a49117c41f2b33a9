/** Words that differ by a slip of the fingers. */
import { editDistance } from "../reachability/model/words";

/** Whether two different words differ by one letter too many, too few, wrong or swapped; by two in words of 8 letters and more. */
export function isMisspelling(a: string, b: string): boolean {
  const most = Math.min(a.length, b.length) >= 8 ? 2 : 1;
  if (a === b || Math.min(a.length, b.length) < 3 || Math.abs(a.length - b.length) > most) return false;
  return editDistance(a, b, { swaps: true }) <= most;
}
