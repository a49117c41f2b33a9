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
  /** What a "dns" or "dns-tcp" probe asks for; what is sent by another begins with it, so that it can be told on a wire. */
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

/** What many users at once have lived through; see helper/measure.go. */
export interface Crowd {
  readonly connections: number;
  readonly exchanges: number;
  /** Most connections that were open at the same time. */
  readonly most: number;
  /** How often something failed, by what the system said. */
  readonly failures: Readonly<Record<string, number>>;
  /** Microseconds that an exchange took: the median, the 99th percentile, the longest. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A moment at which packets began to arrive, or ceased to. */
export interface Change {
  /** When the first packet that fared so was sent: microseconds since 1970. */
  readonly at: number;
  readonly delivered: boolean;
}

/** What was seen on a link; see helper/capture.go. */
export interface Captured {
  readonly frames: number;
  readonly bytes: number;
  /** Frames that nobody looked at: what is said of the marker is then no proof. */
  readonly lost: number;
  /** Frames by "udp/8472" (protocol and destination port), "arp", or the number of another protocol. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Frames in which the marker is readable. */
  readonly marked: number;
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
  /** Asks an HTTP server inside a namespace. */
  async get(namespace: string, address: string, path: string): Promise<{ status: number; text: string }> {
    return await ask("/get", { namespace, address, path }, 10_000);
  },
  /** Whether an HTTP server inside a namespace answers that all is well (200). False where nobody answers. */
  async isWell(namespace: string, address: string, path: string): Promise<boolean> {
    try {
      return (await helper.get(namespace, address, path)).status === 200;
    } catch {
      return false;
    }
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
  /** Opens TCP connections one after the other; nanoseconds that the handshake of each took. */
  async handshakes(probe: RawProbe, count: number, timeout: number): Promise<readonly number[]> {
    const request = { probe, count, timeout };
    return (await ask<{ nanos: number[] }>("/handshakes", request, 120_000)).nanos;
  },
  /** Sends through one TCP connection for `millis` (at most 20000): bytes that arrived, and nanoseconds until they had. */
  async stream(probe: RawProbe, millis: number): Promise<{ readonly bytes: number; readonly nanos: number }> {
    return await ask("/stream", { probe, millis }, millis + 30_000);
  },
  /** Sends a UDP packet from a port of its own every `every` microseconds; when what became of them changed. */
  async pulse(
    probe: RawProbe,
    every: number,
    millis: number,
  ): Promise<{ readonly changes: readonly Change[]; readonly sent: number }> {
    return await ask("/pulse", { probe, every, millis }, millis + 30_000);
  },
  /** `count` users at once, each with one connection at a time and ten exchanges to a connection. Times in milliseconds. */
  async users(
    probes: readonly RawProbe[],
    times: { readonly count: number; readonly millis: number; readonly pause: number; readonly timeout: number },
  ): Promise<Crowd> {
    return await ask("/users", { probes, ...times }, times.millis + times.timeout * 20 + 60_000);
  },
  /** Listens to a link from now on, and looks for a text in its frames. Returns the number to end it with. */
  async capture(namespace: string, link: string, marker: string): Promise<number> {
    return (await ask<{ id: number }>("/capture", { namespace, link, marker })).id;
  },
  /** Ends a capture. */
  async captured(id: number): Promise<Captured> {
    const { error, ...found } = await ask<Captured & { readonly error?: string }>("/captured", { id });
    if (error !== undefined) throw new DatapathError("failed", `the capture broke: ${error}`);
    return found;
  },
};

async function ask<T>(path: string, body: unknown, timeout?: number): Promise<T> {
  const { status, text } = await askSocket(helperSocket, "POST", path, body, timeout);
  if (status !== 200) throw new DatapathError("failed", `the datapath's helper: ${text.trim()}`);
  return JSON.parse(text) as T;
}
