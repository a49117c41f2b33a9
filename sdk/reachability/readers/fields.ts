/** Reading plain data of uncertain shape, with the path of whatever does not fit. */
import type { ObjectRef, Source } from "../model/objects";
import type { Problem, ProblemCode } from "../model/problems";
import { isUnknown, type UnknownValue } from "../model/unknown";
import type { LabelValue } from "../model/selectors/labels";

export type Fields = Readonly<Record<string, unknown>>;

/** A part of an object that cannot be read. The reader of the enclosing part says what that means for verdicts. */
export class NotReadable extends Error {
  constructor(
    readonly path: string,
    message: string,
    readonly code: ProblemCode,
  ) {
    super(message);
  }
}

function show(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function wrong(value: unknown, path: string, expected: string): NotReadable {
  if (isUnknown(value)) return new NotReadable(path, `${path} is not known yet`, "unknown-value");
  return new NotReadable(path, `${path} must be ${expected}, not ${show(value)}`, "invalid-value");
}

/** A map; nothing where the field is absent or null. */
export function readMap(value: unknown, path: string): Fields | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value) || isUnknown(value)) throw wrong(value, path, "a map");
  return value as Fields;
}

/** A list; nothing where the field is absent or null. */
export function readList(value: unknown, path: string): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw wrong(value, path, "a list");
  return value as unknown[];
}

export function readString(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || isUnknown(value)) throw wrong(value, path, "a string");
  return value;
}

export function readBoolean(value: unknown, path: string): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw wrong(value, path, "true or false");
  return value;
}

export function readInteger(value: unknown, path: string, low: number, high: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw wrong(value, path, `a whole number from ${low} to ${high}`);
  }
  return value;
}

export function readStrings(value: unknown, path: string): readonly string[] | undefined {
  return readList(value, path)?.map((each, index) =>
    required(readString(each, `${path}[${index}]`), `${path}[${index}]`),
  );
}

/** Whether a field is there: to the API server null is absent. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** A value that has to be there. */
export function required<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw new NotReadable(path, `${path} is missing`, "invalid-value");
  return value;
}

/** Nothing, or up to 63 letters, digits, `-`, `_` and `.` (IsValidLabelValue in k8s.io/apimachinery pkg/util/validation). */
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/**
 * A string that may be unknown: the text of a label. One that no label can have would select nobody, and a deny of nobody
 * looks like protection: the API server refuses it.
 */
export function readLabelValue(value: unknown, path: string): LabelValue {
  if (isUnknown(value)) return value as UnknownValue;
  if (typeof value !== "string" || !labelValue.test(value)) throw wrong(value, path, "the value of a label");
  return value;
}

/** Refuses fields that the engine does not know: what they do to the verdict is not known either. */
export function onlyFields(fields: Fields, path: string, known: readonly string[]): void {
  for (const key of Object.keys(fields)) {
    if (!known.includes(key) && fields[key] !== undefined) {
      throw new NotReadable(
        `${path}.${key}`,
        `${path}.${key} is a field that this version does not know`,
        "unsupported",
      );
    }
  }
}

/** Collects the problems of one object while it is read. */
export class ObjectReader {
  constructor(
    readonly ref: ObjectRef,
    readonly source: Source | undefined,
    private readonly problems: Problem[],
  ) {}

  /** A value of the object is invalid: the API server or the agent may refuse it as a whole. */
  get invalid(): boolean {
    return this.#invalid;
  }

  #invalid = false;

  report(code: ProblemCode, message: string, path: string | undefined, affectsVerdicts: boolean): void {
    if (code === "invalid-value" && affectsVerdicts) this.#invalid = true;
    this.problems.push({
      code,
      message,
      object: this.ref,
      ...(this.source === undefined ? {} : { source: this.source }),
      ...(path === undefined ? {} : { path }),
      affectsVerdicts,
    });
  }

  /**
   * Names what is stored and not enforced, and influences no verdict.
   *
   * @param reason Why, quoting no value of the object.
   * @param message The same, with the value.
   */
  notEnforced(reason: string, path: string | undefined, message = reason): void {
    this.problems.push({
      code: "not-enforced",
      message,
      reason,
      object: this.ref,
      ...(this.source === undefined ? {} : { source: this.source }),
      ...(path === undefined ? {} : { path }),
      affectsVerdicts: false,
    });
  }

  /**
   * Reads a part that has no effect of its own (a section that the types leave out, a rule that only logs) for what is
   * invalid in it: the object is refused for that as a whole. What else there is to say of the part is not said.
   */
  validate(read: (reader: ObjectReader) => void): void {
    const found: Problem[] = [];
    read(new ObjectReader(this.ref, this.source, found));
    for (const { code, message, path, affectsVerdicts } of found) {
      if (code === "invalid-value" && affectsVerdicts) this.report(code, message, path, true);
    }
  }

  /** Reads a part; where it cannot be read, reports that and goes on with what stands for "not known". */
  attempt<T>(read: () => T, otherwise: (error: NotReadable) => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof NotReadable)) throw error;
      this.report(error.code, error.message, error.path, true);
      return otherwise(error);
    }
  }

  /**
   * Reads a part that stands for itself where a value in it is not known yet: the rest is as it is written. For what is
   * invalid or not supported the reader of the whole answers.
   */
  attemptUnknown<T>(read: () => T, otherwise: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof NotReadable) || error.code !== "unknown-value") throw error;
      this.report(error.code, error.message, error.path, true);
      return otherwise();
    }
  }
}
