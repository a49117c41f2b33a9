/** Where the documentation of a rule stands, relative to the package's root. */
export function findingUrl(id: string): string {
  return `docs/findings.md#${id}`;
}
