/** Folders of all examples that describe one cluster: `fleet` has two, and the holes of `insecure` are its purpose. */
export const exampleNames = [
  "zero-trust-tiers",
  "web-app",
  "service-identity",
  "tenants",
  "shop",
  "kubernetesx",
] as const;

export type ExampleName = (typeof exampleNames)[number];

export function isExampleName(text: string): text is ExampleName {
  return (exampleNames as readonly string[]).includes(text);
}
