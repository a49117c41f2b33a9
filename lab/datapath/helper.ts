import { DatapathError } from "./errors";
import { helperSocket } from "./layout";
import { askSocket } from "./unix-http";

/** Where something listens. `address` "" means every address of the namespace. */
export interface Spot {
  readonly namespace: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "dns" | "dns-tcp";
}

/** One connection to try; see helper/probes.go. */
export interface RawProbe {
  readonly from: string;
  /** Source address, where the namespace has several; else "". */
  readonly bind: string;
  /** Namespace of the address, in which a listener is opened; "" for a virtual address. */
  readonly to: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "dns" | "dns-tcp";
  /** What a "dns" or "dns-tcp" probe asks for; else "". */
  readonly name: string;
}

/** What came of a probe; see helper/probes.go. */
export interface RawOutcome {
  readonly verdict: "allowed" | "denied" | "refused" | "error";
  readonly reason?: string;
  readonly delivered: boolean;
  readonly micros: number;
  readonly answers?: readonly string[];
}

/** The running helper process. Each call throws DatapathError "failed" where the helper refuses. */
export const helper = {
  /** Opens listeners; returns one complaint a spot, "" where it is open. */
  async listen(spots: readonly Spot[]): Promise<readonly string[]> {
    return (await ask<{ errors: string[] }>("/listen", { spots })).errors;
  },
  /** Passes connections on to an address of the machine's own network. */
  async forward(spot: Spot, to: string): Promise<void> {
    await ask("/forward", { spot, to });
  },
  /** Closes all listeners of a namespace. */
  async close(namespace: string): Promise<void> {
    await ask("/close", { namespace });
  },
  /** Writes kernel settings below /proc/sys/net as a namespace sees them; those of the machine stay as they are. */
  async settings(namespace: string, settings: Readonly<Record<string, string>>): Promise<void> {
    await ask("/settings", { namespace, settings });
  },
  /** Replaces what the DNS servers answer. */
  async names(records: Readonly<Record<string, readonly string[]>>): Promise<void> {
    await ask("/names", { records });
  },
  /** Tries connections, `parallel` at once, each for at most `timeout` milliseconds. */
  async probe(probes: readonly RawProbe[], timeout: number, parallel: number): Promise<readonly RawOutcome[]> {
    const rounds = Math.ceil(probes.length / parallel);
    const request = { probes, timeout, parallel };
    return (await ask<{ outcomes: RawOutcome[] }>("/probe", request, (rounds + 2) * (timeout + 2000))).outcomes;
  },
};

async function ask<T>(path: string, body: unknown, timeout?: number): Promise<T> {
  const { status, text } = await askSocket(helperSocket, "POST", path, body, timeout);
  if (status !== 200) throw new DatapathError("failed", `the datapath's helper: ${text.trim()}`);
  return JSON.parse(text) as T;
}
