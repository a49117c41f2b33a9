/** One set of policies on the real datapath, beside what the engine computes from the same cluster. */
import type { Verdict } from "../../sdk/reachability";
import type { ControlPlane } from "../../lab/control-plane/index";
import type { LabCluster, LabObject, LabProbe, PolicyState, RawOutcome } from "../../lab/datapath/index";
import { computedReachability, Expectation } from "../../lab/datapath/index";
import { describeProbe } from "./world";

export interface Disagreement {
  readonly probe: LabProbe;
  readonly measured: string;
  readonly computed: Verdict;
}

/** What was found for one set. */
export interface Agreement {
  readonly states: readonly PolicyState[];
  readonly measured: readonly RawOutcome["verdict"][];
  /** Probes with a definite verdict on both sides. */
  readonly compared: number;
  /** Probes that connected. */
  readonly allowed: number;
  /** Probes for which the engine says that it depends. */
  readonly open: number;
  /** Probes that were silent at first and connected when given more time. */
  readonly slow: number;
  readonly disagreements: readonly Disagreement[];
}

/** Milliseconds that a probe gets when its first silence is doubted. */
const patience = 5000;

/**
 * Applies the policies, waits for the agent's word, tries all probes and removes the policies again. Silence where the
 * engine expects an answer is doubted once, with more time: the machine may have been busy. An answer is never doubted.
 */
export async function compareOnDatapath(
  on: { readonly cluster: LabCluster; readonly controlPlane: ControlPlane },
  policies: readonly LabObject[],
  probes: readonly LabProbe[],
): Promise<Agreement> {
  const { cluster, controlPlane } = on;
  try {
    const states = await cluster.apply(policies);
    const reachability = await computedReachability(controlPlane);
    const expectation = new Expectation(reachability, await cluster.pods(), cluster.nodes);
    const computed = probes.map((probe) => expectation.verdict(probe));
    const outcomes = [...(await cluster.probe(probes, { timeout: 800 }))];
    const doubted = probes.flatMap((_probe, index) =>
      outcomes[index]?.verdict === "denied" && computed[index] === "allowed" ? [index] : [],
    );
    const again = await cluster.probe(
      doubted.flatMap((index) => probes[index] ?? []),
      { timeout: patience },
    );
    doubted.forEach((index, position) => {
      const outcome = again[position];
      if (outcome) outcomes[index] = outcome;
    });
    return summarize(states, probes, computed, outcomes, again.filter(({ verdict }) => verdict === "allowed").length);
  } finally {
    await cluster.remove(policies);
  }
}

function summarize(
  states: readonly PolicyState[],
  probes: readonly LabProbe[],
  computed: readonly (Verdict | undefined)[],
  outcomes: readonly RawOutcome[],
  slow: number,
): Agreement {
  const disagreements: Disagreement[] = [];
  let compared = 0;
  let open = 0;
  probes.forEach((probe, index) => {
    const wanted = computed[index];
    const outcome = outcomes[index];
    // a probe that could not be tried, or an end that the engine does not know, is never passed over
    if (!outcome || outcome.verdict === "error" || wanted === undefined) {
      const measured = outcome ? `${outcome.verdict}: ${outcome.reason ?? ""}` : "not tried";
      disagreements.push({ probe, measured, computed: wanted ?? "unknown" });
    } else if (wanted === "unknown") {
      open += 1;
    } else {
      compared += 1;
      if (outcome.verdict !== wanted) disagreements.push({ probe, measured: outcome.verdict, computed: wanted });
    }
  });
  const measured = outcomes.map(({ verdict }) => verdict);
  const allowed = measured.filter((verdict) => verdict === "allowed").length;
  return { states, measured, compared, allowed, open, slow, disagreements };
}

/** One line a disagreement. */
export function describeDisagreements(disagreements: readonly Disagreement[]): string[] {
  return disagreements.map(
    ({ probe, measured, computed }) => `${describeProbe(probe)}: measured ${measured}, computed ${computed}`,
  );
}
