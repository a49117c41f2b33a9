/** Flows that are the same to every policy: same labels, same port. */
import type { FlowProtocol } from "../reachability";
import { withoutControllerLabels } from "../reachability";
import type { FlowRecord, RecordedEnd, RecordedOutcome, RecordedPod } from "./record";

/** Attempts by what became of them, at one side. */
type Outcomes = Readonly<Record<RecordedOutcome, number>>;

/** All recorded flows of one kind. */
export interface FlowClass {
  readonly source: RecordedEnd;
  readonly destination: RecordedEnd;
  readonly protocol: FlowProtocol;
  readonly port: number;
  /** As the source's side recorded them, as the destination's did, and without a side. */
  readonly egress: Outcomes;
  readonly ingress: Outcomes;
  readonly either: Outcomes;
  /** Milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** Ids of the declared flows whose rules let it pass, where the rules say them. */
  readonly declared: ReadonlySet<string>;
  /** The days on which it was recorded (UTC), as days since 1970. */
  readonly days: ReadonlySet<number>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface Building extends Omit<
  FlowClass,
  "source" | "destination" | "egress" | "ingress" | "either" | "first" | "last"
> {
  source: RecordedEnd;
  destination: RecordedEnd;
  readonly egress: Writable<Outcomes>;
  readonly ingress: Writable<Outcomes>;
  readonly either: Writable<Outcomes>;
  first: number;
  last: number;
  readonly declared: Set<string>;
  readonly days: Set<number>;
}

const day = 24 * 60 * 60 * 1000;

/** Gathers records in classes. */
export class FlowClasses {
  private readonly classes = new Map<string, Building>();

  add(record: FlowRecord): void {
    const { source, destination, protocol, port, time, side, outcome, count } = record;
    const key = `${keyOf(source)}>${keyOf(destination)}>${port}/${protocol}`;
    let known = this.classes.get(key);
    if (known === undefined) {
      const none = (): Writable<Outcomes> => ({ allowed: 0, denied: 0, "would-be-denied": 0 });
      known = {
        source,
        destination,
        protocol,
        port,
        egress: none(),
        ingress: none(),
        either: none(),
        first: time,
        last: time,
        declared: new Set(),
        days: new Set(),
      };
      this.classes.set(key, known);
    }
    known[side ?? "either"][outcome] += count;
    known.source = moreNamed(known.source, source);
    known.destination = moreNamed(known.destination, destination);
    known.first = Math.min(known.first, time);
    known.last = Math.max(known.last, time);
    for (const id of record.declared ?? []) known.declared.add(id);
    known.days.add(Math.floor(time / day));
  }

  /** Adds the classes of others to these. */
  addAll(others: FlowClasses): void {
    for (const [key, other] of others.classes) {
      const known = this.classes.get(key);
      if (known === undefined) {
        this.classes.set(key, other);
        continue;
      }
      for (const side of ["egress", "ingress", "either"] as const) {
        for (const outcome of ["allowed", "denied", "would-be-denied"] as const) {
          known[side][outcome] += other[side][outcome];
        }
      }
      known.source = moreNamed(known.source, other.source);
      known.destination = moreNamed(known.destination, other.destination);
      known.first = Math.min(known.first, other.first);
      known.last = Math.max(known.last, other.last);
      for (const id of other.declared) known.declared.add(id);
      for (const each of other.days) known.days.add(each);
    }
  }

  all(): readonly FlowClass[] {
    return [...this.classes.values()];
  }
}

/** Attempts that got through and that did not: an allowed one is recorded at both ends, a denied one where it ended. */
export function attemptsOf({ egress, ingress, either }: FlowClass): {
  readonly passed: number;
  readonly denied: number;
} {
  const through = (outcomes: Outcomes): number => outcomes.allowed + outcomes["would-be-denied"];
  const denied = egress.denied + ingress.denied + either.denied;
  // what arrived has left its source as well
  const arrived = through(ingress);
  const left = Math.max(0, through(egress) - ingress.denied);
  return { passed: Math.max(arrived, left) + through(either), denied };
}

/** Recorders name the workloads of their own node's pods only. */
function moreNamed(known: RecordedEnd, other: RecordedEnd): RecordedEnd {
  return known.kind === "pod" && known.workload === undefined && other.kind === "pod" && other.workload !== undefined
    ? { ...known, workload: other.workload }
    : known;
}

function keyOf(end: RecordedEnd): string {
  return end.kind === "pod" ? podKey(end) : JSON.stringify(end);
}

/** By labels where they are recorded: then the pod's own name changes nothing. */
function podKey({ namespace, labels, sharedLabels, serviceAccount, pod, workload }: RecordedPod): string {
  if (labels === undefined) return JSON.stringify([namespace, workload ?? pod, serviceAccount]);
  const own = Object.entries(withoutControllerLabels(labels)).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, own, serviceAccount, sharedLabels === true ? pod : undefined]);
}
