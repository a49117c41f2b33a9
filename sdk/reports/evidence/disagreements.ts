import type { Finding, RuleId } from "../../findings";
import { controls, describeControl, isViolation } from "../../findings";
import type { RuleDescription } from "../sarif";
import type { EvidenceInput } from "./collect";
import { declaredEvidence } from "./declared";
import { observedEvidence } from "./observed";
import { topicOf, topicTitles, type Topic } from "./topics";
import type { ControlEvidence, Evidence } from "./types";

/** What disagreeing evidence is called where rules are listed. */
export const evidenceDisagrees: RuleDescription = {
  id: "evidence-disagrees",
  title: "What is declared, computed and observed disagrees",
  severity: "high",
  why: "Each kind of evidence is trusted by somebody. Where two disagree, one of them is wrong.",
  description:
    "For every topic that controls are about, what the declaration states is held against what the policies come to, and both against what packets and recorded flows showed.",
  remediation: "Find out which of the two is right: explain a path that it is about, and verify the cluster again.",
  controls: [controls.nistChangeControl],
};

/** The rules that answer a topic's question itself; others only bear on it. */
const answering: Readonly<Partial<Record<Topic, readonly RuleId[]>>> = {
  "default-deny": ["namespace-default-deny", "enforcement-off"],
  metadata: ["metadata-endpoints-closed"],
  tenants: ["cross-tenant-path"],
  encryption: ["encryption-off", "mtls-not-strict"],
  enforcement: ["enforcement-off", "staged-only"],
};

/** What {@link disagreements} compares. */
export interface DisagreementInput extends EvidenceInput {
  /** Declared flows by what the policies say of them. */
  readonly flows: { readonly allowed: number; readonly denied: readonly string[]; readonly open: number };
}

/** A finding for each topic and each two kinds of evidence of which one holds and the other fails. */
export function disagreements(input: DisagreementInput, evidence: readonly ControlEvidence[]): Finding[] {
  const asked: readonly Topic[] = [...(Object.keys(answering) as Topic[]), "flows"];
  return asked.flatMap((topic) => {
    const kinds: Kind[] = [
      ["declared", declaredEvidence(topic, input.plan, input.today)],
      ["computed", topic === "flows" ? flowsOf(input) : computedOf(answering[topic] ?? [], input)],
      ["observed", observedEvidence(topic, input.observations, input.tenantOf)],
    ];
    const about = evidence.filter(({ control }) => topicOf(control) === topic);
    return pairsOf(kinds)
      .filter(contradict)
      .map((pair) => findingOf(topic, pair, about));
  });
}

type Kind = readonly [kind: "declared" | "computed" | "observed", evidence: Evidence];
type Pair = readonly [Kind, Kind];

function pairsOf(kinds: readonly Kind[]): Pair[] {
  return kinds.flatMap((first, index) => kinds.slice(index + 1).map((second): Pair => [first, second]));
}

function contradict([[, first], [, second]]: Pair): boolean {
  return [first.state, second.state].sort().join() === "fails,holds";
}

function computedOf(ids: readonly string[], { findings, rules, incomplete }: EvidenceInput): Evidence {
  const about = findings.filter((finding) => ids.includes(finding.id) && isViolation(finding));
  const [first] = about.filter(({ certainty }) => certainty === "definite");
  if (first !== undefined) return { state: "fails", text: first.message };
  if (about.length > 0 || incomplete !== undefined || !rules.some(({ id }) => ids.includes(id))) {
    return { state: "undecided", text: "it cannot be decided" };
  }
  return { state: "holds", text: `no violation (${ids.join(", ")})` };
}

function flowsOf({ flows: { allowed, denied, open } }: DisagreementInput): Evidence {
  const [first] = denied;
  if (first !== undefined) {
    return { state: "fails", text: `the policies deny ${denied.length} declared flows, such as ${first}` };
  }
  if (allowed === 0) return { state: "absent", text: "no declared flow was asked about" };
  return open > 0
    ? { state: "undecided", text: `${open} declared flows cannot be decided` }
    : { state: "holds", text: `the policies allow ${allowed} declared flows` };
}

function findingOf(topic: Topic, [first, second]: Pair, about: readonly ControlEvidence[]): Finding {
  const seen = second[1].at;
  // packets try a sample, and flows may be older than the policies: that one of them is wrong is only possible
  const doubtful =
    second[0] === "observed" && (first[1].state === "fails" || !/probes|a deny-all/.test(second[1].text));
  const refs = new Map(about.map(({ control }) => [describeControl(control), control]));
  return {
    id: evidenceDisagrees.id,
    severity: doubtful ? "medium" : evidenceDisagrees.severity,
    certainty: doubtful ? "possible" : "definite",
    subject: { kind: "Cluster", name: topicTitles[topic] },
    message: `${topicTitles[topic]}: what is ${first[0]} and what is ${second[0]} disagree`,
    because: [
      ...[first, second].map(([kind, { text }]) => `${kind}: ${text}`),
      ...(seen === undefined ? [] : [`it was observed at ${seen}`]),
    ],
    fix: evidenceDisagrees.remediation,
    controls: [...refs.values()],
  };
}
