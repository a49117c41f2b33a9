/** Repairs of policies that are certain: each for one finding, as an edit of the text that leaves everything else as it is. */
export { unifiedDiff } from "./patch";
export type { Judged, Repaired, Texts } from "./repair";
export { repaired } from "./repair";
