import { isUnknown } from "../sdk/reachability/model/unknown";
import { isMap } from "../sdk/reachability/model/plain";

/**
 * What is known of a resource in the stack phase.
 *
 * The stack phase sees outputs: what the API server stored, so they win. In a preview they may be unknown, and they are
 * empty altogether when the provider's configuration is not known yet (a cluster made in the same stack); then the
 * inputs that were recorded when the resource was registered stand in. A field that the outputs lack although others
 * are there was dropped by the API server and is not brought back.
 */
export function outputsOverInputs(outputs: unknown, inputs: unknown): unknown {
  if (isUnknown(outputs) || outputs === undefined) return inputs === undefined ? outputs : inputs;
  if (isEmptyObject(outputs) && inputs !== undefined) return inputs;
  return fillUnknown(outputs, inputs);
}

function fillUnknown(outputs: unknown, inputs: unknown): unknown {
  if (isUnknown(outputs)) return inputs === undefined ? outputs : inputs;
  if (Array.isArray(outputs)) {
    if (!Array.isArray(inputs) || inputs.length !== outputs.length) return outputs;
    return outputs.map((item: unknown, index) => fillUnknown(item, inputs[index]));
  }
  if (isMap(outputs) && isMap(inputs)) {
    return Object.fromEntries(
      Object.entries(outputs).map(([key, item]) => [
        key,
        Object.hasOwn(inputs, key) ? fillUnknown(item, inputs[key]) : item,
      ]),
    );
  }
  return outputs;
}

function isEmptyObject(value: unknown): boolean {
  return isMap(value) && Object.keys(value).length === 0;
}
