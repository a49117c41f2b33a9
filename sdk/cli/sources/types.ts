import type { Problem, SourcedObject } from "../../reachability";

/** What was read of one or several sources. */
export interface SourceContent {
  readonly objects: readonly SourcedObject[];
  /**
   * What could not be read. One that `affectsVerdicts` is a hole: anything might have stood there, so there is no answer
   * unless the user accepts that (`--allow-problems`), and then nothing counts as allowed for certain.
   */
  readonly problems: readonly Problem[];
  /** Worth a line on stderr, and no problem: documents of a folder that are no Kubernetes objects. */
  readonly notes: readonly string[];
}

/** Several contents as one. */
export function joinContents(contents: readonly SourceContent[]): SourceContent {
  if (contents.length === 1 && contents[0]) return contents[0];
  return {
    objects: contents.flatMap((content) => content.objects),
    problems: contents.flatMap((content) => content.problems),
    notes: contents.flatMap((content) => content.notes),
  };
}

/** How the text of a file is understood. */
export type TextForm = "manifests" | "state" | "preview" | "declaration";

/** The values of `--as`: by content, or as the user says. */
export const textForms = ["auto", "manifests", "state", "preview", "declaration"] as const;
