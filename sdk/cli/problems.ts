import { describeRef, isPolicy } from "../reachability";
import type { Problem } from "../reachability";
import { describeSource } from "../reports/source";
import { locate } from "./locate";
import { printable } from "./output";

/** How many kinds of problems are printed unless the user wants all. */
const shownKinds = 6;
/** So many problems of one kind are printed each; of more, the first represents all. */
const shownOfKind = 2;

/** One problem in one line: `policies.yaml:12: NetworkPolicy shop/web: spec.ingress[0].from: is no list [invalid-value]`. */
export function describeProblem(problem: Problem): string {
  const parts = [
    describeSource(problem.path === undefined ? problem.source : locate(problem.source, problem.path)),
    problem.object === undefined ? undefined : describeRef(problem.object),
    // The message may begin with the path already.
    problem.path === undefined || problem.message.includes(problem.path) ? undefined : problem.path,
    `${problem.message} [${problem.code}]`,
  ];
  return printable(parts.filter((part) => part !== undefined).join(": "));
}

/**
 * The lines that tell about problems: each one, or the first of each kind and how many more there are. Those of policies come
 * first, then what cannot be read, first where verdicts depend on it.
 */
export function problemLines(problems: readonly Problem[], all: boolean): string[] {
  if (all) return problems.map((problem) => `problem: ${describeProblem(problem)}`);
  const byKind = new Map<string, Problem[]>();
  for (const problem of problems) {
    const kind = kindOf(problem);
    byKind.set(kind, [...(byKind.get(kind) ?? []), problem]);
  }
  const kinds = [...byKind.values()].sort(([a], [b]) => rankOf(a) - rankOf(b));
  const lines = kinds.slice(0, shownKinds).flatMap((group) => {
    const shown = group.length > shownOfKind ? group.slice(0, 1) : group;
    const rest = group.length - shown.length;
    const more = rest === 0 ? "" : ` (and ${rest} more like it)`;
    return shown.map((problem) => `problem: ${describeProblem(problem)}${more}`);
  });
  if (lines.length < problems.length) {
    lines.push(`problem: ${problems.length} in all (--all-problems prints each)`);
  }
  return lines;
}

/** What a problem is about, without the object that has it: the values and places in its message are left out. */
function kindOf({ code, message, path }: Problem): string {
  const program = /^(?:--render: there is no \S+|(?:helm|kustomize|kubectl) .* failed)/.exec(message)?.[0];
  if (program !== undefined) return `${code} ${program.split(" ")[0] ?? ""} ${program.split(" ").pop() ?? ""}`;
  const about = path === undefined ? message : message.replace(path, "");
  return `${code} ${about
    .replace(/(metadata|spec|data)\.\S+/g, "")
    .replace(/"[^"]*"|\([^)]*\)|\$?\{+[^}]*\}+|, \S+: render|\d+/g, "")}`;
}

function rankOf(problem: Problem | undefined): number {
  const { object, code, affectsVerdicts } = problem ?? {};
  if (object !== undefined && isPolicy(object.apiVersion, object.kind)) return 0;
  if (code !== "unreadable") return 3;
  // what keeps the command from answering at all
  return affectsVerdicts === true ? 1 : 2;
}
