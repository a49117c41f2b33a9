/** A folder that holds a rendering and nothing else: read before it is written, and written as a whole. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, rmdirSync } from "node:fs";
import * as path from "node:path";
import { readYaml } from "../reachability";
import type { EarlierRendering, RenderedFile, RenderRecord } from "../render";
import { readRecord, recordFile, writeRecord } from "../render";
import { inputError, usageError } from "./errors";
import { changeTogether, type FileChange } from "./files-together";
import { repositoryOf, uncommitted } from "./git";

/** A folder as it was found. */
export interface RenderedFolder {
  /** Its path. */
  readonly place: string;
  /** Texts of the files in it, by their paths below it. */
  readonly texts: ReadonlyMap<string, string>;
  /** The rendering in it, if there is one. */
  readonly earlier?: EarlierRendering;
}

/**
 * Reads the folder that a rendering goes into.
 *
 * @param out The folder that the user named; nothing outside of it is ever written.
 * @param below The path of the rendering below it.
 * @throws CliError where it holds files of others, files that somebody edited, or a link.
 */
export function openFolder(out: string, below: string): RenderedFolder {
  const parts = below.split("/").filter((part) => part !== "" && part !== ".");
  if (path.isAbsolute(below) || parts.includes("..")) {
    throw usageError(`the path "${below}" leads out of the folder: name one below it`);
  }
  const place = path.join(out, ...parts);
  refuseLinks(out, parts);
  const texts = existsSync(place) ? textsBelow(place) : new Map<string, string>();
  if (texts.size === 0) return { place, texts };
  const text = texts.get(recordFile);
  const record = text === undefined ? undefined : readRecord(text);
  if (record === undefined) {
    const why = text === undefined ? "files that were not rendered" : `a ${recordFile} that cannot be read`;
    throw inputError(`"${place}" holds ${why} (${some([...texts.keys()])}): render into an empty folder`);
  }
  refuseStrangers(place, texts, record);
  return { place, texts, earlier: { record, objects: objectsIn(texts, record) } };
}

/**
 * Refuses where committing the rendering would commit other changes with it.
 *
 * @param besides Files that may have changed: the declaration.
 * @throws CliError
 */
export function refuseDirtyTree({ place, texts }: RenderedFolder, besides: readonly string[]): void {
  let nearest = path.resolve(place);
  while (!existsSync(nearest)) nearest = path.dirname(nearest);
  const repository = repositoryOf(nearest);
  if (repository === undefined) return;
  const real = (file: string): string => (existsSync(file) ? realpathSync(file) : path.resolve(file));
  const own = new Set([...[...texts.keys()].map((file) => real(path.join(place, file))), ...besides.map(real)]);
  const others = uncommitted(repository).filter((file) => !own.has(real(path.join(repository, file))));
  if (others.length === 0) return;
  throw inputError(
    `the git tree has other changes that are not committed (${some(others)}): commit or discard them, so that one commit holds the rendering alone, or go on with --allow-dirty`,
  );
}

/** What writing a rendering changes, by paths below the folder. */
export interface FolderChanges {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
}

/** The files that are to be there, the record among them; none for a rendering that is removed. */
export function filesWithRecord(
  files: readonly RenderedFile[],
  record: Omit<RenderRecord, "files">,
): ReadonlyMap<string, string> {
  if (files.length === 0) return new Map();
  const hashes = new Map(files.map(({ file, text }) => [file, hashOf(text)]));
  const all = files.map(({ file, text }): [string, string] => [file, text]);
  return new Map([...all, [recordFile, writeRecord({ ...record, files: hashes })]]);
}

/** What differs between a folder and what it is to hold. */
export function changesOf({ texts }: RenderedFolder, wanted: ReadonlyMap<string, string>): FolderChanges {
  const written = [...wanted].filter(([file, text]) => texts.get(file) !== text).map(([file]) => file);
  const removed = [...texts.keys()].filter((file) => !wanted.has(file));
  return { written, removed, unchanged: wanted.size - written.length };
}

/**
 * Writes what differs, all of it or nothing.
 *
 * @throws CliError where something cannot be written; the folder is as it was then.
 */
