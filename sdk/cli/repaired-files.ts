/** Files that are replaced together: all of them, or none. */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import * as path from "node:path";
import { inputError } from "./errors";
import { changeTogether } from "./files-together";
import { repositoryOf, uncommitted } from "./git";

/** What {@link writeTogether} looks at before it writes. */
export interface WriteOptions {
  /** What was read: a folder among it is the one that nothing is written outside of. */
  readonly sources: readonly string[];
  /** Also where the git tree has changes that are not committed. */
  readonly allowDirty: boolean;
}

/**
 * Writes new texts of files, all of them or none.
 *
 * @param before What the files held when they were read.
 * @throws CliError where one has changed meanwhile, is a link out of its folder, or lies in a git tree with other changes.
 */
export async function writeTogether(
  texts: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
  { sources, allowDirty }: WriteOptions,
): Promise<void> {
  for (const file of texts.keys()) {
    refuseLink(file, sources);
    if (readFileSync(file, "utf8") !== before.get(file))
      throw inputError(`"${shown(file)}" has changed meanwhile: run it again`);
  }
  if (!allowDirty) refuseDirtyTrees([...texts.keys()]);
  const changes = [...texts].map(([file, text]) => ({ file: shown(file), text }));
  await changeTogether(changes, { followLinks: true });
}

function refuseLink(file: string, sources: readonly string[]): void {
  const folder = sources
    .map((source) => path.resolve(source))
    .filter((source) => statSync(source, { throwIfNoEntry: false })?.isDirectory() === true && isBelow(file, source))
    .sort((a, b) => b.length - a.length)[0];
  const isLink = lstatSync(file).isSymbolicLink();
  if (folder === undefined ? !isLink : isBelow(realpathSync(file), realpathSync(folder))) return;
  throw inputError(
    `"${shown(file)}" is a link that leads to "${realpathSync(file)}": name that file itself to have it repaired; nothing was written`,
  );
}

function isBelow(file: string, folder: string): boolean {
  const relative = path.relative(folder, path.resolve(file));
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}

function refuseDirtyTrees(files: readonly string[]): void {
  const repositories = new Set(files.flatMap((file) => repositoryOf(path.dirname(file)) ?? []));
  for (const repository of repositories) {
    const changed = uncommitted(repository);
    if (changed.length === 0) continue;
    const names = [...changed].sort().slice(0, 5).join(", ");
    const more = changed.length > 5 ? ` and ${changed.length - 5} more` : "";
    throw inputError(
      `the git tree has changes that are not committed (${names}${more}): commit or discard them, so that the repairs can be told from them, or go on with --allow-dirty; nothing was written`,
    );
  }
}

function shown(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") ? file : relative;
}
