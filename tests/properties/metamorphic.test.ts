/**
 * Properties that need no oracle: what must not change, and in which direction a change may go. They hold the engine to its
 * own answers where an oracle and the engine might share a misreading of the text.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import type { EnforcerProfile, KubeObject, Reachability } from "../../sdk/reachability";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { clusters, freshPods, podSelector } from "./arbitraries";
import { cidrGroup, ciliumPolicies } from "./cilium-policies";
import { holds } from "./compare";
import { clusterObjects, engineFlow, engineFor, policyObjects, profile } from "./engine";
import { allFlows, describeFlow, sample } from "./flows";
import { adminNetworkPolicies, clusterNetworkPolicies } from "./cluster-network-policies";
import { calicoObjects } from "./calico-policies";
import { istioPolicies, meshed } from "./istio-policies";
import { networkPolicies } from "./network-policies";
import { runsFor, seed, suiteTimeout } from "./settings";

const cilium = profile("cilium@1.20", { unknownPodAddresses: "outside-cidrs", clusterNetworkPolicy: true });
const world = clusters({ podAddresses: false, hostNetwork: false });
const mixed = fc.tuple(ciliumPolicies(2), networkPolicies(2)).map(([some, others]) => [...some, ...others, cidrGroup]);

interface Setting {
  readonly cluster: OracleCluster;
  readonly policies: readonly PolicyObject[];
  readonly profile: EnforcerProfile;
  readonly flows: readonly OracleFlow[];
}

const everyDialect = fc.oneof(
  mixed.map((policies) => ({ policies, profile: cilium })),
  networkPolicies().map((policies) => ({ policies, profile: profile("kubernetes") })),
  fc
    .tuple(clusterNetworkPolicies({ baselinePassWithPorts: true }), adminNetworkPolicies(), networkPolicies(1))
    .map((groups) => ({ policies: groups.flat(), profile: profile("kubernetes") })),
  fc
    .tuple(calicoObjects(), networkPolicies(1))
    .map((groups) => ({ policies: groups.flat(), profile: profile("calico@3.32") })),
  fc
    .tuple(istioPolicies(), networkPolicies(1))
    .map((groups) => ({ policies: groups.flat(), profile: profile("kubernetes") })),
);

/** Any dialect, first-match tiers and the mesh too. */
const anySetting: fc.Arbitrary<Setting> = fc
  .tuple(
    world.map((cluster) => meshed(cluster, false, true)),
    everyDialect,
    fc.nat(),
  )
  .map(([cluster, chosen, salt]) => ({
    cluster,
    ...chosen,
    flows: sample(allFlows(cluster, freshPods(cluster)), 150, salt),
  }));

const setting: fc.Arbitrary<Setting> = fc
  .tuple(
    world,
    fc.oneof(
      mixed.map((policies) => ({ policies, profile: cilium })),
      networkPolicies().map((policies) => ({ policies, profile: profile("kubernetes") })),
    ),
    fc.nat(),
  )
  .map(([cluster, chosen, salt]) => ({
    cluster,
    ...chosen,
    flows: sample(allFlows(cluster, freshPods(cluster)), 150, salt),
  }));

let compared = 0;

function engineOf(
  { cluster, profile: settings }: Setting,
  policies: readonly PolicyObject[],
  cluster2 = cluster,
): Reachability {
  return engineFor([...clusterObjects(cluster2), ...policyObjects(policies)], settings);
}

function yamlOf(objects: readonly (PolicyObject | KubeObject)[]): string {
  return objects.map((object) => stringify(object)).join("---\n");
}

/** Every flow must have the same verdict in both. */
function assertSame(
  before: Reachability,
  after: Reachability,
  { flows, cluster, policies }: Setting,
  map = (flow: OracleFlow) => flow,
): void {
  for (const flow of flows) {
    compared++;
    const one = before.verdict(engineFlow(flow));
    const other = after.verdict(engineFlow(map(flow)));
    if (one !== other)
      assert.fail(`${describeFlow(flow)}: ${one}, then ${other}\n${yamlOf([...clusterObjects(cluster), ...policies])}`);
  }
}

const check = (title: string, share: number, property: fc.IPropertyWithHooks<never> | fc.IProperty<never>): void => {
  it(title, () => {
    fc.assert(property, { numRuns: runsFor(share), seed });
  });
};
const asserting = <T>(arbitrary: fc.Arbitrary<T>, predicate: (value: T) => void) =>
  fc.property(arbitrary, predicate) as unknown as fc.IPropertyWithHooks<never>;

