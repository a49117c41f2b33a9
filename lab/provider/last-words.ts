/**
 * What the pods of a Job that failed have said last: their termination messages (Pod v1), as @pulumi/kubernetes shows them
 * beside the Job's own reason.
 */
import type { Cluster } from "./cluster";
import { metadataOf, nameOf, namespaceOf, type KubeObject } from "./objects";
import { isPlainMap, type Plain, type PlainMap } from "./properties";

/** A line for each pod that ended badly. Nothing where the pods cannot be read: the Job's failure stands without them. */
export async function lastWords(cluster: Cluster, object: KubeObject, signal: AbortSignal): Promise<string[]> {
  if (object.apiVersion !== "batch/v1" || object.kind !== "Job") return [];
  const path = `/api/v1/namespaces/${namespaceOf(object) || "default"}/pods`;
  const query = { labelSelector: `batch.kubernetes.io/job-name=${nameOf(object)}` };
  try {
    const { body } = await cluster.request("GET", path, { query, signal });
    return list((body as PlainMap)["items"]).flatMap(wordsOf);
  } catch {
    return [];
  }
}

function wordsOf(pod: PlainMap): string[] {
  const { name, namespace } = metadataOf(pod);
  const statuses = list(isPlainMap(pod["status"]) ? pod["status"]["containerStatuses"] : undefined);
  return statuses.flatMap((container) => {
    const terminated = isPlainMap(container["state"]) ? container["state"]["terminated"] : undefined;
    if (!isPlainMap(terminated) || terminated["exitCode"] === 0) return [];
    const said =
      terminated["message"] ?? `container ${String(container["name"])} ended with ${String(terminated["exitCode"])}`;
    return [`[Pod ${String(namespace)}/${String(name)}]: [${String(terminated["reason"])}] ${String(said)}`];
  });
}

function list(value: Plain | undefined): PlainMap[] {
  return Array.isArray(value) ? value.filter(isPlainMap) : [];
}
