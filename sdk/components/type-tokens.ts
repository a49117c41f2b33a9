/**
 * The type token of a component, as Pulumi derives it from the package's name for programs in other languages. A URN
 * holds it, so it never changes without an alias.
 */
export function typeToken(component: string): string {
  return `pulumi-cluster-security:index:${component}`;
}
