/** Where a value is in arguments, a declaration or chart values: `["flows", 3, "ports", 0]`. */
export type PropertyPath = readonly (string | number)[];

/**
 * Writes a path as Pulumi does: `flows[3].ports[0]`. A key that is not a word is quoted: `labels["app.kubernetes.io/name"]`.
 * The path of the whole is empty.
 */
export function formatPath(path: PropertyPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (text === "") return step;
    return /^[\w$-]+$/.test(step) ? `${text}.${step}` : `${text}[${JSON.stringify(step)}]`;
  }, "");
}
