/**
 * A value that is not known yet (a Pulumi output in preview) may turn a definite verdict into "unknown", never into the
 * opposite one: whatever the value turns out to be, "allowed" and "denied" have to stay true. A value that is not known yet
 * is taken for one that the agent accepts: a policy that it refuses once the value is there is a finding of its own then.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import { unknownValue, type KubeObject } from "../../sdk/reachability";
import { clusters, freshPods } from "./arbitraries";
import { cidrGroup, ciliumPolicies } from "./cilium-policies";
import { clusterNetworkPolicies } from "./cluster-network-policies";
import { clusterObjects, engineFlow, engineFor, policyObjects, profile } from "./engine";
import { allFlows, describeFlow, sample } from "./flows";
import { networkPolicies } from "./network-policies";
import { runsFor, seed, suiteTimeout } from "./settings";

const cilium = profile("cilium@1.20", { unknownPodAddresses: "outside-cidrs", clusterNetworkPolicy: true });
const kubernetes = profile("kubernetes");

const setting = fc.tuple(
  clusters({ podAddresses: false, hostNetwork: false }),
  fc.oneof(
    fc
      .tuple(ciliumPolicies(2), networkPolicies(1))
      .map(([some, others]) => ({ policies: [...some, ...others, cidrGroup], settings: cilium })),
    networkPolicies(2).map((policies) => ({ policies, settings: kubernetes })),
    fc
      .tuple(clusterNetworkPolicies({ baselinePassWithPorts: true }, 2), networkPolicies(1))
      .map(([some, others]) => ({ policies: [...some, ...others], settings: kubernetes })),
  ),
  fc.nat(),
  fc.nat(),
);

describe("properties: values that are not known yet", function () {
  this.timeout(suiteTimeout);
  let compared = 0;
  let blurred = 0;
  after(() =>
    console.log(`      ${compared} verdicts compared, ${blurred} of them blurred to "unknown", seed ${seed}`),
  );

  it("an unknown value anywhere never turns a verdict into its opposite", () => {
    fc.assert(
      fc.property(setting, ([cluster, { policies, settings }, which, salt]) => {
        const objects = [...clusterObjects(cluster), ...policyObjects(policies)];
        const places = objects.flatMap((object, index) => pathsOf(object).map((path) => ({ index, path })));
        const place = places[which % places.length];
        assert.ok(place);
        const hidden = objects.map((object, index) =>
          index === place.index ? (withUnknown(object, place.path) as KubeObject) : object,
        );
        const before = engineFor(objects, settings);
        const target = objects[place.index]?.metadata?.name;
        if (before.snapshot.problems.some(({ code, object }) => code === "not-enforced" && object?.name === target))
          return;
        const after = engineFor(hidden, settings);
        for (const flow of sample(allFlows(cluster, freshPods(cluster)), 150, salt)) {
          compared++;
          const known = before.verdict(engineFlow(flow));
          const verdict = after.verdict(engineFlow(flow));
          if (verdict === "unknown") blurred += known === "unknown" ? 0 : 1;
          else if (known !== "unknown" && verdict !== known) {
            const yaml = objects.map((object) => stringify(object)).join("---\n");
            assert.fail(
              `${describeFlow(flow)}: ${known} with the value, ${verdict} without it\nhidden: ${place.index} ${place.path.join(".")}\n${yaml}`,
            );
          }
        }
      }),
      { numRuns: runsFor(0.05), seed },
    );
  });
});

/** Every place below `spec` and the labels: leaves and whole branches. */
function pathsOf(object: KubeObject): string[][] {
  const below = (value: unknown, path: string[]): string[][] => {
    const children =
      typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, inner]) => below(inner, [...path, key]))
        : [];
    return [path, ...children];
  };
  const labels = object.metadata?.labels === undefined ? [] : below(object.metadata.labels, ["metadata", "labels"]);
  return [...labels, ...(object.spec === undefined ? [] : below(object.spec, ["spec"]))];
}

function withUnknown(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return unknownValue;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (String(index) === key ? withUnknown(item, rest) : item));
  const object = value as Record<string, unknown>;
  return { ...object, [key]: withUnknown(object[key], rest) };
}
