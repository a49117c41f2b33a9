/** What Flux says of its Kustomizations: read for the checklist only, since no verdict depends on it. */
import type { KubeObject } from "../reachability";
import type { ApiClient } from "./api-client";
import { ApiError } from "./errors";
import { gitopsKinds } from "./gitops-kinds";
import { listAll } from "./list-all";

const { group, version, plural } = gitopsKinds.kustomization;

/** Flux's Kustomizations; none where it is not installed. @returns undefined where the role may not list them. */
export async function readKustomizations(client: ApiClient): Promise<readonly KubeObject[] | undefined> {
  try {
    const items = await listAll(client, `/apis/${group}/${version}/${plural}`, 500);
    return items.map((item) => ({ ...item, apiVersion: `${group}/${version}`, kind: "Kustomization" }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return [];
    if (error.status === 403) return undefined;
    throw error;
  }
}
