/**
 * Proof by packets: tries what a declaration allows and a sample of what it does not, and says where the cluster does
 * something else. A canary comes first: where a deny-all does not block, no probe proves anything.
 */
import type { Plan } from "../plan";
import type { Reachability } from "../reachability";
import { isPolicy } from "../reachability";
import type { ScenarioFlow } from "./scenario-probes";
import { scenarioProbes } from "./scenario-probes";
import type { Probe, ProbeOptions, ProbePlan, Unprobed } from "./verify-probes";
import { describeProbe, probesFor } from "./verify-probes";

/** What came of a probe. */
export interface ProbeOutcome {
  /**
   * "connected": an answer came back. "blocked": silence, an ICMP error on the way, or a reset where something listens for
   * certain, which an enforcer has sent. "refused": a reset came back – from the other end, which was reached and does not
   * listen, or from an enforcer that rejects: where nothing may pass it counts as passed, where something must pass it
   * proves nothing. "failed": it could not be tried, which proves nothing.
   */
  readonly outcome: "connected" | "blocked" | "refused" | "failed";
  readonly detail?: string;
}

/** What the canary saw. */
export interface CanaryResult {
  /** Two pods of the executor's own talk while a policy opens them to everybody. */
  readonly connectsBefore: boolean;
  /** They are cut off once a deny-all is all that selects them. */
  readonly blockedAfter: boolean;
  /** Why, in a sentence, where one of the two is false. */
  readonly detail?: string;
}

/** Something that can open connections from the pods of a cluster. */
export interface ProbeExecutor {
  /** How it is called in reports: "lab", "context prod". */
  readonly name: string;
  /** Addresses outside the cluster that answer, as far as it knows. */
  readonly outside: readonly string[];
  /** It has nothing outside the cluster to send from: the addresses outside only answer. Default false. */
  readonly outsideOnlyAnswers?: boolean;
  /** Ids of the workloads that have a pod to probe from and to. */
  present(): Promise<ReadonlySet<string>>;
  /** Those of them that probes can start from. Default: all. */
  sources?(): Promise<ReadonlySet<string>>;
  /** Why a workload is not present, in words. Default: none of its pods is ready. */
  whyAbsent?(id: string): string | undefined;
  canary(): Promise<CanaryResult>;
  /** Outcomes in the order of the probes. */
  run(probes: readonly Probe[]): Promise<readonly ProbeOutcome[]>;
}

/** A probe with its outcome. */
export interface VerifiedProbe {
  readonly probe: Probe;
  readonly outcome: ProbeOutcome;
  /** What was expected came about; undefined where nothing was proved. */
  readonly holds: boolean | undefined;
}

/** How a cluster differs from what was computed from its policies. */
interface EnforcementFinding {
  readonly id: "enforcement-differs" | "policy-missing";
  readonly severity: "critical" | "high";
  readonly message: string;
}

/** The result of a verification. */
export interface Verification {
  /** When it ended, RFC 3339; absent where nobody noted it. */
  readonly at?: string;
  /**
   * "holds": every probe did what it must. "violated": one did not, or a declared policy is missing. "incomplete": some proved nothing. "no-evidence": the
   * canary was not blocked, so nothing was tried.
   */
  readonly verdict: "holds" | "violated" | "incomplete" | "no-evidence";
  readonly executor: string;
  readonly canary: CanaryResult;
  /** The policies that the declaration means, as `Kind namespace/name`, and those of them that the cluster does not have. */
  readonly policies: { readonly declared: readonly string[]; readonly missing: readonly string[] };
  readonly probes: readonly VerifiedProbe[];
  /** Parts of the declaration that no probe stands for. */
  readonly unprobed: readonly Unprobed[];
  readonly findings: readonly EnforcementFinding[];
}

export interface VerifyOptions {
  /** What is declared. Absent: the policies themselves say what is expected. */
  readonly plan?: Plan;
  readonly sample?: ProbeOptions["sample"];
  /** These connections, in place of what is derived. */
  readonly scenarios?: readonly ScenarioFlow[];
  /** Only these of the probes. Default: all. */
  readonly only?: (probe: Probe) => boolean;
}

