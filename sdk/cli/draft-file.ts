/** Text goes into a file beside the one that it replaces: whoever reads that finds the old text or the new, never half. */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
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
  if (status === undefined) return { kind: "regular", place: endOf(file) };
  if (status.isDirectory()) return { kind: "folder", place: file };
  if (!status.isFile()) return { kind: "special", place: file };
  return { kind: "regular", place: realpathSync(file), mode: status.mode & 0o777 };
}

/** Where a link leads whose target is not there yet. A circle of links has no end, and statSync has thrown by then. */
function endOf(file: string): string {
  const status = lstatSync(file, { throwIfNoEntry: false });
  return status?.isSymbolicLink() === true ? endOf(path.resolve(path.dirname(file), readlinkSync(file))) : file;
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
 * What a file of an option leads to.
 *
 * @throws CliError where it is a folder, or cannot be written.
 */
export function refuseUnwritable(file: string, option: string): Target {
  const target = explained(file, () => targetOf(file));
  if (target.kind === "folder") throw inputError(`"${file}" is a folder: name a file for ${option}`);
  explained(file, () => {
    if (target.kind === "regular") accessSync(`${path.dirname(target.place)}${path.sep}`, constants.W_OK);
    if (target.kind === "special" || target.mode !== undefined) accessSync(target.place, constants.W_OK);
  });
  return target;
}

/** @throws CliError where a folder cannot be made or written: one above it is a file, or may not be written. */
export function refuseUnwritableFolder(folder: string): void {
  let nearest = path.resolve(folder);
  while (!existsSync(nearest)) nearest = path.dirname(nearest);
  if (!statSync(nearest).isDirectory()) throw inputError(`"${folder}" is no folder`);
  explained(folder, () => accessSync(nearest, constants.W_OK));
}

/** @throws CliError in place of what the action throws: that the file cannot be written, and why. */
function explained<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw refusal(file, error);
  }
}

/** Says in one sentence why a file cannot be written. @param besides What that means for others */
export function refusal(file: string, error: unknown, besides = ""): Error {
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
  return inputError(`"${file}" cannot be written: ${reason}${besides === "" ? "" : `; ${besides}`}`);
}
