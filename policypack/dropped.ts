import type { Finding } from "../sdk/findings";
import { droppedValues, notUnderstood } from "../sdk/findings";
import type { SourcedObject } from "../sdk/reachability";
import { describeRef, isPolicy } from "../sdk/reachability";
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
    const paths = sections.flatMap((section) =>
      (takes[section] ?? []).length === 0 ? [] : droppedValues(object[section], section),
    );
    if (paths.length === 0) return [];
    const { name = "", namespace } = object.metadata ?? {};
    const ref = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    };
    const from = [...new Set(sections.flatMap((section) => takes[section] ?? []))].map(
      (urn) => `${urn.split("::").at(-2)?.split(":").at(-1) ?? "resource"} "${urn.split("::").at(-1) ?? ""}"`,
    );
    return [
      {
        id: notUnderstood.id,
        severity: notUnderstood.severity,
        certainty: "definite",
        subject: { kind: object.kind, name, ...(namespace === undefined ? {} : { namespace }), source: source ?? {} },
        causes: [{ ...ref, ...(source ?? {}) }],
        message: `${describeRef(ref)} takes a value that a preview leaves out, so what it selects is not known: ${paths.join(", ")}`,
        because: [
          `it takes values of ${from.join(", ")}, and ${paths.join(", ")} is empty`,
          "a field that the server computes has no value before its resource is created",
        ],
        fix: "Select by what is known before (a literal, metadata.name), or write an empty selector as {}.",
        controls: notUnderstood.controls,
      },
    ];
  });
}
