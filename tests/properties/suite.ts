/** The shape that every dialect's suite has: random cluster and policies, sampled flows, the first disagreement shrunk. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import type { EnforcerProfile, Verdict } from "../../sdk/reachability";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { freshPods } from "./arbitraries";
import { firstDisagreement, matrixDisagreement, overNodePlacements, Tally } from "./compare";
import { clusterObjects, engineFor, policyObjects } from "./engine";
import { allFlows, sample } from "./flows";
import { runsFor, seed, suiteTimeout } from "./settings";

export interface DialectSuite {
  readonly title: string;
  /** The part of all policy sets of a run that this suite compares. */
  readonly share: number;
  readonly cluster: fc.Arbitrary<OracleCluster>;
  readonly policies: fc.Arbitrary<PolicyObject[]>;
  readonly profile: fc.Arbitrary<EnforcerProfile>;
  readonly allows: (
    cluster: OracleCluster,
    policies: readonly PolicyObject[],
    flow: OracleFlow,
    profile: EnforcerProfile,
  ) => boolean;
  /** Flows sampled per set. */
  readonly flows?: number;
  /** A policy that an engine without this dialect answers "unknown" for; the suite is pending until it understands it. */
  readonly probe?: PolicyObject;
}

export const tally = new Tally();

export function dialectSuite(suite: DialectSuite): void {
  describe(suite.title, function () {
    this.timeout(suiteTimeout);
    const own = new Tally();
    after(() =>
      console.log(
        `      ${own.sets} policy sets, ${own.verdicts} verdicts compared (${own.allowed} allowed), seed ${seed}`,
      ),
    );

    it("verdict() and matrix() agree with the oracle", function () {
      if (suite.probe && !understands(suite.probe, suite)) this.skip();
      fc.assert(
        fc.property(suite.cluster, suite.policies, suite.profile, fc.nat(), (cluster, policies, profile, salt) => {
          const engine = engineFor([...clusterObjects(cluster), ...policyObjects(policies)], profile);
          const judge = (flow: OracleFlow): Verdict =>
            overNodePlacements(flow, (placed) => suite.allows(cluster, policies, placed, profile));
          const flows = sample(allFlows(cluster, freshPods(cluster)), suite.flows ?? 250, salt);
          const wrong = firstDisagreement(engine, flows, judge, own) ?? matrixOf(salt);
          own.sets++;
          if (wrong) {
            const yaml = [...clusterObjects(cluster), ...policies].map((object) => stringify(object)).join("---\n");
            const problems = engine.snapshot.problems
              .map((problem) => `${problem.code}: ${problem.message}`)
              .join("\n");
            assert.fail(
              `${wrong.flow}: engine ${wrong.engine}, oracle ${wrong.oracle}\nprofile ${JSON.stringify(profile)}\n${problems}\n${yaml}`,
            );
          }
          // The whole matrix is asked of every eighth set: it costs as much as all the rest.
          function matrixOf(roll: number) {
            return roll % 8 === 0 ? matrixDisagreement(engine, cluster, judge, own) : undefined;
          }
        }),
        {
          numRuns: runsFor(suite.share),
          seed,
          interruptAfterTimeLimit: suiteTimeout - 5000,
          markInterruptAsFailure: false,
        },
      );
    });
    after(() => {
      tally.sets += own.sets;
      tally.verdicts += own.verdicts;
    });
  });
}

/** Whether the engine reads this kind of policy at all: it may not answer "unknown" to everything. */
function understands(probe: PolicyObject, suite: DialectSuite): boolean {
  const [profile] = fc.sample(suite.profile, 1);
  assert.ok(profile);
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "a" }, spec: { containers: [] } };
  const engine = engineFor([pod, ...policyObjects([probe])], profile);
  const unsupported = engine.snapshot.problems.some(
    (problem) => problem.code === "unsupported" && problem.affectsVerdicts,
  );
  return !unsupported && engine.snapshot.policies.length > 0;
}
