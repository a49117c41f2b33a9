/**
 * Places of a policy at which a preview may show less than there will be. A value that the server computes (a UID, the
 * address of a Service) is a known `undefined` to Pulumi's SDKs as long as the resource is not created: they leave the field
 * out, or write the word. What is left reads as a rule about everybody.
 */

/** Paths of such places: `spec.podSelector.matchLabels`. */
export function droppedValues(value: unknown, path: string): string[] {
  if (typeof value === "string") return /\bundefined\b/.test(value) ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) {
    const isPorts = /(^|\.)(toPorts|ports|portNumber)$/.test(path);
    return value.flatMap((item: unknown, index) =>
      isPorts && isEmpty(item) ? [`${path}[${index}]`] : droppedValues(item, `${path}[${index}]`),
    );
  }
  return Object.entries(value).flatMap(([key, item]) => {
    const at = `${path}.${key}`;
    return selectorFields.has(key) && isEmpty(item) ? [at] : droppedValues(item, at);
  });
}

/** Fields that nobody writes empty: an empty selector is `{}` itself. */
const selectorFields: ReadonlySet<string> = new Set(["matchLabels", "labelSelector", "ipBlock"]);

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
