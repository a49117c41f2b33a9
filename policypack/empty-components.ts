import type { Finding } from "../sdk/findings";
import { orderHazard } from "../sdk/findings";
import type { ObservedResource } from "./snapshot-from-resources";

/**
 * Components that depend on something and register nothing. `dependsOn` on a component means its children; where it has
 * none, whoever depends on it waits for nothing (pulumi/pulumi#8721). Who that is the engine does not show.
 */
export function describeEmptyComponents(resources: readonly ObservedResource[]): Finding[] {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const withChildren = new Set<string>();
  for (const resource of resources) {
    if (isComponent(resource)) continue;
    for (let parent = resource.parentUrn; parent !== undefined && !withChildren.has(parent);) {
      withChildren.add(parent);
      parent = byUrn.get(parent)?.parentUrn;
    }
  }
  return resources.flatMap((resource): Finding[] => {
    const { urn, name, type, parentUrn, waitsFor = [] } = resource;
    if (!isComponent(resource) || withChildren.has(urn)) return [];
    const before = waitsFor.filter((each) => each !== parentUrn && byUrn.has(each));
    if (before.length === 0) return [];
    const names = [...new Set(before.map((each) => `"${each.split("::").at(-1) ?? ""}"`))].sort();
    return [
      {
        id: orderHazard.id,
        severity: "low",
        certainty: "definite",
        subject: { kind: type.split(":").at(-1) ?? type, name, source: { urn } },
        message: `${type.split(":").at(-1) ?? type} "${name}" registers nothing, so what depends on it does not wait for what it depends on`,
        because: [
          "`dependsOn` on a component waits for its children, and it has none (pulumi/pulumi#8721)",
          `it depends on ${names.join(", ")}`,
        ],
        fix: `Let what depends on it depend on ${names.join(", ")} too, or leave the component out while it is empty.`,
        controls: orderHazard.controls,
      },
    ];
  });
}

/** A component has no provider of its own; the types of Pulumi itself and of Kubernetes kinds are none. */
function isComponent({ type, provider }: ObservedResource): boolean {
  return provider === undefined && !/^(pulumi:|kubernetes:(?!yaml|helm\.sh\/v[34]:Chart|kustomize))/.test(type);
}
