/** One set of policies on the real datapath, beside what the engine computes from the same cluster. */
import assert from "node:assert/strict";
import type { Verdict } from "../../sdk/reachability";
import type { ControlPlane } from "../../lab/control-plane/index";
import type { LabCluster, LabObject, LabProbe, PolicyState, RawOutcome } from "../../lab/datapath/index";
import { computedReachability, Expectation } from "../../lab/datapath/index";
import { nodeLayout } from "../../lab/datapath/layout";
import { askSocket } from "../../lab/datapath/unix-http";
import type { Names } from "./by-name";
import { verdictWithNames } from "./by-name";
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
  /** Probes that were silent until the agent computed anew what a Pass rule means; see `computeAnew`. */
  readonly stale: number;
  readonly disagreements: readonly Disagreement[];
}

/** Milliseconds of silence that close a path: nothing in the lab is more than a millisecond away. */
const silence = 600;

/** Milliseconds that a probe gets when its first silence is doubted. */
const patience = 5000;

/** Selects every pod and changes nothing for it. */
const noEffect: LabObject = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumClusterwideNetworkPolicy",
  metadata: { name: "no-effect" },
  spec: {
    endpointSelector: {},
    enableDefaultDeny: { ingress: false, egress: false },
    ingress: [{}],
    egress: [{}],
  },
};

export interface CompareOptions {
  /**
   * Names that every pod among the sources asks for first. An address that no rule opens by itself is then judged by the
   * names that lie there.
   */
  readonly ask?: AskedNames;
  /** Addresses that the node carries beside its own: no snapshot tells of them. Default none. */
  readonly onNode?: readonly string[];
}

/** A DNS server, and what it answers. */
export interface AskedNames {
  readonly server: string;
  readonly names: Names;
}

/**
 * Applies the policies, waits for the agent's word, tries all probes and removes the policies again. Silence where the
 * engine expects an answer is doubted with more time, since the machine may have been busy, and where there is a Pass rule
 * once more after the agent has computed everything anew. An answer is never doubted.
 */
export async function compareOnDatapath(
  on: { readonly cluster: LabCluster; readonly controlPlane: ControlPlane },
  policies: readonly LabObject[],
  probes: readonly LabProbe[],
  { ask, onNode = [] }: CompareOptions = {},
): Promise<Agreement> {
  const { cluster, controlPlane } = on;
  if (ask) await forgetNames(cluster);
  try {
    const states = await cluster.apply(policies);
    const reachability = await computedReachability(controlPlane);
    const expectation = new Expectation(reachability, await cluster.pods(), cluster.nodes);
    const learned = ask ? await learn(cluster, ask, probes) : new Set<string>();
    const computed = probes.map((probe) => {
      const flow = expectation.flow(onNode.includes(probe.to) ? { ...probe, to: "node" } : probe);
      const wasTold = (name: string): boolean => learned.has(`${probe.from} ${name}`);
      return flow && verdictWithNames(reachability, flow, ask?.names ?? {}, wasTold);
    });
    const outcomes = [...(await cluster.probe(probes, { timeout: silence, parallel: 300 }))];
    const doubted = (): readonly { readonly probe: LabProbe; readonly index: number }[] =>
      probes.flatMap((probe, index) =>
        outcomes[index]?.verdict === "denied" && computed[index] === "allowed" ? [{ probe, index }] : [],
      );
    /** Tries once more what is silent and must not be; returns how much of it connects now. */
    const again = async (): Promise<number> => {
      const chosen = doubted();
      const later = await cluster.probe(
        chosen.map(({ probe }) => probe),
        { timeout: patience },
      );
      chosen.forEach(({ index }, position) => {
        const outcome = later[position];
        if (outcome) outcomes[index] = outcome;
      });
      return later.filter(({ verdict }) => verdict === "allowed").length;
    };
    const slow = await again();
    const mayBeStale = policies.some(hasPass) && doubted().length > 0;
    if (mayBeStale) await computeAnew(cluster);
    const stale = mayBeStale ? await again() : 0;
    return summarize(states, probes, computed, outcomes, { slow, stale });
  } finally {
    await cluster.remove(policies);
  }
}

/** Whether a ClusterNetworkPolicy passes something on to the next tier. */
function hasPass({ kind, spec }: LabObject): boolean {
  return kind === "ClusterNetworkPolicy" && JSON.stringify(spec).includes('"action":"Pass"');
}

/**
 * Has the agents compute the policies of every pod anew, by a policy that comes and goes again.
 *
 * Needed for what Cilium 1.20.2 does with a Pass rule (pkg/policy/mapstate.go): an identity – a pod with labels that none
 * had, an address range – that comes into being while the rule is in force gets an entry of its own. In the agent it stands
 * for "decided in a later tier", in the kernel's table it is a deny before all others. Measured in
 * cases.enforcement.test.ts, "what a Pass rule does to who comes later".
 */
export async function computeAnew(cluster: LabCluster): Promise<void> {
  try {
    await cluster.apply([noEffect]);
  } finally {
    await cluster.remove([noEffect]);
  }
}

/** Has the agents forget what names they have learned: for other policies they might not have learned them. */
async function forgetNames(cluster: LabCluster): Promise<void> {
  for (const node of cluster.nodes) {
    const { status, text } = await askSocket(nodeLayout(node).agentSocket, "DELETE", "/v1/fqdn/cache");
    assert.equal(status, 200, `the agent keeps its names: ${text}`);
  }
}

/** Has every source ask for all names; returns "pod name" for each answer. */
async function learn(
  cluster: LabCluster,
  { server, names }: AskedNames,
  probes: readonly LabProbe[],
): Promise<Set<string>> {
  const sources = [...new Set(probes.map(({ from }) => from).filter((from) => from.includes("/")))];
  const questions = sources.flatMap((from) =>
    Object.keys(names).map((name): LabProbe => ({ from, to: `service:${server}`, port: 53, protocol: "dns", name })),
  );
  const answers = await cluster.probe(questions, { timeout: silence });
  const answered = questions.filter((_question, index) => (answers[index]?.answers ?? []).length > 0);
  return new Set(answered.map(({ from, name = "" }) => `${from} ${name}`));
}

function summarize(
  states: readonly PolicyState[],
  probes: readonly LabProbe[],
  computed: readonly (Verdict | undefined)[],
  outcomes: readonly RawOutcome[],
  doubts: Pick<Agreement, "slow" | "stale">,
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
  return { states, measured, compared, allowed, open, ...doubts, disagreements };
}

/** One line a disagreement. */
export function describeDisagreements(disagreements: readonly Disagreement[]): string[] {
  return disagreements.map(
    ({ probe, measured, computed }) => `${describeProbe(probe)}: measured ${measured}, computed ${computed}`,
  );
}
