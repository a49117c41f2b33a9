/** A process that the supervisor runs. */
export interface Command {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** File that gets its output. */
  readonly log: string;
  /** Start it again when it ends by itself (controllers end when they lose the API server at the wrong moment). */
  readonly restart?: boolean;
  /** Milliseconds between the polite request to end and the kill. Default 3000. */
  readonly grace?: number;
}

/** What the owner asks of the supervisor. */
export type Request = { readonly id: number } & (
  | { readonly do: "start"; readonly command: Command }
  /** Ends it, or kills it at once, as what crashes ends. */
  | { readonly do: "stop"; readonly name: string; readonly kill?: boolean }
  /** Outlive the owner. */
  | { readonly do: "stay" }
  | { readonly do: "end" }
);

/** What the supervisor tells the owner. */
export type Reply =
  | { readonly id: number; readonly error?: string }
  | { readonly event: "supervising" }
  /** A process ended that nobody asked to end; all others follow. */
  | { readonly event: "ended"; readonly name: string; readonly how: string };
