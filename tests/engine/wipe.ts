/** Takes what an operation made out of the cluster, beside the engine: quicker than a destroy, where destroying is not the point. */
import type { ApiClient } from "../../lab/control-plane/index";
import type { Operation } from "./automation";
import { worlds } from "./automation";

/** Deletes every object that stands after `operation`, namespaces last, and waits until those are gone. */
export async function wipe(client: ApiClient, operation: Operation): Promise<void> {
  const objects = [...([...worlds(operation)].at(-1)?.objects.values() ?? [])].map(({ object }) => object);
  const paths = objects.map(({ apiVersion, kind, metadata }) => {
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const home = metadata?.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
    return { kind, path: `${group}${home}/${plural(kind)}/${metadata?.name ?? ""}` };
  });
  const last = paths.filter(({ kind }) => kind === "Namespace");
  for (const some of [paths.filter((one) => !last.includes(one)), last]) {
    const answers = await Promise.all(some.map(({ path }) => client.call("DELETE", path)));
    answers.forEach(({ status, body }, index) => {
      if (status >= 300 && status !== 404) {
        throw new Error(`${some[index]?.path ?? ""}: ${status} ${JSON.stringify(body)}`);
      }
    });
  }
  for (const { path } of last) {
    while ((await client.call("GET", path)).status !== 404) await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function plural(kind: string): string {
  const lower = kind.toLowerCase();
  return lower.endsWith("y") ? `${lower.slice(0, -1)}ies` : `${lower}s`;
}
