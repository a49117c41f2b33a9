/** Rules of Calico's policies that its API server takes and Felix cannot write into the kernel: it ends on them. */
import { isBeforeCalico } from "../reachability";
import type { Dataplane } from "./calico-dataplane";
import { dataplaneUse } from "./calico-dataplane";
import { listOf, mapOf } from "./plain";
import { policyObjects, policySubject } from "./policy-rules";
import { findingOf } from "./report";
import type { Finding, Rule, RuleContext } from "./types";

/** A kind of rule that Felix cannot write, with one of its dataplanes. */
export interface FelixFault {
  readonly dataplane: Exclude<Dataplane, "other">;
  /** The first release of Calico 3 that has this dataplane. */
  readonly since?: number;
  /** What in a rule Felix cannot write, as paths within it. */
  readonly fieldsOf: (rule: unknown) => readonly string[];
  /** What becomes of the policies, after the policy's name: `ends the enforcement of every policy on the nodes`. */
  readonly effect: string;
  /** Why one of the fields cannot be written, after its path. */
  readonly reason: string;
  /** How to do without one. */
  readonly instead: (paths: readonly string[]) => string;
}

/** Findings of a rule about such a fault: definite where the dataplane is stated, none where another one is. */
export function* felixFaults(
  { reachability: { snapshot } }: RuleContext,
  rule: Rule,
  fault: FelixFault,
): Iterable<Finding> {
  const { dataplane, since = 0, effect, reason, instead } = fault;
  if (!snapshot.profile.policyApis.includes("calico") || isBeforeCalico(snapshot.profile, since)) return;
  const { used, because, causes } = dataplaneUse(snapshot, dataplane);
  if (used === "no") return;
  for (const { origin } of policyObjects(snapshot)) {
    if (origin.dialect !== "calico" || origin.kind === "HostEndpoint") continue;
    const paths = faultyPaths(origin.object.spec, fault);
    const [first] = paths;
    if (first === undefined) continue;
    const inMode = used === "yes" ? "" : `, should the nodes use ${dataplane}`;
    yield findingOf(rule, {
      subject: policySubject(origin),
      certainty: used === "yes" ? "definite" : "possible",
      message: `${origin.kind} ${origin.name} ${effect}${inMode}: Felix cannot write ${first}`,
      because: [...paths.map((path) => `${path} ${reason}`), because],
      fix: instead(paths),
      causes: [origin.source, ...causes],
    });
  }
}

/** The paths in a policy of what Felix cannot write, of both directions: it writes the rules of both. */
export function faultyPaths(spec: unknown, { fieldsOf }: FelixFault): string[] {
  return (["ingress", "egress"] as const).flatMap((direction) =>
    listOf(mapOf(spec)[direction]).flatMap((rule, index) =>
      fieldsOf(rule).map((field) => `spec.${direction}[${index}].${field}`),
    ),
  );
}

/** Whether a field of a rule is set. */
export function isSet(rule: unknown, field: string): boolean {
  const value = mapOf(rule)[field];
  return value !== undefined && value !== null;
}
