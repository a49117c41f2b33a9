/** Registers a program of `examples/` under Pulumi's mocks and returns what it registered, in order of registration. */
import * as pulumi from "@pulumi/pulumi";
import type { TestResource } from "../../../policypack/testing";

export async function captureProgram(
  program: () => Promise<unknown>,
  config: Readonly<Record<string, string>> = {},
): Promise<TestResource[]> {
  const resources: TestResource[] = [];
  let last = Date.now();
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        last = Date.now();
        resources.push({ type: args.type, name: args.name, props: args.inputs as Record<string, unknown> });
        return { id: `${args.name}-id`, state: args.inputs as Record<string, unknown> };
      },
      call: (args) => args.inputs as Record<string, unknown>,
    },
    "project",
    "test",
    false,
  );
  pulumi.runtime.setAllConfig({ ...config });
  await program();
  // registrations wait for each other; all are in when none has come for a while
  while (Date.now() - last < 250) await new Promise((resolve) => setTimeout(resolve, 50));
  return resources;
}
