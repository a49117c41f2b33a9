/** What the exit code of `cluster-security` says. Shown by `--help`; scripts may rely on them. */
export const exitCodes = {
  /** The question was answered. `query`: allowed. `equivalent`: yes. `check` and `--fail-on`: nothing of that kind. */
  ok: 0,
  /** The answer is no. `query`: denied. `equivalent`: no. `check` and `--fail-on`: there is such a thing. */
  no: 1,
  /** The command line was not understood. Nothing was read. */
  usage: 2,
  /** Answered, but something in the input was not understood, or the verdict is "unknown". */
  incomplete: 3,
  /** A source could not be read (as a whole), so no answer was given. */
  input: 4,
  /** A defect in `cluster-security` itself. */
  internal: 70,
  /** A signal ended it, by its number as shells count: SIGHUP, SIGINT (Ctrl-C), SIGTERM. What was done is said on stderr. */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The paragraph on exit codes at the end of the help texts: what 0 and 1 say, and what the others say everywhere. */
export function exitCodesHelp(yes: string, no?: string): string {
  const denied = no === undefined ? "" : `\n  1   ${no}`;
  return `Exit codes:
  0   ${yes}${denied}
  2   the command line was not understood; nothing was read
  3   answered, but something in the input was not understood, or the answer is unknown
      (each is printed on stderr with file and line; --allow-problems goes on in spite of it)
  4   a source could not be read, so there is no answer; or the file of --output not written
  130 a signal ended it (Ctrl-C; SIGTERM: 143): stderr says what was done, and no file is half written`;
}