describe("properties: metamorphic", function () {
  this.timeout(suiteTimeout);
  after(() => console.log(`      ${compared} pairs of verdicts compared, seed ${seed}`));

  check(
    "the order in which objects are read changes nothing, in any dialect",
    0.04,
    asserting(fc.tuple(anySetting, fc.nat()), ([given, turn]) => {
      const by = given.policies.length === 0 ? 0 : turn % given.policies.length;
      const turned = [...given.policies.slice(by), ...given.policies.slice(0, by)].reverse();
      const cluster = { namespaces: [...given.cluster.namespaces].reverse(), pods: [...given.cluster.pods].reverse() };
      assertSame(engineOf(given, given.policies), engineOf(given, turned, cluster), given);
    }),
  );

  check(
    "a CIDR says the same as its two halves",
    0.04,
    asserting(setting, (given) => {
      assertSame(engineOf(given, given.policies), engineOf(given, given.policies.map(withHalvedCidrs)), given);
    }),
  );

  check(
    "labels renamed everywhere alike change nothing",
    0.04,
    asserting(setting, (given) => {
      const renamed = {
        namespaces: given.cluster.namespaces,
        pods: given.cluster.pods.map((pod) => ({ ...pod, labels: renamedLabels(pod.labels) })),
      };
      const party = (one: OracleFlow["source"]): OracleFlow["source"] =>
        one.kind === "pod" ? { kind: "pod", pod: { ...one.pod, labels: renamedLabels(one.pod.labels) } } : one;
      const policies = given.policies.map((policy) => renamedSelectors(policy) as PolicyObject);
      assertSame(engineOf(given, given.policies), engineOf(given, policies, renamed), given, (flow) => ({
        ...flow,
        source: party(flow.source),
        destination: party(flow.destination),
      }));
    }),
  );

  check(
    "a rule that allows more, added to a section that has rules, closes no path",
    0.04,
    asserting(fc.tuple(setting, podSelector, fc.nat()), ([given, selector, which]) => {
      const widened = given.policies.map((policy, index) =>
        index === which % given.policies.length ? withAllowAdded(policy, selector) : policy,
      );
      const before = engineOf(given, given.policies);
      const after = engineOf(given, widened);
      for (const flow of given.flows) {
        compared++;
        if (before.verdict(engineFlow(flow)) === "allowed" && after.verdict(engineFlow(flow)) !== "allowed") {
          assert.fail(
            `${describeFlow(flow)} was allowed, now ${after.verdict(engineFlow(flow))}\n${yamlOf([...clusterObjects(given.cluster), ...widened])}`,
          );
        }
      }
    }),
  );

  check(
    "a deny, or a policy that isolates, opens no path",
    0.04,
    asserting(
      fc.tuple(setting, podSelector, fc.constantFrom("a", "b", "c"), fc.boolean()),
      ([given, selector, namespace, explicit]) => {
        const added =
          explicit && given.profile.cni === "cilium" ? explicitDeny(selector) : isolation(namespace, selector);
        const before = engineOf(given, given.policies);
        const after = engineOf(given, [...given.policies, added]);
        for (const flow of given.flows) {
          compared++;
          if (before.verdict(engineFlow(flow)) === "denied" && after.verdict(engineFlow(flow)) !== "denied") {
            assert.fail(
              `${describeFlow(flow)} was denied, now ${after.verdict(engineFlow(flow))}\n${yamlOf([...clusterObjects(given.cluster), ...given.policies, added])}`,
            );
          }
        }
      },
    ),
  );

  check(
    "traffic() and explain() say what verdict() says, in any dialect",
    0.04,
    asserting(anySetting, (given) => {
      const engine = engineOf(given, given.policies);
      for (const flow of given.flows) {
        compared++;
        const asked = engineFlow(flow);
        const verdict = engine.verdict(asked);
        const { allowed, possible } = engine.traffic(asked.source, asked.destination);
        const must = holds(allowed, flow);
        const may = holds(possible, flow);
        assert.equal(must ? "allowed" : may ? "unknown" : "denied", verdict, `traffic(): ${describeFlow(flow)}`);
        assert.equal(engine.explain(asked).verdict, verdict, `explain(): ${describeFlow(flow)}`);
      }
    }),
  );
});

// --- changes ----------------------------------------------------------------------------------------------------------

/** Applies `change` to every plain object inside a value, innermost first. */
function deep(value: unknown, change: (object: Record<string, unknown>) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => deep(item, change));
  if (typeof value !== "object" || value === null) return value;
  return change(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, deep(inner, change)])));
}

