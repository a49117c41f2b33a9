/**
 * Ends the deletion of namespaces where no kube-controller-manager is to be had (an API server from KUBEBUILDER_ASSETS):
 * deletes what a terminating namespace holds, then takes the "kubernetes" finalizer off, as the namespace controller
 * does. Nothing else of the controllers' work is done.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient } from "./api";
import { attachControlPlane, apiClient } from "./index";

interface NamespaceList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly spec?: { readonly finalizers?: readonly string[] };
  }[];
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
}

/** One pass over all namespaces that wait for their end. */
export async function finishNamespaces(client: ApiClient): Promise<void> {
  const list = (await must(client, "GET", "/api/v1/namespaces")) as NamespaceList;
  const waiting = list.items.filter((item) => item.metadata.deletionTimestamp && item.spec?.finalizers?.length);
  if (waiting.length === 0) return;
  const collections = await namespacedCollections(client);
  for (const namespace of waiting) {
    const { name } = namespace.metadata;
    let left = 0;
    for (const collection of collections) left += await clear(client, collection(name));
    // objects with finalizers of their own go when those are done; the next pass looks again
    if (left > 0) continue;
    await client.call("PUT", `/api/v1/namespaces/${name}/finalize`, { ...namespace, spec: { finalizers: [] } });
  }
}

/** Deletes what a collection holds; how much of it is still there. */
async function clear(client: ApiClient, collection: string): Promise<number> {
  const { items } = (await must(client, "GET", `${collection}?limit=500`)) as { items: unknown[] };
  if (items.length === 0) return 0;
  await client.call("DELETE", collection, { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background" });
  const after = (await must(client, "GET", `${collection}?limit=1`)) as { items: unknown[] };
  return after.items.length;
}

/** Every namespaced collection that can be listed and emptied, as a path for a namespace. */
async function namespacedCollections(client: ApiClient): Promise<((namespace: string) => string)[]> {
  const groups = (await must(client, "GET", "/apis")) as {
    groups: { preferredVersion: { groupVersion: string } }[];
  };
  const bases = ["/api/v1", ...groups.groups.map((group) => `/apis/${group.preferredVersion.groupVersion}`)];
  const lists = await Promise.all(
    bases.map(async (base) => ({ base, list: (await must(client, "GET", base)) as ResourceList })),
  );
  return lists.flatMap(({ base, list }) =>
    list.resources
      .filter(
        (resource) => resource.namespaced && ["list", "deletecollection"].every((v) => resource.verbs.includes(v)),
      )
      .map((resource) => (namespace: string) => `${base}/namespaces/${namespace}/${resource.name}`),
  );
}

async function must(client: ApiClient, method: string, path: string): Promise<unknown> {
  const { status, body } = await client.call(method, path);
  if (status >= 300) throw new Error(`${method} ${path} answered ${status}`);
  return body;
}

async function main(): Promise<void> {
  const client = apiClient(attachControlPlane(process.argv[2] ?? ""));
  for (;;) {
    // the API server may be away for a while; what failed is tried again
    await finishNamespaces(client).catch((error: unknown) => console.error(error));
    await sleep(500);
  }
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}
