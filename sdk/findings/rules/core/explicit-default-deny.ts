import type { KubeObject } from "../../../reachability";
import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { policyObjects, policySubject } from "../../policy-rules";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * In Cilium a policy that allows something also closes everything else for the pods it selects, unless it says
 * otherwise. A policy that says which it means cannot close pods by surprise.
 */
export const explicitDefaultDeny: Rule = {
  id: "explicit-default-deny",
  title: "A Cilium policy does not state whether it isolates",
  severity: "low",
  why: "A Cilium policy that allows something also isolates the pods it selects, unless enableDefaultDeny is false; stating it avoids surprises.",
  description: "Every CiliumClusterwideNetworkPolicy sets enableDefaultDeny for each direction that it has rules for.",
  remediation: "Set enableDefaultDeny: false on policies that allow, and true on the default deny.",
  controls: [controls.pciRuleSets],
  check: checkCilium,
};

function* checkCilium(context: RuleContext): Iterable<Finding> {
  for (const { origin } of policyObjects(context.reachability.snapshot)) {
    if (origin.kind !== "CiliumClusterwideNetworkPolicy") continue;
    const missing = specsOf(origin.object).flatMap(({ path, spec }) =>
      (["ingress", "egress"] as const)
        .filter((direction) => hasRules(spec, direction) && mapOf(spec["enableDefaultDeny"])[direction] === undefined)
        .map((direction) => `${path}.enableDefaultDeny.${direction}`),
    );
    if (missing.length === 0) continue;
    yield {
      id: explicitDefaultDeny.id,
      severity: explicitDefaultDeny.severity,
      certainty: "definite",
      subject: policySubject(origin),
      message: `${describeRef(origin)} does not state whether it isolates the pods that it selects`,
      because: [`${list(missing)} ${missing.length === 1 ? "is" : "are"} not set`],
      fix: explicitDefaultDeny.remediation,
      controls: explicitDefaultDeny.controls,
      ...(origin.source === undefined ? {} : { causes: [origin.source] }),
    };
  }
}

function specsOf(object: KubeObject): { path: string; spec: Readonly<Record<string, unknown>> }[] {
  const several: unknown = object["specs"];
  const listed = Array.isArray(several) ? (several as unknown[]) : [];
  return [
    ...(object.spec === undefined ? [] : [{ path: "spec", spec: mapOf(object.spec) }]),
    ...listed.map((spec, index) => ({ path: `specs[${index}]`, spec: mapOf(spec) })),
  ];
}

function hasRules(spec: Readonly<Record<string, unknown>>, direction: "ingress" | "egress"): boolean {
  return spec[direction] !== undefined || spec[`${direction}Deny`] !== undefined;
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !isUnknown(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
