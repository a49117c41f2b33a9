/** Folders of all examples that describe one cluster: `fleet` has two, and the holes of `insecure` are its purpose. */
export const exampleNames = [
  "zero-trust-tiers",
  "web-app",
  "service-identity",
  "tenants",
  "shop",
  "kubernetesx",
] as const;

/** An example that the lab deploys onto a cluster of one kind. */
export type ExampleName = (typeof exampleNames)[number];

/** Every example in TypeScript: its folder in examples/. */
export type ExampleFolder = ExampleName | "fleet" | "insecure" | "languages/typescript";

export function isExampleName(text: string): text is ExampleName {
  return (exampleNames as readonly string[]).includes(text);
}
