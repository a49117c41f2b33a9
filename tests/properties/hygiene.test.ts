/** What hygiene calls superfluous can go, all of it at once, and no verdict changes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import { compile, hygiene, type EnforcerProfile, type Snapshot } from "../../sdk/reachability";
import type { CompiledPolicy, DirectionRules } from "../../sdk/reachability/model/rules";
import type { PolicyObject } from "../oracle/cluster";
import { clusters, freshPods } from "./arbitraries";
import { calicoObjects } from "./calico-policies";
import { cidrGroup, ciliumPolicies } from "./cilium-policies";
import { clusterNetworkPolicies } from "./cluster-network-policies";
import { clusterObjects, engineFlow, engineFor, policyObjects, profile } from "./engine";
import { allFlows, describeFlow, sample } from "./flows";
import { networkPolicies } from "./network-policies";
import { runsFor, seed, suiteTimeout } from "./settings";

/** The snapshot without some rules; what isolates still isolates. */
function without(snapshot: Snapshot, removed: ReadonlySet<string>): Snapshot {
  const keep = (policy: CompiledPolicy, rules: DirectionRules | undefined): DirectionRules | undefined =>
    rules && {
      ...rules,
      rules: rules.rules.filter(
        ({ path }) =>
          !removed.has(`${policy.origin.kind} ${policy.origin.namespace ?? ""}/${policy.origin.name} ${path}`),
      ),
    };
  const policies = snapshot.rules.policies.map((policy): CompiledPolicy => {
    const [ingress, egress] = [keep(policy, policy.ingress), keep(policy, policy.egress)];
    return { ...policy, ...(ingress ? { ingress } : {}), ...(egress ? { egress } : {}) };
  });
  return { ...snapshot, rules: { ...snapshot.rules, policies } };
}

/** Sets in which the same rules stand again and again, narrower and wider. */
const crowded = (policies: fc.Arbitrary<PolicyObject[]>): fc.Arbitrary<PolicyObject[]> =>
  fc.tuple(policies, policies).map(([first, second]) => [
    ...first,
    ...second.map((policy) => ({ ...policy, metadata: { ...policy.metadata, name: `${policy.metadata.name}-b` } })),
    ...first
      .filter(({ kind }) => kind.endsWith("Policy"))
      .slice(0, 1)
      .map((policy) => ({ ...policy, metadata: { ...policy.metadata, name: `${policy.metadata.name}-c` } })),
  ]);

const suites: readonly (readonly [string, fc.Arbitrary<PolicyObject[]>, EnforcerProfile])[] = [
  ["NetworkPolicy", crowded(networkPolicies(3)), profile("kubernetes")],
  [
    "ClusterNetworkPolicy around NetworkPolicy",
    fc
      .tuple(
        clusterNetworkPolicies({ baselinePassWithPorts: true, equalPriorities: true }),
        crowded(networkPolicies(1)),
      )
      .map((groups) => groups.flat()),
    profile("kubernetes"),
  ],
  [
    "Cilium's policies",
    fc.tuple(crowded(ciliumPolicies(2)), networkPolicies(1)).map((groups) => [...groups.flat(), cidrGroup]),
    profile("cilium@1.20", { unknownPodAddresses: "outside-cidrs" }),
  ],
  ["Calico's policies", crowded(calicoObjects(2)), profile("calico", { unknownPodAddresses: "outside-cidrs" })],
];

describe("properties: superfluous rules", function () {
  this.timeout(suiteTimeout);
  let total = 0;
  after(() => assert.ok(total > 0, "some rule was superfluous"));
  for (const [title, policies, settings] of suites) {
    it(`can go without a change of any verdict: ${title}`, () => {
      let removedRules = 0;
      let compared = 0;
      fc.assert(
        fc.property(
          clusters({ podAddresses: false, hostNetwork: true }),
          policies,
          fc.nat(),
          (cluster, objects, salt) => {
            const before = engineFor([...clusterObjects(cluster), ...policyObjects(objects)], settings);
            const removed = new Set<string>();
            for (const issue of hygiene(before)) {
              if (issue.kind !== "shadowed" && issue.kind !== "duplicate") continue;
              assert.ok(issue.rule && (issue.coveredBy ?? []).length > 0, issue.message);
              removed.add(
                `${issue.policy.kind} ${issue.policy.namespace ?? ""}/${issue.policy.name} ${issue.rule.path}`,
              );
            }
            removedRules += removed.size;
            if (removed.size === 0) return;
            const after = compile(without(before.snapshot, removed));
            for (const flow of sample(allFlows(cluster, freshPods(cluster)), 300, salt)) {
              compared++;
              const asked = engineFlow(flow);
              const [was, is] = [before.verdict(asked), after.verdict(asked)];
              if (was === is) continue;
              const yaml = [...clusterObjects(cluster), ...objects].map((object) => stringify(object)).join("---\n");
              assert.fail(`${describeFlow(flow)}: ${was}, without ${[...removed].join(", ")} ${is}\n${yaml}`);
            }
          },
        ),
        { numRuns: runsFor(0.02), seed },
      );
      console.log(`      ${removedRules} rules removed, ${compared} verdicts compared, seed ${seed}`);
      total += removedRules;
    });
  }
});
