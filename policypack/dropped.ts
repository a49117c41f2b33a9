import type { Finding } from "../sdk/findings";
import { droppedValues, emptyPlaces, notUnderstood, sharesValue } from "../sdk/findings";
import type { KubeObject, SourcedObject } from "../sdk/reachability";
import { describeRef, isPolicy } from "../sdk/reachability";
import { holdsUnknown } from "../sdk/reachability/model/unknown";
import type { ObservedResource } from "./snapshot-from-resources";

/** Sections of a policy in which values of other resources decide what it selects. */
const sections = ["spec", "specs"] as const;

/**
 * Policies whose rules take values of other resources and have places that a preview shows empty: what stands there is not
 * known, and it looks as if it were everything. An update sees the values.
 */
export function describeDropped(
  objects: readonly SourcedObject[],
  resources: ReadonlyMap<string, ObservedResource>,
): Finding[] {
  return objects.flatMap(({ object, source }): Finding[] => {
    const takes = source?.urn === undefined ? undefined : resources.get(source.urn)?.takes;
    if (takes === undefined || !isPolicy(object.apiVersion, object.kind)) return [];
    const paths = sections.flatMap((section) => pathsOf(object, section, takes[section] ?? [], resources));
    if (paths.length === 0) return [];
    const { name = "", namespace } = object.metadata ?? {};
    const home = namespace === undefined ? {} : { namespace };
    const ref = { apiVersion: object.apiVersion, kind: object.kind, name, ...home };
    const from = [...new Set(sections.flatMap((section) => takes[section] ?? []))].map(
      (urn) => `${urn.split("::").at(-2)?.split(":").at(-1) ?? "resource"} "${urn.split("::").at(-1) ?? ""}"`,
    );
    return [
      {
        id: notUnderstood.id,
        severity: notUnderstood.severity,
        certainty: "definite",
        subject: { kind: object.kind, name, ...home, source: source ?? {} },
        causes: [{ ...ref, ...(source ?? {}) }],
        message: `${describeRef(ref)} takes a value that a preview leaves out, so what it selects is not known: ${paths.join(", ")}`,
        because: [
          `it takes values of ${from.join(", ")}, and none of them is to be seen in it`,
          "a field that the server computes has no value before its resource is created",
        ],
        fix: "Select by what is known before (a literal, metadata.name), or write an empty selector without another resource's output in the policy.",
        controls: notUnderstood.controls,
      },
    ];
  });
}

function pathsOf(
  object: KubeObject,
  section: string,
  from: readonly string[],
  resources: ReadonlyMap<string, ObservedResource>,
): string[] {
  const value: unknown = object[section];
  if (from.length === 0) return [];
  const certain = droppedValues(value, section);
  // a value that is not known yet is what it takes
  if (certain.length > 0 || holdsUnknown(value)) return certain;
  const groups = new Map<string, ObservedResource[]>();
  for (const urn of from) {
    const resource = resources.get(urn);
    if (resource === undefined) continue;
    const key = componentOf(resource, resources);
    groups.set(key, [...(groups.get(key) ?? []), resource]);
  }
  const isUnseen = (group: readonly ObservedResource[]): boolean =>
    !group.some(({ props }) => holdsUnknown(props) || sharesValue(props, value));
  return groups.size > 0 && [...groups.values()].every(isUnseen) ? emptyPlaces(value, section) : [];
}

/** The outermost component of a resource: who takes an output of it takes, to the engine, values of all its children. */
function componentOf(resource: ObservedResource, resources: ReadonlyMap<string, ObservedResource>): string {
  let current = resource;
  for (;;) {
    const parent = current.parentUrn === undefined ? undefined : resources.get(current.parentUrn);
    if (parent === undefined || parent.type === "pulumi:pulumi:Stack") return current.urn;
    current = parent;
  }
}
