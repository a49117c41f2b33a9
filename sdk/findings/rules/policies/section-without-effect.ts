import type { Direction, PolicySource, Snapshot } from "../../../reachability";
import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import type { PolicyParts } from "../../policy-rules";
import { policyObjects, policySubject } from "../../policy-rules";
import { findingOf } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** A section that nothing enforces: `policyTypes` leaves it out, or no rule backs `enableDefaultDeny`. */
export const sectionWithoutEffect: Rule = {
  id: "section-without-effect",
  title: "A section of a policy has no effect",
  severity: "medium",
  why: "The section looks as if it restricts or allows something, and nothing enforces it.",
  description:
    "Every direction for which a NetworkPolicy or Calico policy has rules is in its `policyTypes` (`types`); an empty list of " +
    "egress rules stands beside `policyTypes: [Egress]`; and a Cilium policy that sets enableDefaultDeny to true for a " +
    "direction has rules for it. Cilium enforces the rules of a NetworkPolicy that `policyTypes` leaves out; others do not.",
  remediation: "Name the direction in policyTypes, or remove the section.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkSections,
};

interface Fault {
  readonly because: string;
  readonly fix: string;
}

const directions: readonly Direction[] = ["ingress", "egress"];
const typeOf: Readonly<Record<Direction, string>> = { ingress: "Ingress", egress: "Egress" };

function* checkSections(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const object of policyObjects(snapshot)) {
    const faults = faultsOf(object, snapshot);
    const [first] = faults;
    if (first === undefined) continue;
    yield findingOf(sectionWithoutEffect, {
      subject: policySubject(object.origin),
      message: `A section of ${describeRef(object.origin)} has no effect`,
      because: faults.map(({ because }) => because),
      fix: first.fix,
      causes: [object.origin.source],
    });
  }
}

function faultsOf({ origin }: PolicyParts, { profile }: Snapshot): Fault[] {
  if (origin.dialect === "cilium") return specsOf(origin).flatMap(({ spec, path }) => ciliumFaults(spec, path));
  if (origin.dialect === "kubernetes" && origin.kind === "NetworkPolicy") {
    return typesFaults(mapOf(origin.object.spec), "policyTypes", profile.rulesBeyondPolicyTypes);
  }
  return origin.dialect === "calico" ? typesFaults(mapOf(origin.object.spec), "types", false) : [];
}

function typesFaults(spec: Fields, field: "policyTypes" | "types", enforcedAnyway: boolean): Fault[] {
  const types = spec[field];
  const named = listOf(types);
  if (isUnknown(types) || named.some(isUnknown)) return [];
  return directions.flatMap((direction): Fault[] => {
    const rules = spec[direction];
    if (named.length === 0) {
      // without policyTypes a policy is about egress only where it has egress rules
      if (field === "types" || direction !== "egress" || !Array.isArray(rules) || rules.length > 0) return [];
      return [
        {
          because:
            "spec.egress is an empty list and spec.policyTypes is not set, so the policy does not isolate egress",
          fix: "Set spec.policyTypes to [Ingress, Egress], or remove spec.egress.",
        },
      ];
    }
    // what is not known yet is ignored whatever it will be
    if (named.includes(typeOf[direction]) || (listOf(rules).length === 0 && !isUnknown(rules))) return [];
    return [
      {
        because: enforcedAnyway
          ? `spec.${field} leaves out ${typeOf[direction]}: Cilium still enforces spec.${direction}, and every other enforcer ignores it`
          : `spec.${field} leaves out ${typeOf[direction]}, so spec.${direction} is ignored`,
        fix: `Add ${typeOf[direction]} to spec.${field} if the rules are intended, or remove spec.${direction}.`,
      },
    ];
  });
}

function ciliumFaults(spec: Fields, path: string): Fault[] {
  const stated = mapOf(spec["enableDefaultDeny"]);
  return directions.flatMap((direction): Fault[] => {
    const rules = [spec[direction], spec[`${direction}Deny`]];
    if (stated[direction] !== true || rules.some((each) => isUnknown(each) || listOf(each).length > 0)) return [];
    return [
      {
        because: `${path}.enableDefaultDeny.${direction} is true without rules for ${direction}: it has no effect, and ${direction} is not isolated by this policy`,
        fix: `Add the rules, or \`${direction}: [{}]\` to allow nothing; otherwise remove enableDefaultDeny.${direction}.`,
      },
    ];
  });
}

type Fields = Readonly<Record<string, unknown>>;

function specsOf({ object }: PolicySource): { readonly spec: Fields; readonly path: string }[] {
  return [
    ...(object.spec === undefined ? [] : [{ spec: mapOf(object.spec), path: "spec" }]),
    ...listOf(object["specs"]).map((spec, index) => ({ spec: mapOf(spec), path: `specs[${index}]` })),
  ];
}
