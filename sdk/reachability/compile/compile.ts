import type { Snapshot } from "../snapshot/types";
import type { Reachability } from "../verdicts";

export function compile(_snapshot: Snapshot): Reachability {
  throw new Error("being written");
}
