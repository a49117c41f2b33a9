/** What a prober is told, and what it says: see `script.ts`. */
import type { ProbeOutcome } from "../verify";

/**
 * How one connection is tried. "tcp" and "udp" need the prober's own listener at the other end and prove that an answer came
 * back from it; "connect" opens a TCP connection to anything; "dns" and "dns-tcp" ask a name server.
 */
export type ProbeWay = "tcp" | "udp" | "connect" | "dns" | "dns-tcp";

/** Way, address, port, and what must come of it: `c`onnected or `b`locked. */
export type ProberTask = readonly [way: ProbeWay, address: string, port: number, wanted: "c" | "b"];

/** The environment variable that holds the settings, and the one that names the file for the report. */
export const settingsVariable = "CLUSTER_SECURITY_PROBER";
export const reportVariable = "CLUSTER_SECURITY_REPORT";

/** Where the kubelet looks for a container's last words (Pod v1, terminationMessagePath), and how many bytes it takes. */
export const reportPath = "/dev/termination-log";
export const reportLimit = 4096;

/** As many tasks as fit into an environment variable (128 KiB on Linux) and a report. */
export const tasksPerProber = 1500;

export interface ProberSettings {
  readonly listen: readonly (readonly [protocol: "TCP" | "UDP", port: number])[];
  /** Port on the pod's loopback that is opened last: whoever reaches it knows that all others are open. */
  readonly ready?: number;
  readonly probes: readonly ProberTask[];
  /** Milliseconds of silence that mean "blocked". */
  readonly timeout: number;
  /**
   * Milliseconds during which an outcome that is not as wanted is tried again. A block that must be counts once a third of
   * them has passed.
   */
  readonly settle: number;
  readonly parallel: number;
  /** Seconds after which it ends in any case; 0 for never. */
  readonly deadline: number;
  /** What name servers are asked for. */
  readonly name: string;
  /** Exit with 1 and say this where something is not as wanted; otherwise the report lists all outcomes. */
  readonly complaint?: string;
}

const outcomeByLetter: Readonly<Record<string, ProbeOutcome["outcome"]>> = {
  c: "connected",
  b: "blocked",
  r: "refused",
  f: "failed",
};

/** The outcomes in a report, one for each task. What the report does not say has failed: it proves nothing. */
export function readReport(text: string, tasks: number): ProbeOutcome[] {
  const report = parse(text);
  const letters = typeof report["outcomes"] === "string" ? report["outcomes"] : "";
  const details = typeof report["details"] === "object" && report["details"] !== null ? report["details"] : {};
  const error = typeof report["error"] === "string" ? report["error"] : "the probe pod's report cannot be read";
  return Array.from({ length: tasks }, (_, index): ProbeOutcome => {
    const outcome = outcomeByLetter[letters[index] ?? ""];
    if (outcome === undefined || letters.length !== tasks) return { outcome: "failed", detail: error };
    const detail = (details as Record<string, unknown>)[String(index)];
    return typeof detail === "string" ? { outcome, detail } : { outcome };
  });
}

function parse(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
