/** Why a control plane cannot be started or used. */
export type ControlPlaneErrorCode =
  /** Another one runs on the data folder. */
  | "already-running"
  /** The data folder holds something that is not a lab. */
  | "foreign-folder"
  /** One of its programs ended by itself. */
  | "ended"
  /** It did not become ready in time. */
  | "not-ready"
  /** The handle cannot do that (stopped, or only attached). */
  | "not-possible";

/** Thrown by everything in this folder; the message is meant for the person at the terminal. */
export class ControlPlaneError extends Error {
  readonly exitCode: number = 4;

  constructor(
    readonly code: ControlPlaneErrorCode,
    message: string,
  ) {
    super(message);
    this.name = "ControlPlaneError";
  }
}