export async function writeFolder(folder: RenderedFolder, wanted: ReadonlyMap<string, string>): Promise<FolderChanges> {
  const changes = changesOf(folder, wanted);
  const at = (file: string): string => path.join(folder.place, file);
  const files: readonly FileChange[] = [
    ...changes.written.map((file) => ({ file: at(file), text: wanted.get(file) })),
    ...changes.removed.map((file) => ({ file: at(file), text: undefined })),
  ];
  // the places themselves, wherever a link may have come from since the folder was read
  if (files.length > 0) await changeTogether(files, { followLinks: false });
  for (const file of changes.removed) removeEmptyFolders(folder.place, path.dirname(file));
  return changes;
}

/** Components of the path that are there already are folders, and no links. */
function refuseLinks(out: string, parts: readonly string[]): void {
  if (existsSync(out) && !lstatSync(realpathSync(out)).isDirectory()) throw inputError(`"${out}" is no folder`);
  let place = out;
  for (const part of parts) {
    place = path.join(place, part);
    const status = lstatSync(place, { throwIfNoEntry: false });
    if (status?.isSymbolicLink() === true) throw linkRefused(place);
    if (status !== undefined && !status.isDirectory()) throw inputError(`"${place}" is no folder`);
  }
}

function linkRefused(place: string): Error {
  return inputError(`"${place}" is a link, which may lead out of the folder: replace it, or render elsewhere`);
}

function textsBelow(place: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const walk = (below: string): void => {
    for (const entry of readdirSync(path.join(place, below), { withFileTypes: true })) {
      const file = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isSymbolicLink()) throw linkRefused(path.join(place, file));
      if (entry.isDirectory() && entry.name !== ".git") walk(file);
      else texts.set(file, entry.isFile() ? readFileSync(path.join(place, file), "utf8") : "");
    }
  };
  walk("");
  return texts;
}

function refuseStrangers(place: string, texts: ReadonlyMap<string, string>, { files }: RenderRecord): void {
  const foreign = [...texts.keys()].filter((file) => file !== recordFile && !files.has(file));
  const drafts = foreign.filter((file) => /(^|\/)\.[^/]+\.\d+\.part$/.test(file));
  if (drafts.length > 0 && drafts.length === foreign.length) {
    throw inputError(`"${place}" holds drafts of a run that was killed (${some(drafts)}): delete them`);
  }
  if (foreign.length > 0) {
    throw inputError(`"${place}" holds files that were not rendered (${some(foreign)}): move them elsewhere`);
  }
  const isAsWritten = (text: string | undefined, hash: string): boolean => text !== undefined && hashOf(text) === hash;
  const edited = [...files].filter(([file, hash]) => !isAsWritten(texts.get(file), hash)).map(([file]) => file);
  if (edited.length > 0) {
    throw inputError(
      `files below "${place}" were edited or deleted since they were rendered (${some(edited)}): put the change into the declaration, and restore the files`,
    );
  }
}

/** The objects of the files; a kustomization, which has no name, is none. */
function objectsIn(texts: ReadonlyMap<string, string>, { files }: RenderRecord): EarlierRendering["objects"] {
  return [...files.keys()]
    .filter((file) => file.endsWith(".yaml"))
    .flatMap((file) => readYaml(texts.get(file) ?? "", file).objects)
    .flatMap(({ object }) => (isPlanned(object) ? [object] : []));
}

function isPlanned(object: unknown): object is EarlierRendering["objects"][number] {
  const { apiVersion, kind, metadata } = object as {
    apiVersion?: unknown;
    kind?: unknown;
    metadata?: { name?: unknown };
  };
  return typeof apiVersion === "string" && typeof kind === "string" && typeof metadata?.name === "string";
}

function hashOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function removeEmptyFolders(place: string, below: string): void {
  for (let folder = below; folder !== "."; folder = path.dirname(folder)) {
    const full = path.join(place, folder);
    if (!existsSync(full)) continue;
    if (readdirSync(full).length > 0) return;
    rmdirSync(full);
  }
}

function some(names: readonly string[]): string {
  const shown = [...names].sort().slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
