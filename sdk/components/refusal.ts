/** How a component fails an operation that is under way. */
import * as pulumi from "@pulumi/pulumi";
import { isRealEngine } from "./engine";
import { typeToken } from "./type-tokens";

/** Names of hooks have to differ within a stack. */
let hooksMade = 0;

/** Is never made: its hook fails before. */
class Refusal extends pulumi.ComponentResource {
  constructor(name: string, message: string, parent: pulumi.Resource | undefined) {
    hooksMade += 1;
    const fail = (): never => {
      throw new Error(message);
    };
    const hook = new pulumi.ResourceHook(`${name}-${hooksMade}`, fail, { onDryRun: true });
    const hooks = { beforeCreate: [hook] };
    super(typeToken("Refusal"), name, {}, parent === undefined ? { hooks } : { parent, hooks });
  }
}

/**
 * A value for what is registered. Where the engine itself refuses the operation, it never settles: a resource whose inputs
 * reject never gets a URN, and Pulumi's SDK waits for ever for the URN of what others depend on.
 */
export function unlessRefused<T>(checked: Promise<T>): Promise<T> {
  return isRealEngine() ? new Promise((resolve) => void checked.then(resolve, () => undefined)) : checked;
}

/**
 * Fails the operation in the engine, by a resource that is refused before it is made. An error of the program alone would
 * come too late: to the engine the program is done when its last resource is registered, and what it did not register
 * because it waited would be deleted. It would also leave the program waiting for what is never registered.
 *
 * @param component Whose declaration or objects they are; undefined where it cannot be registered itself.
 * @returns A promise that does not settle where the engine ends the operation, which is its default.
 * @throws ResourceError where it goes on all the same (`--continue-on-error`).
 */
export async function refuse(name: string, message: string, component: pulumi.Resource | undefined): Promise<never> {
  const { urn } = new Refusal(`${name}-failed`, message, component);
  await new Promise((resolve) => void urn.apply(resolve));
  throw new pulumi.ResourceError(message, component, true);
}
