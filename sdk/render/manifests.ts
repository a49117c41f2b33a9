/** A declaration for kustomize and for kubectl alone. */
import { filesOf, yamlOf, type RenderedFile } from "./files";
import { inOrder, layersOf } from "./layers";
import type { RenderedObject } from "./objects";

/** A kustomization that keeps the order of the plan: `kubectl apply -k`. */
export function kustomizeFiles(objects: readonly RenderedObject[]): readonly RenderedFile[] {
  const files = filesOf(objects);
  const ordered = inOrder(objects);
  return [
    {
      file: "kustomization.yaml",
      text: yamlOf({
        apiVersion: "kustomize.config.k8s.io/v1beta1",
        kind: "Kustomization",
        // in the order of the list: kustomize may sort by kind otherwise, and a default deny would come early
        sortOptions: { order: "fifo" },
        resources: ordered.map((each) => `./${files.get(each) ?? ""}`),
      }),
    },
    ...ordered.map((each) => ({ file: files.get(each) ?? "", text: yamlOf(each.object) })),
  ];
}

/** One file for each layer, numbered: `kubectl apply -f` takes the files of a folder by their names. */
export function plainFiles(objects: readonly RenderedObject[]): readonly RenderedFile[] {
  return layersOf(objects).map((layer) => ({
    file: `${String(Math.max(0, layer.rank)).padStart(3, "0")}-${layer.name}.yaml`,
    text: yamlOf(...objects.filter((each) => each.layer.name === layer.name).map(({ object }) => object)),
  }));
}
