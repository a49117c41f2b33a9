/** What a declaration is refused with. */
import type { PropertyPath } from "../property-path";
import { formatPath } from "../property-path";
import { isDeferred } from "./deferred";

/** One thing that is wrong with a declaration. Never carries a value, which might be a secret. */
export interface DeclarationProblem {
  /** Where: `["flows", 3, "ports", 0, "port"]`. */
  readonly path: PropertyPath;
  /** What stands there: `number`, `string`, `missing`, `list`, `output` … */
  readonly kind: string;
  readonly message: string;
  /** What to write instead. */
  readonly fix: string;
}

/** A declaration that cannot be planned. Carries every problem that was found. */
export class DeclarationError extends Error {
  readonly problems: readonly DeclarationProblem[];
  /** What did not happen because of it. */
  readonly outcome: string;

  /** @param outcome What did not happen because of it. Defaults to `nothing was registered`. */
  constructor(problems: readonly DeclarationProblem[], outcome = "nothing was registered") {
    const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super([`The declaration has ${count}; ${outcome}.`, ...lines].join("\n"));
    this.name = "DeclarationError";
    this.problems = problems;
    this.outcome = outcome;
  }
}

/** One line: where, what is wrong, what to write instead. */
export function describeProblem(problem: DeclarationProblem): string {
  return `${formatPath(problem.path)}: ${describeReason(problem)}`;
}

/** The same without the place. */
export function describeReason({ kind, message, fix }: DeclarationProblem): string {
  return `${message} (found: ${kind}). ${fix}`;
}

/** Names the kind of a value without showing it. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (isDeferred(value)) return "output";
  if (typeof value === "object") {
    return "__pulumiOutput" in value ? "output" : "object";
  }
  if (value === "") return "empty string";
  return typeof value;
}

/** Collects problems while a declaration is read. */
export class ProblemCollector {
  readonly problems: DeclarationProblem[] = [];

  add(path: PropertyPath, value: unknown, message: string, fix: string): void {
    this.problems.push({ path, kind: kindOf(value), message, fix });
  }

  /** @throws DeclarationError when anything was collected. */
  throwIfAny(): void {
    if (this.problems.length > 0) throw new DeclarationError(this.problems);
  }
}
