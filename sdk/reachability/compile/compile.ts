import type { Snapshot } from "../snapshot/types";
import { matrixOf } from "../questions/matrix";
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

  matrix(options: MatrixOptions = {}): Iterable<MatrixEntry> {
    return matrixOf(this.#engine, options);
  }
}
