/**
 * Places of a policy at which a preview may show less than there will be. A value that the server computes (a UID, the
 * address of a Service) is a known `undefined` to Pulumi's SDKs as long as the resource is not created: they leave the field
 * out, or write the word, and the provider drops what is empty after that. What is left reads as a rule about everybody.
 */

/** Paths of places that nobody writes so: an empty `matchLabels`, a port that is none, a text with `undefined` in it. */
export function droppedValues(value: unknown, path: string): string[] {
  if (typeof value === "string") return /\bundefined\b/.test(value) ? [path] : [];
  return within(value, path, (item, at) => isEmpty(item) && unusual.test(at), droppedValues);
}

/** An empty selector is `{}` itself. */
const unusual = /\.(matchLabels|labelSelector|ipBlock|(toPorts|ports|portNumber)\[\d+\])$/;

/** Paths of empty maps, whoever left them empty: a selector of everybody, a rule about every peer. */
export function emptyPlaces(value: unknown, path: string): string[] {
  return within(value, path, isEmpty, emptyPlaces);
}

function within(
  value: unknown,
  path: string,
  test: (item: unknown, at: string) => boolean,
  further: (item: unknown, at: string) => string[],
): string[] {
  if (typeof value !== "object" || value === null) return [];
  const items: [string, unknown][] = Array.isArray(value)
    ? value.map((item: unknown, index) => [`${path}[${index}]`, item])
    : Object.entries(value).map(([key, item]) => [`${path}.${key}`, item]);
  return items.flatMap(([at, item]) => (test(item, at) ? [at] : further(item, at)));
}

/** Shortest text by which a value is recognised as a part of another. */
const shortest = 3;

/** Whether a value of one thing occurs in another: as it is, as a part of a text, or with a part of it. */
export function sharesValue(a: unknown, b: unknown): boolean {
  const others = scalarsOf(b);
  return scalarsOf(a).some((one) =>
    others.some(
      (other) =>
        one === other ||
        (one.length >= shortest && other.includes(one)) ||
        (other.length >= shortest && one.includes(other)),
    ),
  );
}

function scalarsOf(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(scalarsOf) : [];
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
