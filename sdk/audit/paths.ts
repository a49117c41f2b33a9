/** Paths that differ between baseline and cluster, by the drift that made them differ, and how bad each is. */
import type { Severity } from "../findings/types";
import { severities } from "../findings/types";
import type { Traffic, TrafficSet } from "../reachability";
import { metadataEndpoints, parseAddress } from "../reachability";
import { describeTraffic } from "../reports/connections";
import type { AuditPath, AuditPaths } from "./types";

/** A path that opened or closed, and how bad that is. */
interface RatedPath extends AuditPath {
  readonly severity: Severity;
}

/** What became of the two ends of a pair. */
export interface EndsChange {
  readonly sourceId: string;
  readonly destinationId: string;
  readonly before: Traffic;
  readonly after: Traffic;
}

/** The paths of one drift. */
export class PathTally {
  #opened = 0;
  #closed = 0;
  #opens: readonly RatedPath[] = [];
  #closes: readonly RatedPath[] = [];
  #worst: Severity | undefined;

  constructor(private readonly examples: number) {}

  get isEmpty(): boolean {
    return this.#opened + this.#closed === 0;
  }

  /** How bad the worst of the paths is; undefined without any. */
  get worst(): Severity | undefined {
    return this.#worst;
  }

  /** @param futureOf What to call an end that stands for pods which nobody runs yet. */
  add(change: EndsChange, futureOf: (id: string) => string | undefined): void {
    const opened = moreOf(change.after, change.before);
    const closed = moreOf(change.before, change.after);
    if (opened !== undefined) {
      this.#opened++;
      this.#opens = this.#with(this.#opens, rated(change, opened, futureOf, true));
    }
    if (closed !== undefined) {
      this.#closed++;
      this.#closes = this.#with(this.#closes, rated(change, closed, futureOf, false));
    }
  }

  get opens(): AuditPaths {
    return { count: this.#opened, examples: this.#opens.map(withoutRating) };
  }

  get closes(): AuditPaths {
    return { count: this.#closed, examples: this.#closes.map(withoutRating) };
  }

  #with(paths: readonly RatedPath[], path: RatedPath): readonly RatedPath[] {
    if (this.#worst === undefined || isWorse(path.severity, this.#worst)) this.#worst = path.severity;
    const least = paths.at(-1);
    const isFull = paths.length >= this.examples;
    if (isFull && least !== undefined && !isWorse(path.severity, least.severity)) return paths;
    const index = paths.findIndex((other) => isWorse(path.severity, other.severity));
    const place = index < 0 ? paths.length : index;
    return [...paths.slice(0, place), path, ...paths.slice(place)].slice(0, this.examples);
  }
}

/** Whether one severity is worse than another. */
export function isWorse(one: Severity, other: Severity): boolean {
  return severities.indexOf(one) < severities.indexOf(other);
}

/** The worst of some severities; `low` where there is none. */
export function worstOf(...all: readonly (Severity | undefined)[]): Severity {
  return all.reduce<Severity>((worst, each) => (each !== undefined && isWorse(each, worst) ? each : worst), "low");
}

function withoutRating({ severity: _, ...path }: RatedPath): AuditPath {
  return path;
}

interface More {
  readonly connections: string;
  readonly possible: boolean;
}

/** What passes in one and not in the other; undefined where nothing does. */
function moreOf(more: Traffic, less: Traffic): More | undefined {
  const possible = more.possible.subtract(less.possible);
  const certain = more.allowed.subtract(less.possible);
  if (!possible.isEmpty()) return { connections: describeTraffic(certain, possible), possible: certain.isEmpty() };
  // what was only possible and is certain now
  const surer: TrafficSet = more.allowed.subtract(less.allowed);
  return surer.isEmpty() ? undefined : { connections: describeTraffic(surer, surer), possible: true };
}

function rated(
  { sourceId, destinationId }: EndsChange,
  { connections, possible }: More,
  futureOf: (id: string) => string | undefined,
  opens: boolean,
): RatedPath {
  const [source, destination] = [sourceId, destinationId].map((id) => futureOf(id) ?? id) as [string, string];
  const future = source !== sourceId || destination !== destinationId;
  const severity = opens ? ratingOf(sourceId, destinationId) : "medium";
  return { source, destination, connections, possible, future, severity: future ? lower(severity) : severity };
}

/** Whoever reaches credentials of the cloud, or is reached from outside, is worse off than between two workloads. */
function ratingOf(sourceId: string, destinationId: string): Severity {
  if (sourceId.endsWith(external) || holdsMetadata(destinationId)) return "critical";
  return "high";
}

function lower(severity: Severity): Severity {
  return severities[Math.min(severities.indexOf(severity) + 1, severities.indexOf("low"))] ?? "low";
}

const external = "[External]";

const endpoints = metadataEndpoints.flatMap(({ address, formOf }) => {
  const parsed = formOf === undefined ? parseAddress(address) : undefined;
  return parsed === undefined ? [] : [parsed];
});

/** Whether a range of addresses holds one at which a cloud hands out credentials. */
function holdsMetadata(id: string): boolean {
  if (!id.endsWith(external)) return false;
  const [first = "", last = ""] = id.slice(0, -external.length).split("-");
  const [from, to] = [parseAddress(first), parseAddress(last)];
  if (from === undefined || to === undefined) return false;
  return endpoints.some(({ family, value }) => family === from.family && from.value <= value && value <= to.value);
}
