/**
 * Reads plain data of unknown shape. A declaration may come from a language without these types, or hold a Pulumi
 * output where a literal is needed, so nothing about its shape is taken for granted.
 */
import type { PropertyPath } from "../property-path";
import { isDay } from "./days";
import type { StandIn } from "./deferred";
import { isDeferred, listOf, standIns } from "./deferred";
import type { ProblemCollector } from "./errors";
import { kindOf } from "./errors";

const literalFix =
  "Pass the literal: names and lists make the shape of the policies, which is known before anything is deployed.";

export type Fields = Readonly<Record<string, unknown>>;

/** Reads values at paths and collects what is wrong; every method returns a usable value or undefined. */
export class Reader {
  constructor(private readonly problems: ProblemCollector) {}

  /** The same of what has to be there: one problem, in the words of what it is meant to be. */
  item(path: PropertyPath, value: unknown, known: readonly string[], message: string, fix: string): Fields | undefined {
    if (kindOf(value) === "object") return this.fields(path, value, known);
    this.problems.add(path, value, message, kindOf(value) === "output" ? literalFix : fix);
    return undefined;
  }

  /** An object with no keys but the given ones: a misspelt key must not silently lose what it was to say. */
  fields(path: PropertyPath, value: unknown, known: readonly string[]): Fields | undefined {
    if (value === undefined || value === null) return undefined;
    if (kindOf(value) !== "object") {
      this.wrongKind(path, value, "an object");
      return undefined;
    }
    const fields = value as Fields;
    for (const key of Object.keys(fields)) {
      if (known.includes(key) || fields[key] === undefined) continue;
      this.problems.add([...path, key], fields[key], "is not a known field", `Known here: ${known.join(", ")}.`);
    }
    return fields;
  }

  /** A list; missing is empty. */
  list(path: PropertyPath, value: unknown): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value as unknown[];
    this.wrongKind(path, value, "a list");
    return [];
  }

  /** A list of strings; missing is undefined. */
  texts(path: PropertyPath, value: unknown): readonly string[] | undefined {
    if (value === undefined || value === null) return undefined;
    return this.list(path, value).flatMap((item, index) => {
      const text = this.text([...path, index], item);
      return text === undefined ? [] : [text];
    });
  }

  /** A list of whole numbers; missing is undefined. */
  portNumbers(path: PropertyPath, value: unknown): readonly number[] | undefined {
    if (value === undefined || value === null) return undefined;
    return this.list(path, known(value, listOf(standIns.port))).flatMap((item, index) => {
      const number = this.portNumber([...path, index], item);
      return number === undefined ? [] : [number];
    });
  }

  /** A string that may come from an output. */
  leaf(path: PropertyPath, value: unknown, standIn: StandIn<string>): string | undefined {
    return this.text(path, known(value, standIn));
  }

  /** The same, where it may be missing; an output may turn out to hold nothing. */
  optionalLeaf(path: PropertyPath, value: unknown, standIn: StandIn<string>): string | undefined {
    return this.optionalText(path, known(value, standIn));
  }

  /** A list of strings, each of which, or all of which, may come from an output; missing is undefined. */
  leaves(path: PropertyPath, value: unknown, standIn: StandIn<string>): readonly string[] | undefined {
    return this.items(path, value, standIn)?.map(({ text }) => text);
  }

  /** The same, with what each text was read from and where it stands. */
  items(
    path: PropertyPath,
    value: unknown,
    standIn: StandIn<string>,
  ): readonly { readonly text: string; readonly from: unknown; readonly path: PropertyPath }[] | undefined {
    const list = known(value, listOf(standIn));
    if (list === undefined || list === null) return undefined;
    return this.list(path, list).flatMap((item, index) => {
      const at = [...path, index];
      const text = this.leaf(at, item, standIn);
      return text === undefined ? [] : [{ text, from: isDeferred(value) ? value : item, path: at }];
    });
  }

  /** A string that is not empty. */
  text(path: PropertyPath, value: unknown): string | undefined {
    if (typeof value === "string" && value.trim() !== "") return value;
    this.wrongKind(path, value, "a string");
    return undefined;
  }

  optionalText(path: PropertyPath, value: unknown): string | undefined {
    return value === undefined || value === null ? undefined : this.text(path, value);
  }

  /** A day as `2027-03-31`; missing is undefined. */
  date(path: PropertyPath, value: unknown): string | undefined {
    const text = this.optionalText(path, value);
    if (text === undefined || isDay(text)) return text;
    this.problems.add(path, value, "is not a date", "Write it as 2027-03-31.");
    return undefined;
  }

  flag(path: PropertyPath, value: unknown): boolean | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === "boolean") return value;
    this.wrongKind(path, value, "true or false");
    return undefined;
  }

  /** A port number, 1 to 65535; it may come from an output. */
  portNumber(path: PropertyPath, given: unknown, standIn: StandIn<number> = standIns.port): number | undefined {
    const value = known(given, standIn);
    if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65535) return value;
    if (typeof value === "number") {
      this.problems.add(path, value, "is not a port number", "Use a whole number from 1 to 65535.");
    } else {
      this.wrongKind(path, value, "a port number");
    }
    return undefined;
  }

  /** A finite number; missing is undefined. */
  number(path: PropertyPath, value: unknown): number | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    this.wrongKind(path, value, "a number");
    return undefined;
  }

  /** One of an enum's values; missing is undefined. */
  choice<T extends string>(path: PropertyPath, value: unknown, choices: Readonly<Record<string, T>>): T | undefined {
    if (value === undefined || value === null) return undefined;
    const known = Object.values(choices);
    const found = known.find((choice) => choice === value);
    if (found === undefined) {
      this.problems.add(path, value, "is not one of the known values", `Use ${known.join(", ")}.`);
    }
    return found;
  }

  /** A map of strings. The keys are the shape; values may come from outputs where `standIn` says what stands for them. */
  textMap(path: PropertyPath, value: unknown, standIn?: StandIn<string>): Readonly<Record<string, string>> | undefined {
    if (value === undefined || value === null) return undefined;
    if (kindOf(value) !== "object") {
      this.wrongKind(path, value, "a map of strings");
      return undefined;
    }
    const entries = Object.entries(value as Fields).flatMap(([key, given]): [string, string][] => {
      const item = standIn === undefined ? given : known(given, standIn);
      if (typeof item === "string") return [[key, item]];
      this.wrongKind([...path, key], item, "a string");
      return [];
    });
    return Object.fromEntries(entries);
  }

  /** Labels: the whole map may come from an output, or single values of it. */
  labels(path: PropertyPath, value: unknown): Readonly<Record<string, string>> | undefined {
    return this.textMap(path, known(value, standIns.labels), standIns.name);
  }

  private wrongKind(path: PropertyPath, value: unknown, wanted: string): void {
    const fix = kindOf(value) === "output" ? literalFix : `Give ${wanted}.`;
    this.problems.add(path, value, `is not ${wanted}`, fix);
  }
}

/** The value of a leaf, or what stands for it while it is not known. */
export function known<T>(value: unknown, standIn: StandIn<T>): unknown {
  return isDeferred(value) ? value.resolve(standIn) : value;
}
