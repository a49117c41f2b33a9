import type { Snapshot } from "../snapshot/types";
import { explainFlow } from "../questions/explain";
import type { Explanation, Flow, MatrixEntry, MatrixOptions, Peer, Reachability, Traffic, Verdict } from "../verdicts";
import { Engine } from "./engine";

/** Prepares a snapshot for questions. Work is done when it is first needed, and remembered. */
export function compile(snapshot: Snapshot): Reachability {
  return new Compiled(snapshot);
}

class Compiled implements Reachability {
  readonly #engine: Engine;

  constructor(readonly snapshot: Snapshot) {
    this.#engine = new Engine(snapshot);
  }

  verdict(flow: Flow): Verdict {
    return this.#engine.verdict(flow);
  }

  explain(flow: Flow): Explanation {
    return explainFlow(this.#engine, flow);
  }

  traffic(source: Peer, destination: Peer): Traffic {
    const { must, may } = this.#engine.traffic(source, destination);
    return { allowed: must, possible: may };
  }

  *matrix(options: MatrixOptions = {}): Iterable<MatrixEntry> {
    for (const source of this.snapshot.workloads) {
      for (const destination of this.snapshot.workloads) {
        if (source === destination) continue;
        const ends = {
          source: { kind: "workload", id: source.id },
          destination: { kind: "workload", id: destination.id },
        } as const;
        const traffic = this.traffic(ends.source, ends.destination);
        if (traffic.possible.isEmpty() || (options.possible === false && traffic.allowed.isEmpty())) continue;
        yield { ...ends, sourceId: source.id, destinationId: destination.id, ...traffic };
      }
    }
  }
}
