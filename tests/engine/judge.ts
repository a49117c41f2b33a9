/** Whether an example that stands in the cluster is what it declares to be. */
import assert from "node:assert/strict";
import type { Lab } from "../../lab/index";
import type { Plan } from "../../sdk/plan/index";
import { Dialect } from "../../sdk/plan/index";
import type { Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { compareWithDeclaration, exemptPods, podsThatReachMetadata } from "../support/declared";
import type { Example } from "../support/examples";
import type { Operation } from "./automation";
import { violations } from "./automation";
import { liveObjects } from "./shared-lab";

/** What the API server holds now, as the enforcer of the dialect reads it. */
export async function reachabilityOf(lab: Lab, { dialect }: Plan): Promise<Reachability> {
  const profile = profileFor(dialect === Dialect.Cilium ? "cilium@1.20" : "kubernetes");
  const reachability = compile(buildSnapshot([...(await liveObjects(lab))], { profile }));
  assert.deepEqual(reachability.snapshot.problems, []);
  return reachability;
}

/** Up under the pack as it is shipped: no exemption is configured, so that tier 0 is the only one. */
export function assertPassed(operation: Operation): void {
  assert.equal(operation.error, undefined);
  assert.deepEqual(
    violations(operation).filter(({ level }) => level === "mandatory"),
    [],
  );
}

/** Declared flows and nothing else, both directions; metadata endpoints closed to everybody who is not exempt. */
export function assertDeclared(reachability: Reachability, planned: Plan, { declaration, workloads }: Example): void {
  const given = declaration.cluster?.podCidrs;
  const podCidrs = Array.isArray(given) ? given.filter((range): range is string => typeof range === "string") : [];
  const { compared, differences } = compareWithDeclaration(reachability, planned, workloads, podCidrs);
  assert.deepEqual(differences, []);
  assert.ok(compared > workloads.length);
  const exempt = exemptPods(planned, workloads);
  assert.deepEqual(podsThatReachMetadata(reachability, workloads), exempt);
}
