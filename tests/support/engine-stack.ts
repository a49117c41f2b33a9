/**
 * After each `up` the Automation API asks for the stack's outputs (twice) and its history: three more processes, which
 * take longer than a small update. The suites read what they need from the engine's events or from the state.
 */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation";
import * as settings from "@pulumi/pulumi/runtime/settings";

/**
 * Each run's engine listens on a port of its own, and a client that a run left behind holds its connection in a pool of
 * the process, with a pause after it failed. A later engine on the same port would be "unavailable" for that long, which
 * the SDK takes for a shutdown: the run would register nothing and succeed. So each client has a pool of its own.
 */
const { grpcChannelOptions, grpcClientOptions } = settings as unknown as Record<string, Record<string, unknown>>;
for (const options of [grpcChannelOptions, grpcClientOptions]) {
  if (options === undefined) throw new Error("the Pulumi SDK's gRPC options are not where they were");
  options["grpc.use_local_subchannel_pool"] = 1;
}

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
  private stack = false;

  note(event: EngineEvent): void {
    this.seen += 1;
    const metadata = event.resourcePreEvent?.metadata ?? event.resOutputsEvent?.metadata;
    if (metadata?.type === "pulumi:pulumi:Stack") this.stack = true;
    if (event.cancelEvent !== undefined || event.summaryEvent !== undefined) this.ended = true;
  }

  /**
   * Resolves when the last event of an operation that went well is there.
   *
   * @param ofProgram The operation ran a program, whose stack the engine must have seen.
   * @throws EventsCutOffError after a minute, or where the program never reached the engine.
   */
  async reached(ofProgram: boolean): Promise<void> {
    for (let waited = 0; !this.ended && waited < 60_000; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (!this.ended) throw new EventsCutOffError(`the engine's events were cut off after ${this.seen}`);
    if (ofProgram && !this.stack) throw new EventsCutOffError("the engine saw nothing of the program that it ran");
  }
}
