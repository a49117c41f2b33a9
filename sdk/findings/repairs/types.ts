import type { YAMLMap } from "yaml";
import type { Peer } from "../../reachability";
import type { RuleId } from "../rules";

/** A piece of a file's text to be replaced. */
export interface TextEdit {
  /** Offsets in the file, the second one not included; the same twice to insert. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What a repair may do to a path: anything, or what a condition lets pass. */
export type Permission = true | ((path: ChangedPath) => boolean);

/** A path that a repair changes, between workloads, new pods and addresses. */
export interface ChangedPath {
  readonly source: Peer;
  readonly destination: Peer;
  /** `ns/name[Kind]` of ends that were read. */
  readonly sourceId?: string;
  readonly destinationId?: string;
  readonly opens: boolean;
  readonly closes: boolean;
}

/** A repair of one object of a file. */
export interface Repair {
  readonly file: string;
  /** `NetworkPolicy/shop/allow-web`; nothing for an object that is added. */
  readonly object?: string;
  /** Which of several that do the same in one object. */
  readonly nth?: number;
  /** 1-based line that it changes first. */
  readonly line: number;
  /** The finding that goes with it. */
  readonly rule: RuleId;
  /** What it does, in words. */
  readonly what: string;
  readonly edits: readonly TextEdit[];
  /** The namespace that the finding is about; nothing where it is about the object. */
  readonly namespace?: string;
  /** It is tried by itself: only that shows that the finding is about this place. */
  readonly alone?: true;
  /** It waits until no other repair is left. */
  readonly last?: true;
  /** The paths that it may open. Default: none. */
  readonly mayOpen?: Permission;
  /** The paths that it may close. Default: none. */
  readonly mayClose?: Permission;
}

/** One Kubernetes object in a file: a document, or an item of a List. */
export interface YamlObject {
  readonly file: string;
  /** The whole text of the file. */
  readonly text: string;
  readonly root: YAMLMap;
  /** Offsets of the document that holds it: findings name the line of a List for its items. */
  readonly within: readonly [number, number];
  readonly object: Readonly<Record<string, unknown>>;
  /** Its kind: `NetworkPolicy`. */
  readonly kind: string;
  readonly apiVersion: string;
}

/** Finds what it can repair in an object for certain. */
export type Repairer = (each: YamlObject) => Iterable<Omit<Repair, "file" | "object" | "nth">>;
