/** Calico on the lab: whether it can run here, and random sets of what it enforces. */
import fc from "fast-check";
import { calicoMissing, datapathProblem } from "../../lab/datapath/index";
import type { LabNode, LabObject } from "../../lab/datapath/index";
import type { PolicyObject } from "../oracle/cluster";
import { clusters, serviceAccounts } from "../properties/arbitraries";
import { calicoObjects } from "../properties/calico-policies";
import { adminNetworkPolicies } from "../properties/cluster-network-policies";
import { networkPolicies } from "../properties/network-policies";
import { worldOf } from "./random-sets";
import type { LabWorld } from "./world";

/** Why the suites on Calico do not run here; undefined where they do. A build is not what they ask for. */
async function calicoProblem(): Promise<string | undefined> {
  return datapathProblem() ?? (await calicoMissing());
}

/** For the `before` of a suite: skips it, with the reason, where Calico cannot run. */
export async function skipWithoutCalico(context: Mocha.Context): Promise<void> {
  const problem = await calicoProblem();
  if (problem === undefined) return;
  console.log(`      skipped: ${problem}`);
  context.skip();
}

/** The policies that Calico 3.31 reads, alone and together. */
export const calicoSets: fc.Arbitrary<readonly LabObject[]> = fc
  .oneof(
    { weight: 4, arbitrary: calicoObjects() },
    { weight: 1, arbitrary: networkPolicies() },
    { weight: 1, arbitrary: adminNetworkPolicies() },
    {
      weight: 4,
      arbitrary: fc
        .tuple(calicoObjects(3), networkPolicies(2), adminNetworkPolicies())
        .map((groups): PolicyObject[] => groups.flat()),
    },
  )
  .map((objects) => (objects as unknown as LabObject[]).filter(({ kind }) => kind !== "ServiceAccount").map(named));

/**
 * Without what ends Felix with iptables: a rule with `protocol` and `notProtocol` becomes two `-p` flags, which
 * iptables-restore refuses; Felix tries again and panics. See calico.enforcement.test.ts.
 */
export function forIptables(object: LabObject): LabObject {
  const spec = JSON.parse(JSON.stringify(object.spec ?? {}), (_key, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || !("protocol" in value) || !("notProtocol" in value))
      return value;
    const { notProtocol: _left, ...rest } = value as Record<string, unknown>;
    return rest;
  }) as unknown;
  return { ...object, spec };
}

/** Up to 3.31 a policy's name begins with its tier. Names that are in another order than the policies tell ties apart. */
function named(object: LabObject, index: number): LabObject {
  if (!object.apiVersion.startsWith("projectcalico.org/")) return object;
  const { tier } = (object.spec ?? {}) as { readonly tier?: string };
  if (!object.kind.endsWith("Policy")) return object;
  const own = `${["k", "a", "z"][index % 3]}${object.metadata.name}`;
  const name = tier === undefined || tier === "default" ? own : `${tier}.${own}`;
  return { ...object, metadata: { ...object.metadata, name } };
}

/**
 * Clusters for them: five pods each, service accounts with labels.
 *
 * @param nodes Pods take turns on them.
 */
export function calicoWorlds(count: number, seed: number, nodes: readonly LabNode[]): LabWorld[] {
  const large = clusters({ podAddresses: false, hostNetwork: false }).filter(({ pods }) => pods.length === 5);
  return fc.sample(large, { seed, numRuns: count }).map((cluster): LabWorld => {
    const world = worldOf(cluster);
    const accounts = world.namespaces.flatMap(({ name: namespace }) =>
      serviceAccounts.map((name, index): LabObject => ({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name, namespace, labels: { trust: index === 0 ? "low" : "high" } },
      })),
    );
    return {
      ...world,
      pods: world.pods.map((pod, index) => {
        const node = nodes[index % nodes.length];
        return node ? { ...pod, node: node.name } : pod;
      }),
      objects: accounts,
    };
  });
}
