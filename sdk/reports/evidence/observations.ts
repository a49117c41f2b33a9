/** What a verification or a replay wrote as JSON, read back. Files of other origin are refused, not guessed at. */
import { isMap } from "../../reachability/model/plain";

/** A connection that was tried, or a kind of recorded flow. */
export interface ObservedPath {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port: number;
  /** The group of a probe; `replay` for what was recorded. */
  readonly group: string;
  /** What had to come of it, or what the policies say of it. */
  readonly expected: "allowed" | "denied" | "unknown";
  /** It came about; undefined where nothing was proved. */
  readonly holds: boolean | undefined;
}

/** What was observed in one run. */
export interface Observation {
  readonly kind: "verify" | "replay";
  /** RFC 3339. */
  readonly at: string;
  readonly paths: readonly ObservedPath[];
  /** Of a verification: whether its canary showed that a deny-all blocks; undefined where it proved nothing. */
  readonly canary?: boolean | undefined;
  /** Of a verification: declared policies that the cluster did not have. */
  readonly missing: readonly string[];
  /** Attempts that were recorded. */
  readonly attempts: number;
}

/** A file is not what it is given for; `message` says what is wrong with it. */
export class ObservationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ObservationError";
  }
}

/**
 * A verification as `verify --format json` writes it.
 *
 * @param fileTime when the file was written, RFC 3339: taken where the verification itself has no date
 * @throws ObservationError
 */
export function readVerification(value: unknown, fileTime: string): Observation {
  if (!isMap(value) || !isMap(value["canary"]) || !Array.isArray(value["probes"])) {
    throw new ObservationError("it is no verification: write one with verify --format json");
  }
  const { connectsBefore, blockedAfter } = value["canary"];
  const policies = isMap(value["policies"]) ? value["policies"]["missing"] : undefined;
  return {
    kind: "verify",
    at: textOr(value["at"], fileTime),
    canary: connectsBefore === true ? blockedAfter === true : undefined,
    missing: Array.isArray(policies) ? policies.filter((each) => typeof each === "string") : [],
    paths: (value["probes"] as readonly unknown[]).map(probeOf),
    attempts: value["probes"].length,
  };
}

function probeOf(value: unknown): ObservedPath {
  const probe = isMap(value) ? value["probe"] : undefined;
  if (!isMap(value) || !isMap(probe)) throw new ObservationError("a probe of it cannot be read");
  const { group, protocol, port, expected } = probe;
  const holds = value["holds"];
  return {
    source: endOf(probe["source"]),
    destination: endOf(probe["destination"]),
    protocol: textOr(protocol, "TCP"),
    port: typeof port === "number" ? port : 0,
    group: textOr(group, "undeclared"),
    expected: expected === "allowed" || expected === "denied" ? expected : "unknown",
    holds: typeof holds === "boolean" ? holds : undefined,
  };
}

function endOf(value: unknown): string {
  if (!isMap(value)) throw new ObservationError("an end of a probe cannot be read");
  return textOr(value["id"], textOr(value["address"], "?"));
}

/**
 * A replay as `replay --format json` writes it: with `--all` everything that was recorded, otherwise what the policies would
 * change.
 *
 * @throws ObservationError
 */
export function readReplay(value: unknown, fileTime: string): Observation {
  if (!Array.isArray(value)) throw new ObservationError("it is no replay: write one with replay --format json");
  const flows = (value as readonly unknown[]).map(replayedOf);
  const last = flows
    .map(({ last: time }) => time)
    .sort()
    .at(-1);
  return {
    kind: "replay",
    at: last ?? fileTime,
    missing: [],
    paths: flows.map(({ path }) => path),
    attempts: flows.reduce((sum, { attempts }) => sum + attempts, 0),
  };
}

const expectedOf: Readonly<Record<string, Pick<ObservedPath, "expected" | "holds">>> = {
  "would-be-denied": { expected: "denied", holds: false },
  "would-open": { expected: "allowed", holds: false },
  "still-denied": { expected: "denied", holds: true },
  "still-allowed": { expected: "allowed", holds: true },
  unknown: { expected: "unknown", holds: undefined },
  unresolved: { expected: "unknown", holds: undefined },
};

function replayedOf(value: unknown): { path: ObservedPath; attempts: number; last: string } {
  if (!isMap(value) || typeof value["effect"] !== "string" || typeof value["source"] !== "string") {
    throw new ObservationError("a flow of it cannot be read: write it with replay --format json");
  }
  const { effect, source, destination, protocol, port, passed, denied, last } = value;
  const known = expectedOf[effect];
  if (known === undefined) throw new ObservationError(`a flow of it has an effect that is not known: "${effect}"`);
  const number = (each: unknown): number => (typeof each === "number" ? each : 0);
  return {
    path: {
      source,
      destination: textOr(destination, "?"),
      protocol: textOr(protocol, "TCP"),
      port: number(port),
      group: "replay",
      ...known,
    },
    attempts: number(passed) + number(denied),
    last: textOr(last, ""),
  };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}
