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
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface Building extends Omit<FlowClass, "egress" | "ingress" | "either" | "first" | "last"> {
  readonly egress: Writable<Outcomes>;
  readonly ingress: Writable<Outcomes>;
  readonly either: Writable<Outcomes>;
  first: number;
  last: number;
}

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
      };
      this.classes.set(key, known);
    }
    known[side ?? "either"][outcome] += count;
    known.first = Math.min(known.first, time);
    known.last = Math.max(known.last, time);
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

function keyOf(end: RecordedEnd): string {
  return end.kind === "pod" ? podKey(end) : JSON.stringify(end);
}

/** By labels where they are recorded: then the pod's own name changes nothing. */
function podKey({ namespace, labels, sharedLabels, serviceAccount, pod, workload }: RecordedPod): string {
  if (labels === undefined) return JSON.stringify([namespace, workload ?? pod, serviceAccount]);
  const own = Object.entries(withoutControllerLabels(labels)).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, own, serviceAccount, sharedLabels === true ? pod : undefined]);
}
