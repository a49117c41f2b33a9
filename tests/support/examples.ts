/** Every example with what it declares and what it deploys in a lab, for the suites that run over all of them. */
import type { Example } from "../../lab/examples/index";
import { loadExample } from "../../lab/examples/index";
import { exampleNames } from "../../lab/examples/names";

export type { Example } from "../../lab/examples/index";

/** All examples but `insecure`, whose holes are its purpose. */
export async function examples(): Promise<readonly Example[]> {
  const all: Example[] = [];
  for (const name of exampleNames) all.push(await loadExample(name));
  const fleet = await loadExample("fleet");
  // what its two clusters have in common
  const { cluster: _facts, ...declaration } = fleet.declaration;
  return [...all, { ...fleet, declaration }];
}
