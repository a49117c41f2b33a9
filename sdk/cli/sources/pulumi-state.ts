import type { Problem } from "../../reachability";
import { objectsOfResources, type PulumiResource } from "./pulumi-resources";
import type { SourceContent } from "./types";
import { isMap } from "../../reachability/model/plain";

interface Deployment {
  readonly resources?: unknown;
  readonly pending_operations?: unknown;
}

/** Whether parsed JSON is `pulumi stack export`'s, or a checkpoint of the file backend. */
export function isPulumiState(value: unknown): boolean {
  return deploymentOf(value) !== undefined;
}

/** The Kubernetes objects of a Pulumi state. */
export function readPulumiState(value: unknown, file: string | undefined): SourceContent {
  const deployment = deploymentOf(value);
  const resources = Array.isArray(deployment?.resources) ? deployment.resources.filter(isResource) : [];
  // A resource that waits to be deleted is still in the cluster, unless its successor has its name already.
  const current = new Set(resources.filter((resource) => resource.delete !== true).map((resource) => resource.urn));
  const standing = resources.filter((resource) => resource.delete !== true || !current.has(resource.urn));
  const content = objectsOfResources(standing, file, "outputs");
  return { ...content, problems: [...content.problems, ...pendingOperations(deployment, file)] };
}

function deploymentOf(value: unknown): Deployment | undefined {
  if (!isMap(value)) return undefined;
  const checkpoint = isMap(value["checkpoint"]) ? value["checkpoint"]["latest"] : undefined;
  const deployment = value["deployment"] ?? checkpoint;
  // An empty stack's export has no resources at all, but always a manifest.
  return isMap(deployment) && ("resources" in deployment || "manifest" in deployment) ? deployment : undefined;
}

/** An update that was interrupted: the state does not say whether these exist. */
function pendingOperations(deployment: Deployment | undefined, file: string | undefined): Problem[] {
  const operations = Array.isArray(deployment?.pending_operations) ? deployment.pending_operations : [];
  return operations.flatMap((operation: unknown) => {
    const resource = isMap(operation) ? operation["resource"] : undefined;
    if (!isResource(resource) || !resource.type.startsWith("kubernetes:")) return [];
    return [
      {
        code: "unreadable" as const,
        message: `an interrupted update left it open whether this resource exists: run "pulumi refresh" and export again`,
        source: { urn: resource.urn, ...(file === undefined ? {} : { file }) },
        affectsVerdicts: true,
      },
    ];
  });
}

export function isResource(value: unknown): value is PulumiResource {
  return isMap(value) && typeof value["urn"] === "string" && typeof value["type"] === "string";
}
