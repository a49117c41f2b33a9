/** The functions that Pulumi's SDK calls on the provider. */
import { metadataOf } from "./objects";
import { isPlainMap, unwrapMap, type PropertyMap } from "./properties";
import type { KubernetesProvider } from "./provider";
import type { ReleaseProvider } from "./release";
import { decodeManifests } from "./yaml";

export async function invoke(
  token: string,
  args: PropertyMap,
  provider: KubernetesProvider,
  releases: ReleaseProvider,
): Promise<PropertyMap> {
  const plain = unwrapMap(args);
  switch (token) {
    case "kubernetes:yaml:decode": {
      if (typeof plain["text"] !== "string") throw new Error("missing required field 'text' of type string");
      const namespace = typeof plain["defaultNamespace"] === "string" ? plain["defaultNamespace"] : "";
      const objects = decodeManifests(plain["text"]);
      if (namespace === "") return { result: objects as unknown as PropertyMap[] };
      const placed = await Promise.all(
        objects.map(async (object) => {
          const metadata = metadataOf(object);
          const needs =
            metadata["namespace"] === undefined &&
            (await provider.isNamespaced(String(object["apiVersion"]), String(object["kind"])));
          return needs ? { ...object, metadata: { ...metadata, namespace } } : object;
        }),
      );
      return { result: placed as unknown as PropertyMap[] };
    }
    case "kubernetes:helm:template": {
      if (typeof plain["jsonOpts"] !== "string") throw new Error("missing required field 'jsonOpts' of type string");
      const options: unknown = JSON.parse(plain["jsonOpts"]);
      if (!isPlainMap(options as never)) throw new Error("'jsonOpts' must be an object");
      const text = await releases.template(options as Parameters<typeof releases.template>[0]);
      return { result: decodeManifests(text) as unknown as PropertyMap[] };
    }
    default:
      throw new Error(`the lab's Kubernetes provider does not offer the function ${token}`);
  }
}
