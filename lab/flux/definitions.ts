/** What the API server has to know before kustomize-controller starts. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { dump } from "js-yaml";
import type { ApiAccess } from "../control-plane/index";
import { fluxDefinitions, installCrdFiles } from "../crds/index";

/** The sources that kustomize-controller watches. */
const sources = { GitRepository: "gitrepositories", OCIRepository: "ocirepositories", Bucket: "buckets" } as const;

/** Group and version of Flux's sources. */
export const sourceApi = { group: "source.toolkit.fluxcd.io", version: "v1" } as const;

/**
 * Installs the definitions of Flux's Kustomization, as its project publishes it, and of its sources. The latter are in no Go
 * module; the lab's own say nothing but that there is a status, which the lab sets in the place of source-controller.
 * @param folder Where they are written.
 * @throws ToolchainError where the Kustomization's cannot be had
 */
export async function installFluxDefinitions(access: ApiAccess, folder: string): Promise<void> {
  const own = path.join(folder, "sources.yaml");
  writeFileSync(
    own,
    Object.entries(sources)
      .map(sourceDefinition)
      .map((one) => `---\n${dump(one)}`)
      .join(""),
  );
  await installCrdFiles(access, [await fluxDefinitions(), own]);
}

function sourceDefinition([kind, plural]: readonly [string, string]): object {
  const { group, version } = sourceApi;
  const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const spec = {
    group,
    names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
    scope: "Namespaced",
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", properties: { spec: anything, status: anything } } },
      },
    ],
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec,
  };
}
