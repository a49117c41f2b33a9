import type { SourcedObject } from "../objects";
import type { EnforcerProfile } from "../profile";
import type { Snapshot } from "./types";

export function buildSnapshot(
  _objects: Iterable<SourcedObject>,
  _options: { profile?: EnforcerProfile } = {},
): Snapshot {
  throw new Error("being written");
}
