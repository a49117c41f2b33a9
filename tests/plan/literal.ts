import type { Known } from "../../sdk/plan/inputs";

/** A declaration that was written with plain values, as such. */
export function literal<T>(declared: T): Known<T> {
  return declared as Known<T>;
}