const halves: Readonly<Record<string, readonly [string, string]>> = {
  "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
  "0.0.0.0/1": ["0.0.0.0/2", "64.0.0.0/2"],
  "128.0.0.0/1": ["128.0.0.0/2", "192.0.0.0/2"],
  "10.0.0.0/8": ["10.0.0.0/9", "10.128.0.0/9"],
  "10.1.0.0/16": ["10.1.0.0/17", "10.1.128.0/17"],
  "169.254.0.0/16": ["169.254.0.0/17", "169.254.128.0/17"],
  "::/0": ["::/1", "8000::/1"],
};

/** Lists of CIDRs and of blocks; a block with exceptions keeps the exceptions in the half that holds them. */
function withHalvedCidrs(policy: PolicyObject): PolicyObject {
  const split = (object: Record<string, unknown>): unknown => {
    const result = { ...object };
    for (const key of ["fromCIDR", "toCIDR", "except"]) {
      const list = result[key];
      if (Array.isArray(list)) result[key] = list.flatMap((cidr: string) => halves[cidr] ?? [cidr]);
    }
    for (const key of ["fromCIDRSet", "toCIDRSet"]) {
      const list = result[key];
      if (Array.isArray(list)) result[key] = list.flatMap((block: Record<string, unknown>) => halvedBlocks(block));
    }
    for (const key of ["from", "to"]) {
      const list = result[key];
      if (Array.isArray(list)) {
        result[key] = list.flatMap((peer: Record<string, unknown>) =>
          peer["ipBlock"]
            ? halvedBlocks(peer["ipBlock"] as Record<string, unknown>).map((ipBlock) => ({ ipBlock }))
            : [peer],
        );
      }
    }
    return result;
  };
  return deep(policy, split) as PolicyObject;
}

/** Only blocks without exceptions: an exception must lie inside its half. */
function halvedBlocks(block: Record<string, unknown>): Record<string, unknown>[] {
  const parts = typeof block["cidr"] === "string" ? halves[block["cidr"]] : undefined;
  const except = block["except"];
  if (!parts || (Array.isArray(except) && except.length > 0)) return [block];
  return parts.map((cidr) => ({ ...block, cidr }));
}

const renamedKeys: Readonly<Record<string, string>> = { app: "app.example.com/name", role: "part", env: "stage" };

function renamedLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [renamedKey(key), renamedKeys[key] ? `x${value}` : value]),
  );
}

function renamedKey(key: string): string {
  const [, source = "", bare = key] = /^(k8s:|any:)?(.*)$/.exec(key) ?? [];
  return `${source}${renamedKeys[bare] ?? bare}`;
}

function renamedSelectors(policy: PolicyObject): unknown {
  const isRenamed = (key: string): boolean => renamedKeys[key.replace(/^(k8s|any):/, "")] !== undefined;
  return deep(policy, (object) => {
    const result = { ...object };
    const labels = result["matchLabels"];
    if (typeof labels === "object" && labels !== null) {
      result["matchLabels"] = Object.fromEntries(
        Object.entries(labels as Record<string, string>).map(([key, value]) => [
          renamedKey(key),
          isRenamed(key) ? `x${value}` : value,
        ]),
      );
    }
    if (typeof result["operator"] === "string" && typeof result["key"] === "string" && isRenamed(result["key"])) {
      const values = result["values"];
      if (Array.isArray(values)) result["values"] = values.map((value: string) => `x${value}`);
      result["key"] = renamedKey(result["key"]);
    }
    return result;
  });
}

/** A further allow rule in every section that has one already: no direction becomes isolated by it. */
function withAllowAdded(policy: PolicyObject, selector: unknown): PolicyObject {
  const spec = { ...((policy.spec ?? {}) as Record<string, unknown>) };
  const isCilium = policy.kind.startsWith("Cilium");
  const extra: Readonly<Record<string, unknown>> = isCilium
    ? { ingress: { fromEndpoints: [selector] }, egress: { toEndpoints: [selector] } }
    : { ingress: { from: [{ podSelector: selector }] }, egress: { to: [{ podSelector: selector }] } };
  for (const section of ["ingress", "egress"]) {
    const rules = spec[section];
    if (Array.isArray(rules) && rules.length > 0) spec[section] = [...(rules as unknown[]), extra[section]];
  }
  return { ...policy, spec };
}

function isolation(namespace: string, selector: unknown): PolicyObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "added", namespace },
    spec: { podSelector: selector, policyTypes: ["Ingress", "Egress"] },
  };
}

function explicitDeny(selector: unknown): PolicyObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "added" },
    spec: {
      endpointSelector: selector,
      enableDefaultDeny: { ingress: false, egress: false },
      ingressDeny: [
        { fromEntities: ["world"] },
        { fromEndpoints: [selector], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
      ],
      egressDeny: [{ toCIDR: ["169.254.0.0/16", "10.1.0.0/16"] }],
    },
  };
}
