/** Reads the policies that a tenant wrote. */
import type { PropertyPath } from "../../property-path";
import { tenantWriters } from "../apis/registry";
import type { ProblemCollector } from "../errors";
import type { TenantPolicy } from "../model";
import { readYaml } from "../../reachability/index";
import type { KubeObject } from "../../reachability/index";
import type { Reader } from "../reader";

/** Kinds that a tenant may write, as `group/kind`: they are about one namespace only. */
const namespacedKinds: ReadonlySet<string> = new Set(
  tenantWriters.flatMap(({ group, tenantKinds }) => Object.keys(tenantKinds).map((kind) => `${group}/${kind}`)),
);

/** Policies in the tenant's own namespaces; anything else is refused, and what cannot be read as well. */
export function readTenantPolicies(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  namespaces: readonly string[],
): readonly TenantPolicy[] {
  return (reader.texts(path, value) ?? []).flatMap((text, index) => {
    const at = [...path, index];
    const read = readYaml(text);
    for (const { message } of read.problems) {
      problems.add(at, text, `cannot be read: ${message}`, "Give Kubernetes objects as YAML or JSON.");
    }
    if (read.objects.length === 0 && read.problems.length === 0) {
      problems.add(at, text, "holds no policy", "Leave it out.");
    }
    return read.objects.flatMap(({ object }, place): TenantPolicy[] => {
      const where = read.objects.length === 1 ? at : [...at, "documents", place];
      const group = object.apiVersion.split("/")[0] ?? "";
      const kind = `${group}/${object.kind}`;
      if (!namespacedKinds.has(kind)) {
        const fix = `Tenants write ${[...namespacedKinds].map((one) => one.slice(one.indexOf("/") + 1)).join(", ")}.`;
        problems.add(where, object, `is a ${object.kind}, which is not a tenant's to write`, fix);
        return [];
      }
      if (!isOwn(object, namespaces)) {
        const fix = `Name one of ${namespaces.join(", ")} in metadata.namespace.`;
        problems.add(where, object, "does not lie in a namespace of the tenant", fix);
        return [];
      }
      if (typeof object.metadata?.name !== "string" || object.metadata.name === "") {
        problems.add(where, object, "has no name", "Give it a metadata.name.");
        return [];
      }
      return [{ path: where, object }];
    });
  });
}

function isOwn(object: KubeObject, namespaces: readonly string[]): boolean {
  const namespace = object.metadata?.namespace;
  return typeof namespace === "string" && namespaces.includes(namespace);
}
