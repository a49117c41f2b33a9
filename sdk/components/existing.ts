import type { VersionSupport } from "../charts/index";
import { ChartValuesError, readVersion, versionProblems, versionWarnings } from "../charts/index";

/** What is known about an installation that the stack adopts. */
export interface ExistingInstallation {
  /** As it was declared, or `unknown`. */
  readonly version: string;
  readonly warnings: readonly string[];
}

/**
 * Adopts what is there already. An option that would silently do nothing is refused, and so is a version that is too old
 * to enforce what is declared.
 *
 * @param meaningful Arguments that say something about an existing installation.
 * @throws ChartValuesError
 */
export function adopt(
  support: VersionSupport,
  args: { readonly version?: string | undefined },
  meaningful: readonly string[],
): ExistingInstallation {
  const version = args.version === undefined ? undefined : readVersion(support, args.version);
  const allowed = new Set(["existing", "version", "kind", ...meaningful]);
  const ignored = Object.entries(args).filter(([key, value]) => value !== undefined && !allowed.has(key));
  const problems = [
    ...(version === undefined ? [] : versionProblems(support, version)),
    ...ignored.map(([key]) => ({
      path: [key],
      message: `has no effect with existing: true. Remove it, or let the stack install ${support.product}.`,
    })),
  ];
  if (problems.length > 0) throw new ChartValuesError(`${support.product} ${args.version ?? ""}`.trim(), problems);
  return {
    version: version ?? "unknown",
    warnings: version === undefined ? [] : versionWarnings(support, version),
  };
}
