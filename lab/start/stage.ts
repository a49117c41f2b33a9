import pc from "picocolors";
import { elapsed } from "../toolchain/progress";

/** How long each stage of a run took, for the summary at its end. */
export class Stages {
  private readonly taken: { readonly title: string; readonly milliseconds: number }[] = [];

  /** Runs one stage under its headline and notes its time, whether it succeeds or not. */
  async run<T>(title: string, work: () => Promise<T>): Promise<T> {
    console.log(`\n${pc.bold(`▶ ${title}`)}`);
    const begun = Date.now();
    try {
      return await work();
    } finally {
      this.taken.push({ title, milliseconds: Date.now() - begun });
    }
  }

  /** One line a stage, and the sum. */
  summary(): string {
    const total = this.taken.reduce((sum, stage) => sum + stage.milliseconds, 0);
    const lines = this.taken.map(({ title, milliseconds }) => `  ${elapsed(milliseconds).padStart(6)}  ${title}`);
    return [...lines, `  ${elapsed(total).padStart(6)}  in all`].join("\n");
  }
}

/** Thrown where a stage did not end as the story needs it; the message is for the person at the terminal. */
export class StoryError extends Error {
  constructor(
    message: string,
    /** What the engine printed, where that helps. */
    readonly details?: string,
  ) {
    super(message);
    this.name = "StoryError";
  }
}
