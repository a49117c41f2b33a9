import { isUnknown, unknownValue, type UnknownValue } from "../unknown";

/** The value of a label; unknown where a preview does not know it yet. */
export type LabelValue = string | UnknownValue;

/** Labels with what is unknown about them. */
export interface LabelSet {
  readonly values: Readonly<Record<string, LabelValue>>;
  /** False: there may be labels that are not listed (the whole map, or a key, is unknown). */
  readonly complete: boolean;
  /** Keys that may be there besides, with values that nobody knows. */
  readonly perhaps?: ReadonlySet<string>;
}

export const noLabels: LabelSet = { values: {}, complete: true };

/** A label's value; `undefined` where it is absent for certain; unknown where it may be there. */
export function labelOf(labels: LabelSet, key: string): LabelValue | undefined {
  if (Object.hasOwn(labels.values, key)) return labels.values[key];
  return labels.complete && labels.perhaps?.has(key) !== true ? undefined : unknownValue;
}

/** The labels whose values are known. */
export function knownLabels(labels: LabelSet): Record<string, string> {
  const known: Record<string, string> = {};
  for (const [key, value] of Object.entries(labels.values)) {
    if (!isUnknown(value)) known[key] = value;
  }
  return known;
}