/** Verifies a cluster through an executor. `reachability` is what its policies say, read from the cluster itself. */
export async function verify(
  reachability: Reachability,
  executor: ProbeExecutor,
  options: VerifyOptions = {},
): Promise<Verification> {
  const canary = await executor.canary();
  const policies = declaredPolicies(reachability, options.plan);
  const about = { executor: executor.name, canary, policies };
  if (!canary.connectsBefore || !canary.blockedAfter) {
    return { ...about, verdict: "no-evidence", probes: [], unprobed: [], findings: [] };
  }
  const { probes, unprobed } = await plannedProbes(reachability, executor, options);
  const outcomes = await executor.run(probes);
  const verified = probes.map((probe, index) =>
    judge(probe, outcomes[index] ?? { outcome: "failed", detail: "the executor told nothing about it" }),
  );
  const findings = [...policies.missing.map(missing), ...verified.flatMap(difference)];
  const verdict = verdictOf(verified, policies.missing, unprobed);
  return { ...about, verdict, probes: verified, unprobed, findings };
}

/** What would be tried through an executor, and what cannot be. */
export async function plannedProbes(
  reachability: Reachability,
  executor: ProbeExecutor,
  { plan, sample, scenarios, only = () => true }: VerifyOptions = {},
): Promise<ProbePlan> {
  const about: ProbeOptions = {
    outside: executor.outside,
    outsideOnlyAnswers: executor.outsideOnlyAnswers ?? false,
    present: await executor.present(),
    ...(executor.sources ? { sources: await executor.sources() } : {}),
    whyAbsent: (id) => executor.whyAbsent?.(id),
    ...(sample === undefined ? {} : { sample }),
  };
  const found =
    scenarios === undefined
      ? probesFor(reachability, plan, about)
      : scenarioProbes(reachability, plan, scenarios, about);
  return { probes: found.probes.filter(only), unprobed: found.unprobed };
}

/**
 * Kinds are compared as the snapshot reads them: what it takes for no policy of the network (a group of CIDRs, an admission
 * policy) is not asked for.
 */
function declaredPolicies(reachability: Reachability, plan: Plan | undefined): Verification["policies"] {
  const nameOf = (kind: string, name: string, namespace: string | undefined): string =>
    `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  const present = new Set(
    reachability.snapshot.policies.map(({ kind, name, namespace }) => nameOf(kind, name, namespace)),
  );
  const declared = (plan?.documents ?? [])
    .filter(({ object }) => isPolicy(object.apiVersion, object.kind))
    .map(({ object }) => nameOf(object.kind, object.metadata.name, object.metadata.namespace));
  return { declared, missing: declared.filter((policy) => !present.has(policy)) };
}

function missing(policy: string): EnforcementFinding {
  return { id: "policy-missing", severity: "high", message: `${policy} is declared, and the cluster does not have it` };
}

function judge(probe: Probe, outcome: ProbeOutcome): VerifiedProbe {
  return { probe, outcome, holds: holds(probe.expected, outcome.outcome) };
}

function holds(expected: Probe["expected"], outcome: ProbeOutcome["outcome"]): boolean | undefined {
  switch (outcome) {
    case "connected":
      return expected === "allowed";
    case "blocked":
      return expected === "denied";
    case "refused":
      return expected === "denied" ? false : undefined;
    case "failed":
      return undefined;
  }
}

/** Nothing tried is nothing proved. */
function verdictOf(
  probes: readonly VerifiedProbe[],
  missingPolicies: readonly string[],
  unprobed: readonly Unprobed[],
): Verification["verdict"] {
  if (missingPolicies.length > 0 || probes.some((each) => each.holds === false)) return "violated";
  const open = probes.some((each) => each.holds === undefined) || unprobed.some(({ wanted }) => wanted === true);
  return probes.length === 0 || open ? "incomplete" : "holds";
}

/** Where the packets say something else than the policies: the enforcer, or what was computed, is wrong. */
function difference({ probe, outcome }: VerifiedProbe): EnforcementFinding[] {
  if (probe.computed === "unknown" || holds(probe.computed, outcome.outcome) !== false) return [];
  const connected = outcome.outcome !== "blocked";
  const found = connected ? "connects although its policies deny it" : "is blocked although its policies allow it";
  return [
    {
      id: "enforcement-differs",
      severity: connected ? "critical" : "high",
      message: `${describeProbe(probe)} ${found}`,
    },
  ];
}
