/** Tells a new connection attempt from one that was recorded already. */
import type { FlowRecord } from "./record";

/** A dropped first packet is sent again for up to two minutes, from the same port. */
const repeatedFor = 130_000;
/** A datagram is not sent again; a drop is recorded twice, microseconds apart. */
const datagramRepeatedFor = 1_000;
/** So many attempts are remembered, and as many of the generation before. */
const remembered = 200_000;

/** Remembers the attempts of the last while, in bounded memory. */
export class Attempts {
  private current = new Map<string, number>();
  private previous = new Map<string, number>();

  /** Whether a record is of an attempt that the same end has not recorded with the same outcome. A sum is always new. */
  isNew({ attempt, side, outcome, time, protocol }: FlowRecord): boolean {
    if (attempt === undefined) return true;
    const key = `${attempt} ${side ?? ""} ${outcome}`;
    const before = this.current.get(key) ?? this.previous.get(key);
    const within = protocol === "TCP" || protocol === "SCTP" ? repeatedFor : datagramRepeatedFor;
    // lines of several nodes are not in order
    const isNew = before === undefined || Math.abs(time - before) > within;
    // a connection that goes on is recorded again and again: it stays the same one
    this.current.set(key, time);
    if (this.current.size >= remembered) {
      this.previous = this.current;
      this.current = new Map();
    }
    return isNew;
  }
}
