/** What a proof of an order says. */
import type { OnTheWay, OrderProof } from "../../render";

/** So many paths of one kind are listed. */
const shownPaths = 10;

/** Lines: how it was checked, and what is open or cut on the way. */
export function proofLines({ checkedAfter, steps, found }: OrderProof): readonly string[] {
  const checked =
    checkedAfter === "object"
      ? `order     checked after each of ${steps} policies`
      : `order     checked after each step (${steps} policies are too many for a check after each)`;
  if (found.length === 0) return [`${checked}: nothing opens or is cut on the way`];
  const of = (what: OnTheWay["what"]): readonly string[] => {
    const own = found.filter((one) => one.what === what);
    const words = what === "open" ? "open for a while" : "cut for a while";
    const shown = own.slice(0, shownPaths).map(({ path, since }) => `  ${words}: ${path}, from ${since} on`);
    return own.length > shownPaths ? [...shown, `  and ${own.length - shownPaths} more`] : shown;
  };
  return [`${checked}:`, ...of("open"), ...of("cut")];
}
