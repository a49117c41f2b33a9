import type { Operation } from "./automation";

/** What a preview would do, as `operation name`; nothing for a stack that is as its program says. */
export function plannedChanges(preview: Operation): string[] {
  return preview.events.flatMap(({ resourcePreEvent }) => {
    if (resourcePreEvent === undefined) return [];
    const { op, urn } = resourcePreEvent.metadata;
    return String(op) === "same" ? [] : [`${String(op)} ${urn.split("::").at(-1) ?? ""}`];
  });
}
