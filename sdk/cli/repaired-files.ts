/** Files that are replaced together: all of them, or none. */
import { lstatSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { draftFor, explained, targetOf } from "./draft-file";
import { inputError } from "./errors";
import { repositoryOf, uncommitted } from "./git";
import { holdSignals } from "./rendered-folder";

/** What {@link writeTogether} looks at before it writes. */
export interface WriteOptions {
  /** What was read: a folder among it is the one that nothing is written outside of. */
  readonly sources: readonly string[];
  /** Also where the git tree has changes that are not committed. */
  readonly allowDirty: boolean;
}

/**
 * Writes new texts of files. Every text is on the disk before the first file is replaced; where a replacement fails, those
 * before it are taken back.
 *
 * @param before What the files held when they were read.
 * @throws CliError where one has changed meanwhile, is a link out of its folder, or lies in a git tree with other changes.
 */
export function writeTogether(
  texts: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
  { sources, allowDirty }: WriteOptions,
): void {
  for (const file of texts.keys()) {
    refuseLink(file, sources);
    if (readFileSync(file, "utf8") !== before.get(file))
      throw inputError(`"${shown(file)}" has changed meanwhile: run it again`);
  }
  if (!allowDirty) refuseDirtyTrees([...texts.keys()]);
  const undo: (() => void)[] = [];
  const release = holdSignals();
  try {
    const drafts = [...texts].map(([file, text]) =>
      explained(shown(file), () => {
        const draft = draftFor(targetOf(file), text);
        undo.push(draft.forget);
        return { file, finish: draft.finish };
      }),
    );
    for (const { file, finish } of drafts) {
      explained(shown(file), finish);
      undo.push(() => writeFileSync(file, before.get(file) ?? ""));
    }
  } catch (error) {
    for (const back of undo.reverse()) back();
    throw error;
  } finally {
    release();
  }
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
