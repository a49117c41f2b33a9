import type { SourcedObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import type { Finding } from "../../sdk/findings/index";
import { evaluate } from "../../sdk/findings/index";
import type { ReachabilitySummary } from "../../sdk/reports/index";
import { summarise } from "../../sdk/reports/index";

/** What is reachable among some objects, and what is wrong with it. */
export interface Judged {
  readonly label: string;
  readonly summary: ReachabilitySummary;
  readonly findings: readonly Finding[];
}

/** The enforcer that the example is written for. */
const enforcer = "cilium";

/** Judges objects as the enforcer of the example reads them. */
export function judge(label: string, objects: readonly SourcedObject[]): Judged {
  const reachability = compile(buildSnapshot(objects, { profile: profileFor(enforcer) }));
  const findings = evaluate(reachability);
  return { label, summary: summarise(reachability, { findings }), findings };
}

const policyGroups = ["networking.k8s.io/", "cilium.io/", "policy.networking.k8s.io/", "projectcalico.org/"];

/** The same objects without any policy: what the workloads could do before. */
export function withoutPolicies(objects: readonly SourcedObject[]): SourcedObject[] {
  return objects.filter(({ object }) => !policyGroups.some((group) => object.apiVersion.startsWith(group)));
}
