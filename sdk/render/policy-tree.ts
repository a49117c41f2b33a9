/** Policies of a cluster as files, whoever wrote them. */
import type { KubeObject } from "../reachability";
import { groupOf } from "../reachability";
import { RenderError } from "./errors";
import { yamlOf, type RenderedFile } from "./files";

/** `namespaces/shop/ciliumnetworkpolicy.cilium.io/allow-web.yaml`, `clusterwide/…`; one object a file, sorted. */
export function policyFiles(objects: readonly KubeObject[]): readonly RenderedFile[] {
  const files = objects.map((object): RenderedFile => {
    const { apiVersion, kind, metadata } = object;
    const { name = "", namespace } = metadata ?? {};
    const home = namespace === undefined ? "clusterwide" : `namespaces/${namespace}`;
    const file = `${home}/${kind.toLowerCase()}.${groupOf(apiVersion)}/${name}.yaml`;
    if (!/^[\w.:/-]+$/.test(file) || file.split("/").includes("..")) {
      throw new RenderError(`${kind} ${JSON.stringify(name)} has a name that no file can have`);
    }
    return { file, text: yamlOf(object) };
  });
  return files.sort((a, b) => (a.file < b.file ? -1 : 1));
}
