/** Puts objects into a cluster and takes them out. */
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../reachability";
import { groupOf } from "../reachability";
import { ApiClient, change, type Connection } from "./api-client";
import { ApiError, ClusterError } from "./errors";
import { kindsToRead } from "./kinds";

/** Who owns fields of objects that nobody applied before. */
const fieldManager = "cluster-security";

/**
 * Makes a live object what is given: server-side apply, and where somebody added sections or fields that are not in it, a
 * replacement of everything but the metadata. The tool that applied the object before (Pulumi, Flux, Argo CD) owns its fields
 * afterwards as it did, so its next run meets no conflict.
 *
 * @throws ApiError where the server refuses it.
 */
export async function applyObject(connection: Connection, object: KubeObject): Promise<void> {
  const place = pathOf(object);
  const standing = await readOptional(connection, place);
  const query = new URLSearchParams({ fieldManager: managerOf(standing), force: "true" });
  const applied = (await change(connection, "APPLY", `${place}?${query.toString()}`, object)) as KubeObject;
  if (standing === undefined || isDeepStrictEqual(sectionsOf(applied), sectionsOf(object))) return;
  await change(connection, "PUT", `${place}?fieldManager=${fieldManager}`, { ...object, metadata: applied.metadata });
}

/** Deletes an object; one that is gone already is no error. @throws ApiError */
export async function deleteObject(connection: Connection, object: KubeObject): Promise<void> {
  try {
    await change(connection, "DELETE", pathOf(object), { propagationPolicy: "Background" });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

async function readOptional(connection: Connection, place: string): Promise<KubeObject | undefined> {
  try {
    return (await new ApiClient(connection).get(place)) as KubeObject;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Who applied the object, if one manager did. */
function managerOf(object: KubeObject | undefined): string {
  const entries = (object?.metadata as { managedFields?: readonly ManagedFields[] } | undefined)?.managedFields ?? [];
  const names = entries
    .filter(({ operation, subresource }) => operation === "Apply" && !subresource)
    .map(({ manager }) => manager);
  const [name, ...others] = names;
  return name !== undefined && others.length === 0 ? name : fieldManager;
}

interface ManagedFields {
  readonly manager: string;
  readonly operation: string;
  readonly subresource?: string;
}

function sectionsOf(object: KubeObject): unknown {
  const {
    apiVersion: _apiVersion,
    kind: _kind,
    metadata: _metadata,
    status: _status,
    ...sections
  } = object as KubeObject & {
    status?: unknown;
  };
  return sections;
}

function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const group = groupOf(apiVersion);
  const known = kindsToRead.find((one) => one.kind === kind && one.group === group);
  if (known === undefined || metadata?.name === undefined) {
    throw new ClusterError(`${kind} of ${apiVersion} is no kind that this command changes`);
  }
  const base = group === "" ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const home = metadata.namespace === undefined ? "" : `/namespaces/${encodeURIComponent(metadata.namespace)}`;
  return `${base}${home}/${known.plural}/${encodeURIComponent(metadata.name)}`;
}
