import { describeRef } from "../reachability";
import type { Problem } from "../reachability";
import { describeSource } from "../reports/source";
import { locate } from "./locate";
import { printable } from "./output";

/** How many problems are printed unless the user wants all. */
const shownProblems = 50;

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

/** The lines that tell about problems: each one, or the first ones and how many more there are. */
export function problemLines(problems: readonly Problem[], all: boolean): string[] {
  const shown = all ? problems : problems.slice(0, shownProblems);
  const lines = shown.map((problem) => `problem: ${describeProblem(problem)}`);
  const rest = problems.length - shown.length;
  if (rest > 0) lines.push(`problem: and ${rest} more (--all-problems prints them)`);
  return lines;
}
