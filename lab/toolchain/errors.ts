/** Why a tool cannot be had. `no-way` lists the ways there are; the others name what was refused. */
export type ToolchainErrorCode =
  /** Not found, not downloadable, not buildable here. */
  | "no-way"
  /** What was downloaded is not what its publisher's checksum says. */
  | "checksum-mismatch"
  /** The Go build ran and failed. */
  | "build-failed"
  /** The tool was found or made, but cannot tell its version. */
  | "unusable"
  /** Work was stopped (signal, lost lock). */
  | "interrupted";

/** Thrown where a tool cannot be provided. The message is meant for the person at the terminal. */
export class ToolchainError extends Error {
  /** Exit code of a program that ends because of this. */
  readonly exitCode: number = 3;

  constructor(
    readonly code: ToolchainErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = "ToolchainError";
  }
}
