/** What the exit code of `cluster-security` says. Shown by `--help`; scripts may rely on them. */
export const exitCodes = {
  /** The question was answered. `query`: allowed. `diff --fail-on`: nothing of that kind. */
  ok: 0,
  /** The answer is no. `query`: denied. `diff --fail-on`: there is such a change. */
  no: 1,
  /** The command line was not understood. Nothing was read. */
  usage: 2,
  /** Answered, but something in the input was not understood, or the verdict is "unknown". */
  incomplete: 3,
  /** A source could not be read (as a whole), so no answer was given. */
  input: 4,
  /** A defect in `cluster-security` itself. */
  internal: 70,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The paragraph on exit codes at the end of the help texts. */
export const exitCodesHelp = `Exit codes:
  0   answered (query: allowed)
  1   the answer is no (query: denied; diff --fail-on: there is such a change)
  2   the command line was not understood; nothing was read
  3   answered, but something in the input was not understood, or the verdict is unknown
      (each is printed on stderr with file and line; --allow-problems makes this 0)
  4   a source could not be read, so there is no answer`;
