/** Files that change together: all of them, or none, and no signal comes between two of them. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { draftFor, refusal, targetOf } from "./draft-file";
import { unbroken } from "./interruption";

/** What becomes of a file. Without a text it is removed. */
export interface FileChange {
  readonly file: string;
  readonly text: string | undefined;
}

/**
 * Changes files, and makes the folders that they need. Every new text is on the disk before the first file changes; where one
 * of the changes fails after all, those made before it are taken back.
 *
 * @param followLinks A link is written through. Otherwise it is replaced: nothing is written outside of a folder.
 * @throws CliError where one cannot be changed: all are as they were; and where a signal has come: all are changed.
 */
export function changeTogether(
  changes: readonly FileChange[],
  { followLinks }: { readonly followLinks: boolean },
): Promise<void> {
  const files = changes.length === 1 ? `"${changes[0]?.file}"` : `all ${changes.length} files`;
  return unbroken(() => new Together(followLinks).change(changes), `${files} had been written by then`);
}

class Together {
  private readonly undo: (() => void)[] = [];
  private readonly folders = new Set<string>();
  private at = "";

  constructor(private readonly followLinks: boolean) {}

  change(changes: readonly FileChange[]): void {
    try {
      const finishes = changes.map(({ file, text }) => {
        this.at = file;
        return { file, finish: text === undefined ? () => rmSync(file) : this.draft(file, text) };
      });
      for (const { file, finish } of finishes) {
        this.at = file;
        this.replace(file, finish);
      }
    } catch (error) {
      for (const back of this.undo.reverse()) attempt(back);
      throw refusal(this.at, error, "nothing was changed");
    }
  }

  /** @returns what makes it the file */
  private draft(file: string, text: string): () => void {
    this.makeFolder(path.dirname(file));
    const target = targetOf(file);
    if (target.kind === "special") return () => writeFileSync(file, text);
    const draft = draftFor(this.followLinks ? target : { ...target, place: file }, text);
    this.undo.push(draft.forget);
    return draft.finish;
  }

  private makeFolder(folder: string): void {
    if (this.folders.has(folder)) return;
    this.folders.add(folder);
    const made = mkdirSync(folder, { recursive: true });
    if (made !== undefined) this.undo.push(() => rmSync(made, { recursive: true }));
  }

  private replace(file: string, finish: () => void): void {
    const was = existsSync(file) && targetOf(file).kind === "regular" ? readFileSync(file) : undefined;
    finish();
    this.undo.push(() => (was === undefined ? rmSync(file) : writeFileSync(file, was)));
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // what cannot be taken back is beside what failed already
  }
}
