import type { ExampleOutputs } from "../support/stack";
import { runExample } from "../support/stack";
import { applications, declaration, platform } from "./declaration";

/** The stack of this example. */
export async function program(): Promise<ExampleOutputs> {
  return runExample({ name: "tenants", declaration, applications, platform });
}
