/** Text goes into a file beside the one that it replaces: whoever reads that finds the old text or the new, never half. */
import { chmodSync, closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { inputError } from "./errors";

/** What is written to. */
export interface Target {
  readonly kind: "regular" | "special" | "folder";
  /** Where the file really is, behind links. */
  readonly place: string;
  /** The permissions that the file has, and keeps; absent where there is none yet. */
  readonly mode?: number;
}

/** What a path leads to. `special` is what is written directly: `/dev/null`, a pipe. */
export function targetOf(file: string): Target {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) return { kind: "regular", place: file };
  if (status.isDirectory()) return { kind: "folder", place: file };
  if (!status.isFile()) return { kind: "special", place: file };
  return { kind: "regular", place: realpathSync(file), mode: status.mode & 0o777 };
}

/** A file beside its target. */
export interface Draft {
  readonly place: string;
  /** Takes the target's place. */
  finish(): void;
  /** Removes it, unless it took the target's place. */
  forget(): void;
}

/** Makes a draft. It gets the permissions of its target at the end, and nobody else's before. */
export function draftFor({ place, mode }: Pick<Target, "place" | "mode">, text = ""): Draft {
  const draft = path.join(path.dirname(place), `.${path.basename(place)}.${process.pid}.part`);
  const forget = (): void => rmSync(draft, { force: true });
  const descriptor = openSync(draft, "wx", mode === undefined ? 0o666 : 0o600);
  try {
    writeFileSync(descriptor, text);
  } catch (error) {
    forget();
    throw error;
  } finally {
    closeSync(descriptor);
  }
  return {
    place: draft,
    finish() {
      if (mode !== undefined) chmodSync(draft, mode);
      renameSync(draft, place);
    },
    forget,
  };
}

/**
 * Replaces a file's text as a whole. A link keeps pointing where it points, and a file keeps its permissions.
 *
 * @throws CliError where the file cannot be written; it is as it was then.
 */
export function replaceFile(file: string, text: string): void {
  explained(file, () => {
    const target = targetOf(file);
    if (target.kind === "special") return writeFileSync(file, text);
    const draft = draftFor(target, text);
    try {
      draft.finish();
    } catch (error) {
      draft.forget();
      throw error;
    }
  });
}

/** @throws CliError in place of what the action throws: that the file cannot be written, and why. */
export function explained<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw refusal(file, error);
  }
}

/** Says in one sentence why a file cannot be written. */
export function refusal(file: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such folder",
    ENOTDIR: "there is no such folder",
    EEXIST: "it is a file",
    EISDIR: "it is a folder",
    EACCES: "you may not write there",
    EPERM: "you may not write there",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
  };
  const reason = reasons[code ?? ""] ?? (error instanceof Error ? error.message : String(error));
  return inputError(`"${file}" cannot be written: ${reason}`);
}
