/** Problems of a declaration as users read them. */
import type { DeclarationProblem } from "../../sdk/plan/index";
import { formatPath } from "../../sdk/property-path";

export interface PrintedProblem extends Omit<DeclarationProblem, "path"> {
  readonly path: string;
}

/** The same problems, with their paths written out. */
export function printed(problems: readonly DeclarationProblem[]): readonly PrintedProblem[] {
  return problems.map((problem) => ({ ...problem, path: formatPath(problem.path) }));
}
