/**
 * After each `up` the Automation API asks for the stack's outputs (twice) and its history: three more processes, which
 * take longer than a small update. The suites read what they need from the engine's events or from the state.
 */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation";

/** The same stack, without the questions that follow an operation: `up` resolves to no outputs and no summary. */
export function withoutQueries(stack: Stack): Stack {
  stack.outputs = () => Promise.resolve({});
  stack.info = () => Promise.resolve(undefined);
  return stack;
}

/** Thrown where the engine's events were cut off: what such a run did cannot be told from them. */
export class EventsCutOffError extends Error {}

/**
 * Watches one operation's events for the last one that the engine sends. The Automation API closes the stream as soon as
 * the process has ended, and under load what was sent before may be delivered after that, or never.
 */
export class EventsEnd {
  private seen = 0;
  private ended = false;

  note(event: EngineEvent): void {
    this.seen += 1;
    if (event.cancelEvent !== undefined || event.summaryEvent !== undefined) this.ended = true;
  }

  /** Resolves when the last event of an operation that went well is there. @throws EventsCutOffError after 3 s. */
  async reached(): Promise<void> {
    for (let waited = 0; !this.ended && waited < 3000; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (!this.ended) throw new EventsCutOffError(`the engine's events were cut off after ${this.seen}`);
  }
}
