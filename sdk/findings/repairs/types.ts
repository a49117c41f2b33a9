import type { Document } from "yaml";
import type { RuleId } from "../rules";

/** A piece of a file's text to be replaced. */
export interface TextEdit {
  /** Offsets in the file, the second one not included; the same twice to insert. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** A repair of one object of a file. */
export interface Repair {
  readonly file: string;
  /** 1-based line that it changes first. */
  readonly line: number;
  /** The finding that goes with it. */
  readonly rule: RuleId;
  /** What it does, in words. */
  readonly what: string;
  readonly edits: readonly TextEdit[];
  /** It is tried by itself: only that shows that the finding is about this place. */
  readonly alone?: true;
}

/** One YAML document of a file. */
export interface YamlObject {
  readonly file: string;
  /** The whole text of the file. */
  readonly text: string;
  readonly document: Document.Parsed;
  readonly object: Readonly<Record<string, unknown>>;
  /** Its kind: `NetworkPolicy`. */
  readonly kind: string;
}

/** Finds what it can repair in a document for certain. */
export type Repairer = (each: YamlObject) => Iterable<Omit<Repair, "file">>;
