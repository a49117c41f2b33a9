/** Rules and policies as answers name them. */
import type { Direction } from "../model/direction";
import { describeRef, type ObjectRef } from "../model/objects";
import type { CompiledPolicy, Rule } from "../model/rules";
import type { RuleRef } from "../model/verdicts";

/** The object of a policy. */
export function refOf(policy: CompiledPolicy): ObjectRef {
  const { apiVersion, kind, namespace, name } = policy.origin;
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** A rule, with its place in the policy and in the file. */
export function ruleRef(policy: CompiledPolicy, rule: Rule, direction: Direction): RuleRef {
  const { source } = policy.origin;
  return {
    policy: refOf(policy),
    direction,
    path: rule.path,
    verdict: rule.verdict,
    ...(source === undefined ? {} : { source }),
  };
}

/** `NetworkPolicy a/web spec.ingress[0] (policies.yaml:12)`. */
export function describeRule(rule: RuleRef): string {
  const { source } = rule;
  const place =
    source?.file === undefined ? "" : ` (${source.file}${source.line === undefined ? "" : `:${source.line}`})`;
  return `${describeRef(rule.policy)} ${rule.path}${place}`;
}
