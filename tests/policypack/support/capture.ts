/** Registers an example's program under Pulumi's mocks and returns what it registered, in order of registration. */
import * as pulumi from "@pulumi/pulumi";
import type { TestResource } from "../../../policypack/testing";

export async function captureProgram(program: () => Promise<unknown>): Promise<TestResource[]> {
  const resources: TestResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        resources.push({ type: args.type, name: args.name, props: args.inputs as Record<string, unknown> });
        return { id: `${args.name}-id`, state: args.inputs as Record<string, unknown> };
      },
      call: (args) => args.inputs as Record<string, unknown>,
    },
    "project",
    "test",
    false,
  );
  pulumi.runtime.setAllConfig({});
  await program();
  // waits until no registration is outstanding
  await pulumi.runtime.disconnect();
  return resources;
}
