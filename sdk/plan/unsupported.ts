import type { PropertyPath } from "../property-path";
import { formatPath } from "../property-path";
import { UnsupportedHandling } from "./declaration";
import type { PlanWarning, WarningCode } from "./documents";
import type { DeclarationProblem } from "./errors";
import { DeclarationError } from "./errors";
import type { ModelFlow } from "./model";

/** Collects what a dialect cannot say: as warnings, or as a refusal, as the declaration chooses. */
export class Shortfalls {
  private readonly found = new Map<
    WarningCode,
    { message: string; fix: string; paths: Map<string, PropertyPath>; serious: boolean }
  >();
  private readonly critical = new Map<string, DeclarationProblem>();

  /** The policy API cannot express a flow, or one side of it. A critical one is never lost: the declaration is refused. */
  lostFlow(code: WarningCode, flow: ModelFlow, message: string, fix: string): void {
    if (flow.critical) {
      const cut = `${message} The flow is marked critical and must not be dropped.`;
      this.critical.set(`${formatPath(flow.path)} ${code}`, { path: flow.path, kind: code, message: cut, fix });
    }
    this.lost(code, flow.path, message, fix);
  }

  /** Something declared is lost or weakened in this dialect. */
  lost(code: WarningCode, path: PropertyPath, message: string, fix: string): void {
    this.add(code, path, message, fix, true);
  }

  /**
   * Something to know about; never a reason to refuse.
   *
   * @param detail What is printed beside the path: an owner, a last day. Defaults to nothing.
   */
  note(code: WarningCode, path: PropertyPath, message: string, fix: string, detail?: string): void {
    this.add(code, path, message, fix, false, detail);
  }

  /**
   * Something without which nothing of the dialect works.
   *
   * @throws DeclarationError at once.
   */
  refuse(code: WarningCode, path: PropertyPath, message: string, fix: string): never {
    throw new DeclarationError([{ path, kind: code, message, fix }]);
  }

  private add(
    code: WarningCode,
    path: PropertyPath,
    message: string,
    fix: string,
    serious: boolean,
    detail?: string,
  ): void {
    const entry = this.found.get(code) ?? { message, fix, paths: new Map<string, PropertyPath>(), serious };
    entry.paths.set(detail === undefined ? formatPath(path) : `${formatPath(path)} (${detail})`, path);
    this.found.set(code, entry);
  }

  /** @throws DeclarationError for critical paths that would be cut, and for any loss when the declaration asks for refusal. */
  settle(handling: UnsupportedHandling): readonly PlanWarning[] {
    if (this.critical.size > 0) throw new DeclarationError([...this.critical.values()]);
    if (handling === UnsupportedHandling.Refuse) {
      const problems = [...this.found.values()]
        .filter((entry) => entry.serious)
        .flatMap(({ message, fix, paths }) =>
          [...paths.values()].map((path): DeclarationProblem => ({ path, kind: "unsupported", message, fix })),
        );
      if (problems.length > 0) throw new DeclarationError(problems);
    }
    return [...this.found.entries()].map(([code, { message, fix, paths }]) => ({
      code,
      message: `${message} ${fix}`,
      paths: [...paths.keys()],
    }));
  }
}
