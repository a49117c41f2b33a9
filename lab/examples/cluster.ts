/** What a cluster has before an example comes: the namespaces that its declaration calls existing. */
import type { ApiClient } from "../control-plane/index";

const collection = "/api/v1/namespaces";

/** Makes the namespaces that are not there. @throws Error where the API server refuses one */
export async function makeNamespaces(client: ApiClient, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { status, body } = await client.call("POST", collection, {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
    const isThere = status === 409;
    if (status !== 201 && !isThere) throw new Error(`namespace ${name}: ${status} ${JSON.stringify(body)}`);
  }
}

/** Deletes namespaces, with everything in them, and waits until they are gone. */
export async function removeNamespaces(client: ApiClient, names: readonly string[]): Promise<void> {
  for (const name of names) await client.call("DELETE", `${collection}/${name}`);
  for (const name of names) {
    while ((await client.call("GET", `${collection}/${name}`)).status !== 404) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
