/** Why there is no datapath. */
export type DatapathErrorCode =
  /** This machine cannot run one: not Linux, not root, a program that cannot be had. */
  | "not-here"
  /** One runs on this machine already; there is room for one. */
  | "already-running"
  /** None runs. */
  | "not-running"
  /** A part of it ended or did not become ready. */
  | "failed"
  /** A policy was stored but is not enforced. */
  | "not-enforced";

/** Thrown where the datapath cannot do what it is asked for. The message is meant for the person at the terminal. */
export class DatapathError extends Error {
  /** Exit code of a program that ends because of this. */
  readonly exitCode: number = 3;

  constructor(
    readonly code: DatapathErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = "DatapathError";
  }
}
