/** Why a flow passes or not. */
import type { Endpoint } from "../compile/endpoints";
import { trafficOfFlow, verdictOn, type Engine } from "../compile/engine";
import { directionOf, trafficOfRule, type Selection } from "../compile/evaluate";
import { intersect, when, everything } from "../compile/traffic-range";
import { describeRef, type ObjectRef } from "../objects";
import type { Rule } from "../rules";
import { NO } from "../unknown";
import type { Direction, DirectionExplanation, Explanation, ExplanationStep, Flow, RuleRef } from "../verdicts";

export function explainFlow(engine: Engine, flow: Flow): Explanation {
  const [source] = engine.endpoints.resolve(flow.source);
  const [destination] = engine.endpoints.resolve(flow.destination);
  const traffic = engine.traffic(flow.source, flow.destination);
  return {
    flow,
    verdict: verdictOn(traffic, trafficOfFlow(flow)),
    egress: explainDirection(engine, flow, "egress", source as Endpoint, destination as Endpoint),
    ingress: explainDirection(engine, flow, "ingress", source as Endpoint, destination as Endpoint),
    traffic: { allowed: traffic.must, possible: traffic.may },
    flip: [],
  };
}

function explainDirection(
  engine: Engine,
  flow: Flow,
  direction: Direction,
  source: Endpoint,
  destination: Endpoint,
): DirectionExplanation {
  const asked = trafficOfFlow(flow);
  const subject = direction === "ingress" ? destination : source;
  const peer = direction === "ingress" ? source : destination;
  const verdict = verdictOn(engine.direction(direction, source, destination), asked);
  const chain: ExplanationStep[] = [];
  const isolatedBy: ObjectRef[] = [];
  let deciding: RuleRef | undefined;
  for (const { policies, rules, isolated } of engine.index.of(subject)[direction]) {
    if (isolated !== NO) {
      isolatedBy.push(...policies.filter((each) => isolates(each, direction)).map((each) => refOf(each)));
    }
    for (const { selection, rule } of rules) {
      const ref = ruleRef(selection, rule, direction);
      const hit = when(selection.selected, trafficOfRule(rule, subject, peer, destination, engine.context));
      const fits = verdictOn(intersect(everything, hit), asked);
      if (fits === "denied") continue;
      if (deciding === undefined && fits === "allowed" && rule.verdict !== "pass") deciding = ref;
      chain.push({
        rule: ref,
        outcome:
          rule.verdict === "pass"
            ? "passed"
            : deciding === ref
              ? "decided"
              : fits === "allowed"
                ? "matched"
                : "maybe-matched",
        text: `${describeRef(ref.policy)} ${ref.path} (${rule.verdict})`,
      });
    }
  }
  const reason =
    deciding === undefined
      ? isolatedBy.length === 0
        ? "no policy closes this direction: everything passes"
        : `closed by default by ${isolatedBy.map(describeRef).join(", ")}; no rule lets this pass`
      : `${describeRef(deciding.policy)} ${deciding.path} ${deciding.verdict === "allow" ? "allows" : "denies"} it`;
  return {
    direction,
    subject: subject.kind === "pod" ? subject.name : "none",
    verdict,
    isolatedBy,
    ...(deciding === undefined ? {} : { deciding }),
    reason,
    chain,
  };
}

function isolates(selection: Selection, direction: Direction): boolean {
  return selection.selected !== NO && (directionOf(selection.policy, direction)?.isolates ?? NO) !== NO;
}

function refOf({ policy }: Selection): ObjectRef {
  const { apiVersion, kind, namespace, name } = policy.origin;
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

function ruleRef(selection: Selection, rule: Rule, direction: Direction): RuleRef {
  const { source } = selection.policy.origin;
  return {
    policy: refOf(selection),
    direction,
    path: rule.path,
    verdict: rule.verdict,
    ...(source === undefined ? {} : { source }),
  };
}
