import { describeRef } from "../reachability";
import type { ChangedObject, DiffCounts, PathDifference } from "../reachability";
import { describeTraffic } from "./connections";
import { describeSource } from "./source";

/** `3 paths opened, 1 closed, 2 changed`. */
export function describeCounts({ opened, closed, changed }: DiffCounts): string {
  if (opened + closed + changed === 0) return "no path opened, closed or changed";
  return `${opened} ${opened === 1 ? "path" : "paths"} opened, ${closed} closed, ${changed} changed`;
}

/** `NetworkPolicy shop/allow-web (added, policies.yaml:12)`. */
function describeChangedObject(object: ChangedObject): string {
  const place = describeSource(object.source);
  return `${describeRef(object)} (${object.change}${place === undefined ? "" : `, ${place}`})`;
}

/** `a (added); b (removed); and 3 more`. */
export function describeCauses(causes: readonly ChangedObject[], limit = 5): string {
  const rest = causes.length - limit;
  return [...causes.slice(0, limit).map(describeChangedObject), ...(rest > 0 ? [`and ${rest} more`] : [])].join("; ");
}

/**
 * One path of a diff in one line, for a log:
 * `opened shop/web[Deployment] -> shop/db[Deployment]: TCP 5432, because of NetworkPolicy shop/allow-db (added)`.
 */
export function describeDifference(difference: PathDifference): string {
  const { change, sourceId, destinationId, before, after, causes } = difference;
  const [was, is] = [before, after].map(({ allowed, possible }) => describeTraffic(allowed, possible));
  const what = change === "opened" ? is : change === "closed" ? was : `${was} → ${is}`;
  const because = causes.length === 0 ? "" : `, because of ${describeCauses(causes)}`;
  return `${change} ${sourceId} -> ${destinationId}: ${what}${because}`;
}
