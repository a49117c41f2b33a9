import { describeRef, hygiene as hygieneOf } from "../../reachability";
import type { HygieneIssue, Snapshot } from "../../reachability";
import { knownNamespace } from "../ends";
import { didYouMean, nearest, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import type { ListFormat } from "../print/formats";
import { printHygiene } from "../print/hygiene";
import { exitCodeOf, load, note } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface HygieneOptions extends CommonOptions<ListFormat> {
  readonly namespace: readonly string[];
  readonly direction?: "ingress" | "egress" | "both";
  /** Only issues of these kinds. */
  readonly kind: readonly string[];
  /** Exit with 1 where there is any. */
  readonly failOnAny: boolean;
}

/** The kinds of issues, each with what it says. */
const hygieneKinds: Readonly<Record<HygieneIssue["kind"], string>> = {
  unused: "a policy that selects no workload",
  dead: "a rule whose peers or ports match nothing",
  shadowed: "a rule that another rule makes superfluous",
  duplicate: "a policy or rule that another one repeats",
  "half-open": "a rule whose flow the other end does not let pass",
};

/** `cluster-security hygiene`: policies and rules that do nothing, or half of what they seem to. */
export async function hygiene(positional: readonly string[], options: HygieneOptions): Promise<ExitCode> {
  for (const kind of options.kind) checkKind(kind);
  const loaded = await load(sourcesOf(positional, options), options);
  const shown = filterOf(options, loaded.snapshot);
  const issues = [...hygieneOf(loaded.reachability)].filter(shown);
  const failed = options.failOnAny && issues.length > 0;
  const code = failed ? exitCodes.no : exitCodeOf([loaded], options);
  process.exitCode = code;
  const sources = new Map(loaded.snapshot.policies.map((policy) => [describeRef(policy), policy.source]));
  const output = outputOf(options);
  output.write(printHygiene(issues, options.format, sources));
  await output.end();
  note(summaryOf(issues), options);
  return code;
}

function checkKind(kind: string): void {
  const known = Object.keys(hygieneKinds);
  if (known.includes(kind)) return;
  throw usageError(`--kind: "${kind}" is none of ${known.join(", ")}.${didYouMean(nearest(kind, known))}`);
}

function filterOf(options: HygieneOptions, snapshot: Snapshot): (issue: HygieneIssue) => boolean {
  const namespaces = options.namespace.map((name) => knownNamespace(name, snapshot));
  const { kind: kinds, direction = "both" } = options;
  return ({ kind, policy, rule }) =>
    (kinds.length === 0 || kinds.includes(kind)) &&
    (namespaces.length === 0 || namespaces.includes(policy.namespace ?? "")) &&
    (direction === "both" || rule === undefined || rule.direction === direction);
}

function summaryOf(issues: readonly HygieneIssue[]): string {
  if (issues.length === 0) return "every policy and rule does something";
  const counts = Object.keys(hygieneKinds).flatMap((kind) => {
    const count = issues.filter((issue) => issue.kind === kind).length;
    return count === 0 ? [] : [`${count} ${kind}`];
  });
  return counts.join(", ");
}
