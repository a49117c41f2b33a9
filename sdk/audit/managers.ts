/** Who wrote what is different in a live object. */
import type { FieldDifference, FieldOwner, LiveObject } from "../findings/live-drift";
import { isPulumi, ownsSome, writersOf } from "../findings/live-drift";
import type { FieldManager } from "./types";

/**
 * The managers that own the fields that differ. Where nobody owns them (a field that was removed has no owner), whoever wrote
 * last, Pulumi left out where others wrote too.
 */
export function managersOf(live: LiveObject, fields?: readonly Pick<FieldDifference, "path">[]): FieldManager[] {
  const writers = [...writersOf(live)].sort((a, b) => (b.time ?? "").localeCompare(a.time ?? ""));
  const others = writers.filter((writer) => !isPulumi(writer));
  const candidates = others.length > 0 ? others : writers;
  if (fields === undefined) return candidates.map(asManager);
  const owning = candidates.filter((writer) => ownsSome(writer, fields));
  return (owning.length > 0 ? owning : candidates.slice(0, 1)).map(asManager);
}

function asManager({ manager, operation, time }: FieldOwner): FieldManager {
  return {
    manager: manager === undefined || manager === "" ? "(unnamed)" : manager,
    ...(operation === undefined ? {} : { operation }),
    ...(time === undefined ? {} : { time }),
  };
}
