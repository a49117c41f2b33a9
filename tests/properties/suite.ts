/** The shape that every dialect's suite has: random cluster and policies, sampled flows, the first disagreement shrunk. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import type { EnforcerProfile, Reachability, Verdict } from "../../sdk/reachability";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { freshPods, portNames } from "./arbitraries";
import {
  firstDisagreement,
  isDeployment,
  matrixDisagreement,
  overOpenWorlds,
  Tally,
  type Disagreement,
  type Judge,
} from "./compare";
import { clusterObjects, engineFor, policyObjects } from "./engine";
import { allFlows, inNoCidr, nodeAddresses, sample } from "./flows";
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
  /** The same where what a flow does not tell (its HTTP) turns out badly: where the two differ, the answer is "unknown". */
  readonly allowsAtLeast?: (
    cluster: OracleCluster,
    policies: readonly PolicyObject[],
    flow: OracleFlow,
    profile: EnforcerProfile,
  ) => boolean;
  /** Flows sampled per set. */
  readonly flows?: number;
  /** Flows for which "unknown" is sharp enough; their number is printed. */
  readonly mayBeVague?: (flow: OracleFlow, policies: readonly PolicyObject[]) => boolean;
  /** A policy that an engine without this dialect answers "unknown" for; the suite is pending until it understands it. */
  readonly probe?: PolicyObject;
}

/** Addresses of clouds' metadata services, which no node and no pod has: those among the ranges of these suites. */
const metadataAddresses = new Set(["fd00:ec2::254", "fd00:ec2::23"]);

/** Addresses that nodes and pods may have where nobody says so, of both families. */
function openAddresses({ pods }: OracleCluster, policies: string): string[] {
  const known = pods.flatMap(({ addresses }) => addresses).map((address) => address.includes(":"));
  const inRanges = [...policies.matchAll(/"((?:[23][0-9a-f]{3}|f[cd][0-9a-f]{2}):[0-9a-f:]*)\/\d+"/g)];
  const first = inRanges.map((match) => match[1] ?? "").filter((address) => !metadataAddresses.has(address));
  const all = [...nodeAddresses, "fd00:10::9", "2a00:1::9", ...first];
  // a cluster whose pods have addresses of one family has nodes of that family
  return known.length === 0 ? all : all.filter((address) => known.includes(address.includes(":")));
}

/** A pod's address in each range that may be the cluster's range of pods: private, and wide enough for all of them. */
const inWideRanges: Readonly<Record<string, string>> = {
  "10.0.0.0/8": "10.77.0.7",
  "10.1.0.0/16": "10.1.77.7",
  "fd00:ec2::/32": "fd00:ec2:7::7",
};

/** Where a pod without an address may be: anywhere, or in a whole family and in ranges that may be that of the pods. */
function podAddresses(cluster: OracleCluster, policies: string, { unknownPodAddresses }: EnforcerProfile): string[] {
  if (unknownPodAddresses === "outside-cidrs") return [];
  const addresses = openAddresses(cluster, policies);
  if (unknownPodAddresses === "possible") return addresses;
  const wide = Object.entries(inWideRanges).flatMap(([range, address]) =>
    policies.includes(`"${range}"`) ? [address] : [],
  );
  return [...addresses.filter((address) => inNoCidr.includes(address)), ...wide];
}

const tally = new Tally();
after(() => {
  if (tally.sets > 0)
    console.log(
      `  properties: ${tally.sets} policy sets, ${tally.verdicts} verdicts of the engine compared with oracles, seed ${seed}`,
    );
});

export function dialectSuite(suite: DialectSuite): void {
  describe(suite.title, function () {
    this.timeout(suiteTimeout);
    const own = new Tally();
    after(() =>
      console.log(
        `      ${own.sets} policy sets, ${own.verdicts} verdicts compared (${own.allowed} allowed, ${own.vague} answered less sharply), seed ${seed}`,
      ),
    );

    it("verdict() agrees with the oracle on random policy sets", function () {
      compareWith(this, runsFor(suite.share), (given, judge, salt) => {
        const flows = sample(allFlows(given.cluster, freshPods(given.cluster)), suite.flows ?? 160, salt);
        return firstDisagreement(given.engine, flows, judge, own, given.mayBeVague);
      });
    });

    it("matrix() agrees with the oracle on random policy sets", function () {
      compareWith(this, runsFor(suite.share / 20), (given, judge) =>
        matrixDisagreement(given.engine, given.cluster, judge, own, given.mayBeVague),
      );
    });

    function compareWith(
      context: Mocha.Context,
      numRuns: number,
      compare: (given: Given, judge: Judge, salt: number) => Disagreement | undefined,
    ): void {
      if (suite.probe && !understands(suite.probe, suite)) context.skip();
      fc.assert(
        fc.property(suite.cluster, suite.policies, suite.profile, fc.nat(), (cluster, policies, profile, salt) => {
          const engine = engineFor([...clusterObjects(cluster), ...policyObjects(policies)], profile);
          const text = JSON.stringify(policies);
          const worlds = {
            namedPorts: portNames.filter((name) => text.includes(`"${name}"`)),
            nodeAddresses: profile.cidrMatchesNodes ? openAddresses(cluster, text) : [],
            podAddresses: profile.cidrMatchesPods ? podAddresses(cluster, text, profile) : [],
          };
          const decide = (flow: OracleFlow, allows: DialectSuite["allows"]): Verdict =>
            overOpenWorlds(flow, worlds, (world) => allows(cluster, policies, world, profile));
          const judge: Judge = (flow) => {
            const best = decide(flow, suite.allows);
            return suite.allowsAtLeast === undefined || best === decide(flow, suite.allowsAtLeast) ? best : "unknown";
          };
          // rules for this hash and for every other one cover a Deployment's pods together, and neither does by itself
          const hashes = text.includes("pod-template-hash");
          const mayBeVague = (flow: OracleFlow): boolean =>
            suite.mayBeVague?.(flow, policies) === true ||
            (hashes && (isDeployment(flow.source) || isDeployment(flow.destination)));
          own.sets++;
          const wrong = compare({ engine, cluster, mayBeVague }, judge, salt);
          if (wrong) assert.fail(report(wrong, engine, [...clusterObjects(cluster), ...policies]));
        }),
        { numRuns, seed },
      );
    }

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

interface Given {
  readonly engine: Reachability;
  readonly cluster: OracleCluster;
  readonly mayBeVague: (flow: OracleFlow) => boolean;
}

/** What a reader needs to decide which side is wrong: the flow, both answers, the enforcer, the YAML. */
function report(wrong: Disagreement, engine: Reachability, objects: readonly unknown[]): string {
  const problems = engine.snapshot.problems.map((problem) => `${problem.code}: ${problem.message}`).join("\n");
  const yaml = objects.map((object) => stringify(object)).join("---\n");
  return `${wrong.flow}: engine ${wrong.engine}, oracle ${wrong.oracle}\nprofile ${JSON.stringify(engine.snapshot.profile)}\n${problems}\n${yaml}`;
}

/** In first-match tiers a Pass or Deny on a named port that a fresh pod may or may not declare blurs what follows it. */
export function isToFreshPod(flow: OracleFlow): boolean {
  return flow.destination.kind === "pod" && flow.destination.pod.name === "fresh";
}
