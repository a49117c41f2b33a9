import pc from "picocolors";

/** One piece of work that takes a while. */
export interface Step {
  /** What it is at now, a few words. */
  update(detail: string): void;
  /** It is done; the line stays. */
  done(detail?: string): void;
  /** It failed or was given up; the line stays. */
  fail(detail?: string): void;
}

/** Tells the person at the terminal what takes so long. */
export interface Progress {
  step(label: string): Step;
  /** A line of its own. */
  note(text: string): void;
}

/** Says nothing. */
export const silentProgress: Progress = {
  step: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
  note: () => undefined,
};

/** Seconds as "7s", "1m05s". */
export function elapsed(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds}s`;
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
}

/**
 * Progress on a stream (standard error by default, so that output stays clean): one line that renews itself on a
 * terminal; elsewhere plain lines, the running step again every 30 seconds.
 */
export function streamProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const live = stream.isTTY && process.env.TERM !== "dumb";
  const colors = pc.createColors(live && pc.isColorSupported);

  function liveStep(label: string): Step {
    const start = Date.now();
    let detail = "";
    const draw = (): void => {
      const text = `${label}  ${elapsed(Date.now() - start)}${detail ? `  ${detail}` : ""}`;
      stream.write(`\r\x1b[2K${text.slice(0, Math.max(20, (stream.columns || 80) - 1))}`);
    };
    const timer = setInterval(draw, 250);
    timer.unref();
    draw();
    const end = (mark: string, last?: string): void => {
      clearInterval(timer);
      stream.write(`\r\x1b[2K${mark} ${label}  ${elapsed(Date.now() - start)}${last ? `  ${last}` : ""}\n`);
    };
    return {
      update: (text) => {
        detail = text;
      },
      done: (last) => end(colors.green("✔"), last),
      fail: (last) => end(colors.red("✘"), last),
    };
  }

  function plainStep(label: string): Step {
    const start = Date.now();
    let detail = "";
    stream.write(`${label} …\n`);
    const timer = setInterval(() => {
      stream.write(`${label} … ${elapsed(Date.now() - start)}${detail ? ` (${detail})` : ""}\n`);
    }, 30_000);
    timer.unref();
    const end = (mark: string, last?: string): void => {
      clearInterval(timer);
      stream.write(`${mark} ${label} ${elapsed(Date.now() - start)}${last ? ` (${last})` : ""}\n`);
    };
    return {
      update: (text) => {
        detail = text;
      },
      done: (last) => end("✔", last),
      fail: (last) => end("✘", last),
    };
  }

  return { step: live ? liveStep : plainStep, note: (text) => void stream.write(`${text}\n`) };
}
