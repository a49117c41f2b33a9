/**
 * The part of kubectl's JSONPath that `pulumi.com/waitFor` needs: fields, `['name']`, `[0]`, `[*]` and
 * `[?(@.field=="text")]`. Anything else is refused, so that a path that is not understood never counts as met.
 * Source: kubernetes.io/docs/reference/kubectl/jsonpath
 */
import { isPlainMap, type Plain } from "./properties";

export class JsonPathError extends Error {}

type Step = { field: string } | { index: number } | { all: true } | { filter: string[]; equals: string };

const stepPattern =
  /^(?:\.([A-Za-z_][\w-]*(?:\\\.[\w-]+)*)|\[(-?\d+)\]|\[\*\]|\.\*|\['([^']+)'\]|\["([^"]+)"\]|\[\?\(@((?:\.[\w-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\])/;

export function parseJsonPath(text: string): Step[] {
  let rest = text
    .trim()
    .replace(/^\{|\}$/g, "")
    .replace(/^\$/, "");
  if (rest !== "" && !rest.startsWith(".") && !rest.startsWith("[")) rest = `.${rest}`;
  const steps: Step[] = [];
  while (rest !== "") {
    const match = stepPattern.exec(rest);
    if (!match)
      throw new JsonPathError(`the JSONPath ${JSON.stringify(text)} is not understood at ${JSON.stringify(rest)}`);
    const [whole, field, index, single, double, filter, text1, text2] = match;
    if (index !== undefined) steps.push({ index: Number(index) });
    else if (filter !== undefined) steps.push({ filter: filter.slice(1).split("."), equals: text1 ?? text2 ?? "" });
    else {
      const name = field?.replaceAll("\\.", ".") ?? single ?? double;
      steps.push(name === undefined ? { all: true } : { field: name });
    }
    rest = rest.slice(whole.length);
  }
  if (steps.length === 0) throw new JsonPathError(`the JSONPath ${JSON.stringify(text)} names no field`);
  return steps;
}

/** Every value that the path leads to. */
export function evaluateJsonPath(steps: readonly Step[], root: Plain): Plain[] {
  let values: Plain[] = [root];
  for (const step of steps) values = values.flatMap((value) => follow(step, value));
  return values;
}

function follow(step: Step, value: Plain): Plain[] {
  if ("field" in step) {
    const next = isPlainMap(value) ? value[step.field] : undefined;
    return next === undefined ? [] : [next];
  }
  if ("all" in step) return Array.isArray(value) ? value : isPlainMap(value) ? Object.values(value) : [];
  if (!Array.isArray(value)) return [];
  if ("index" in step) {
    const next = value.at(step.index);
    return next === undefined ? [] : [next];
  }
  return value.filter((element) => {
    let found: Plain | undefined = element;
    for (const field of step.filter) found = isPlainMap(found) ? found[field] : undefined;
    return found !== undefined && found !== null && String(found) === step.equals;
  });
}
