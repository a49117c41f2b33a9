/** Chart values as plain data. */
export interface ChartValues {
  [key: string]: unknown;
}

/** A plain object. Anything else, a Pulumi output for one, is a value that is not looked into. */
export function isChartValues(value: unknown): value is ChartValues {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Merges maps key by key, as Helm does; lists and scalars of `over` replace those of `base`. Changes neither. */
export function mergeValues(base: ChartValues, over: ChartValues): ChartValues {
  const merged: ChartValues = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isChartValues(below) && isChartValues(value) ? mergeValues(below, value) : value;
  }
  return merged;
}

/** The value at a dotted key such as `cni.exclusive`; undefined where there is none. */
export function valueAt(values: ChartValues, dotted: string): unknown {
  let current: unknown = values;
  for (const key of dotted.split(".")) {
    if (!isChartValues(current) || !Object.hasOwn(current, key)) return undefined;
    current = current[key];
  }
  return current;
}

/** Whether a dotted key such as `hubble.relay.enabled` is set. */
export function hasKey(values: ChartValues, dotted: string): boolean {
  let current: unknown = values;
  for (const key of dotted.split(".")) {
    if (!isChartValues(current) || !Object.hasOwn(current, key)) return false;
    current = current[key];
  }
  return true;
}

/** The plain dotted keys of all scalars and lists in the values. */
export function leafKeys(values: ChartValues, prefix = ""): string[] {
  return Object.entries(values).flatMap(([key, value]) =>
    isChartValues(value) ? leafKeys(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}
