/** What a report says of its inputs: their names and checksums, and the API versions of the objects in them. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { SourcedObject } from "../reachability";
import type { Finding } from "../findings";

/** One input of a report. */
export interface InputDigest {
  readonly name: string;
  /** Of the file's bytes; of what is no file (standard input, a cluster, rendered text) of the objects as they were read. */
  readonly sha256: string;
}

/** The files and clusters that objects came from, by name, each with its checksum. */
export function inputsOf(objects: readonly SourcedObject[]): InputDigest[] {
  const byName = new Map<string, SourcedObject[]>();
  for (const each of objects) {
    const { file, cluster } = each.source ?? {};
    const name = file ?? (cluster === undefined ? "standard input" : `cluster ${cluster}`);
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [each]);
    else known.push(each);
  }
  return [...byName]
    .map(([name, read]) => ({ name, sha256: fileDigest(name) ?? sha256(objectsText(read)) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** sha256 of a file, in hex; undefined where there is no such file. */
export function fileDigest(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? sha256(readFileSync(file)) : undefined;
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The order in which a cluster lists its objects is no part of them. */
function objectsText(read: readonly SourcedObject[]): string {
  return read
    .map(({ object }) => JSON.stringify(object))
    .sort()
    .join("\n");
}

/** The API version of a finding's subject, where such an object was read. */
export function apiVersionsIn(objects: readonly SourcedObject[]): (subject: Finding["subject"]) => string | undefined {
  const keyOf = (kind: string, namespace: string | undefined, name: string): string =>
    JSON.stringify([kind, namespace ?? "", name]);
  const versions = new Map(
    objects.map(({ object: { apiVersion, kind, metadata } }) => [
      keyOf(kind, metadata?.namespace, metadata?.name ?? ""),
      apiVersion,
    ]),
  );
  return ({ kind, namespace, name }) =>
    versions.get(keyOf(kind, namespace, name)) ?? (kind === "Namespace" ? "v1" : undefined);
}
