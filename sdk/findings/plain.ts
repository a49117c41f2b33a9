/** Reading plain data of any shape: what is not of the wanted shape is as good as absent. */
import { isUnknown } from "../reachability";

export { listOf, mapOf, type Fields } from "../reachability/model/plain";

/** A text that is known. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) ? value : undefined;
}

/** A name that may stand in a message: RFC 1123, and the colons of RBAC. Anything else may be a value that strayed. */
export function nameOf(value: unknown): string | undefined {
  const text = textOf(value);
  return text !== undefined && /^[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?$/.test(text) ? text : undefined;
}

/** A date of the form `YYYY-MM-DD` that exists. */
export function isDate(text: unknown): text is string {
  if (typeof text !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** A moment of a day in UTC, as the timers of break glass end. */
export function isMoment(text: unknown): text is string {
  if (typeof text !== "string" || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text)) return false;
  return isDate(text.slice(0, 10)) && !Number.isNaN(Date.parse(text));
}
