import type { Operation } from "./automation";

/** What a preview would do, as `operation name: fields`; nothing for a stack that is as its program says. */
export function plannedChanges(preview: Operation): string[] {
  return preview.events.flatMap(({ resourcePreEvent }) => {
    if (resourcePreEvent === undefined) return [];
    const { op, urn, detailedDiff } = resourcePreEvent.metadata;
    const fields = Object.keys(detailedDiff ?? {}).join(", ");
    return String(op) === "same" || String(op) === "read"
      ? []
      : [`${String(op)} ${urn.split("::").at(-1) ?? ""}: ${fields}`];
  });
}
