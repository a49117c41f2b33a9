/** What an operation of the engine reports, and how it is stopped. The operations are stand-ins: no engine is needed. */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { report } from "../../lab/start/engine-run";

describe("lab: an operation of the engine", () => {
  it("is stopped by the caller's signal, and leaves no listener there, as many as there are", async () => {
    const interrupted = new AbortController();
    let stopped = 0;
    // as Pulumi's SDK does: it listens and never stops
    const operation = async ({ signal }: { readonly signal: AbortSignal }): Promise<void> => {
      signal.addEventListener("abort", () => (stopped += 1));
    };
    for (let count = 0; count < 20; count += 1) await report(interrupted.signal, operation);
    assert.equal(getEventListeners(interrupted.signal, "abort").length, 0);
    interrupted.abort();
    assert.equal(stopped, 20);
    await assert.rejects(report(interrupted.signal, operation), { name: "AbortError" });
  });

  it("that fails without a word is reported with the error's", async () => {
    const failed = await report(new AbortController().signal, () => Promise.reject(new Error("no such stack")));
    assert.deepEqual(failed, { succeeded: false, blocking: [], changed: 0, output: "no such stack" });
  });
});
