/**
 * Proof by packets: tries what a declaration allows and a sample of what it does not, and says where the cluster does
 * something else. A canary comes first: where a deny-all does not block, no probe proves anything.
 */
import type { Plan } from "../plan";
import type { Reachability } from "../reachability";
import type { Probe, ProbeOptions, Unprobed } from "./verify-probes";
import { describeProbe, probesFor } from "./verify-probes";

/** What came of a probe. */
export interface ProbeOutcome {
  /**
   * "connected": an answer came back, or a refusal by the other end, which was reached. "blocked": silence, or an ICMP
   * error on the way. "failed": it could not be tried, which proves nothing.
   */
  readonly outcome: "connected" | "blocked" | "failed";
  readonly detail?: string;
}

/** What the canary saw. */
export interface CanaryResult {
  /** Two pods of the executor's own talk while no policy selects them. */
  readonly connectsBefore: boolean;
  /** They are cut off once a deny-all selects them. */
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
  /** Ids of the workloads that have a pod to probe from and to. */
  present(): Promise<ReadonlySet<string>>;
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
export interface EnforcementFinding {
  readonly id: "enforcement-differs";
  readonly severity: "critical" | "high";
  readonly message: string;
}

/** The result of a verification. */
export interface Verification {
  /**
   * "holds": every probe did what it must. "violated": one did not. "incomplete": some proved nothing. "no-evidence": the
   * canary was not blocked, so nothing was tried.
   */
  readonly verdict: "holds" | "violated" | "incomplete" | "no-evidence";
  readonly executor: string;
  readonly canary: CanaryResult;
  readonly probes: readonly VerifiedProbe[];
  /** Parts of the declaration that no probe stands for. */
  readonly unprobed: readonly Unprobed[];
  readonly findings: readonly EnforcementFinding[];
}

export interface VerifyOptions {
  /** What is declared. Absent: the policies themselves say what is expected. */
  readonly plan?: Plan;
  readonly sample?: ProbeOptions["sample"];
}

/** Verifies a cluster through an executor. `reachability` is what its policies say, read from the cluster itself. */
export async function verify(
  reachability: Reachability,
  executor: ProbeExecutor,
  options: VerifyOptions = {},
): Promise<Verification> {
  const canary = await executor.canary();
  const about = { executor: executor.name, canary };
  if (!canary.connectsBefore || !canary.blockedAfter) {
    return { ...about, verdict: "no-evidence", probes: [], unprobed: [], findings: [] };
  }
  const { probes, unprobed } = probesFor(reachability, options.plan, {
    outside: executor.outside,
    present: await executor.present(),
    ...(options.sample === undefined ? {} : { sample: options.sample }),
  });
  const outcomes = await executor.run(probes);
  const verified = probes.map((probe, index) =>
    judge(probe, outcomes[index] ?? { outcome: "failed", detail: "the executor told nothing about it" }),
  );
  return { ...about, verdict: verdictOf(verified), probes: verified, unprobed, findings: verified.flatMap(difference) };
}

function judge(probe: Probe, outcome: ProbeOutcome): VerifiedProbe {
  if (outcome.outcome === "failed") return { probe, outcome, holds: undefined };
  return { probe, outcome, holds: (outcome.outcome === "connected") === (probe.expected === "allowed") };
}

/** Nothing tried is nothing proved. */
function verdictOf(probes: readonly VerifiedProbe[]): Verification["verdict"] {
  if (probes.some(({ holds }) => holds === false)) return "violated";
  return probes.length === 0 || probes.some(({ holds }) => holds === undefined) ? "incomplete" : "holds";
}

/** Where the packets say something else than the policies: the enforcer, or what was computed, is wrong. */
function difference({ probe, outcome }: VerifiedProbe): EnforcementFinding[] {
  if (outcome.outcome === "failed" || probe.computed === "unknown") return [];
  const connected = outcome.outcome === "connected";
  if (connected === (probe.computed === "allowed")) return [];
  const found = connected ? "connects although its policies deny it" : "is blocked although its policies allow it";
  return [
    {
      id: "enforcement-differs",
      severity: connected ? "critical" : "high",
      message: `${describeProbe(probe)} ${found}`,
    },
  ];
}
