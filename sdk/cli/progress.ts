/**
 * Says on a terminal that a command is still at work once it has been for two seconds. What takes long is computing, during
 * which this process hears no timer, so a thread of its own writes the line.
 */
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";

/** Milliseconds before the first line. */
const patience = 2000;

/** The places of what both threads share: whether it is over, whether a line stands there, who writes. */
const [over, shown, writing] = [0, 1, 2] as const;

/** The thread's program: it has no module of its own, so that it starts at once. */
const program = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const { state, patience, began } = workerData;
Atomics.wait(state, ${over}, 0, patience);
while (Atomics.load(state, ${over}) === 0) {
  if (Atomics.compareExchange(state, ${writing}, 0, 1) === 0) {
    if (Atomics.load(state, ${over}) === 0) {
      Atomics.store(state, ${shown}, 1);
      try {
        writeSync(2, "\\r\\u001b[Kstill at work, " + Math.round((Date.now() - began) / 1000) + " s (Ctrl-C ends it)");
      } catch {}
    }
    Atomics.store(state, ${writing}, 0);
    Atomics.notify(state, ${writing});
  }
  Atomics.wait(state, ${over}, 0, 1000);
}
`;

let end: (() => void) | undefined;

/** Begins to watch, where stderr is a terminal and the user does not want quiet. */
export function watchProgress(argv: readonly string[]): void {
  if (!process.stderr.isTTY || argv.some((each) => each === "-q" || each === "--quiet")) return;
  const state = new Int32Array(new SharedArrayBuffer(12));
  const worker = new Worker(program, { eval: true, workerData: { state, patience, began: Date.now() } });
  worker.on("error", () => undefined);
  worker.unref();
  // whatever is printed takes the line's place
  const restore = [process.stdout, process.stderr].map((stream) => {
    const { write } = stream;
    stream.write = ((...args: Parameters<typeof write>) => {
      clearLine(state);
      return write.apply(stream, args);
    }) as typeof write;
    return () => {
      stream.write = write;
    };
  });
  end = () => {
    end = undefined;
    Atomics.store(state, over, 1);
    Atomics.notify(state, over);
    clearLine(state);
    for (const each of restore) each();
  };
}

/** Ends it: the answer is complete, or a question is asked. */
export function endProgress(): void {
  end?.();
}

/** Takes the line away while the other thread does not write. */
function clearLine(state: Int32Array): void {
  while (Atomics.compareExchange(state, writing, 0, 1) !== 0) Atomics.wait(state, writing, 1, 50);
  if (Atomics.exchange(state, shown, 0) === 1) writeSync(2, "\r\u001b[K");
  Atomics.store(state, writing, 0);
}
