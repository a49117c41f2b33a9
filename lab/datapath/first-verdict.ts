/** The shortest proof that a datapath enforces: one flow that passes, and a deny-all under which it does not. */
import { randomBytes } from "node:crypto";
import type { LabCluster } from "./cluster";
import { DatapathError } from "./errors";
import type { LabObject } from "./objects";
import type { LabProbe } from "./probes";

/**
 * Makes two pods – on two nodes where there are two –, has one reach the other, and then not, under a deny-all. Their
 * namespace is removed whatever happens. Resolves with the moment of the verdict, in milliseconds since 1970.
 * @throws DatapathError "not-enforced" where packets are not what they must be
 */
export async function firstVerdict(cluster: LabCluster): Promise<number> {
  const namespace = `lab-verdict-${randomBytes(4).toString("hex")}`;
  const probe: LabProbe = { from: `${namespace}/from`, to: `${namespace}/to`, port: 80, protocol: "tcp" };
  // a clusterwide default deny of an earlier run may select the pods too
  const rules = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
  const allowAll = policy(namespace, "allow-all", { ...rules, ingress: [{}], egress: [{}] });
  const denyAll = policy(namespace, "deny-all", rules);
  const expect = async (verdict: "allowed" | "denied", when: string): Promise<void> => {
    const [outcome] = await cluster.probe([probe], { timeout: 3000 });
    if (outcome?.verdict === verdict) return;
    const measured = [outcome?.verdict ?? "not tried", outcome?.reason].filter(Boolean).join(", ");
    throw new DatapathError("not-enforced", `${when} a probe from pod to pod must be ${verdict}, and is ${measured}`);
  };
  const [first, last] = [cluster.nodes[0]?.name, cluster.nodes.at(-1)?.name];
  try {
    await cluster.addPods([
      { namespace, name: "from", ...(first ? { node: first } : {}) },
      { namespace, name: "to", ...(last ? { node: last } : {}) },
    ]);
    await cluster.apply([allowAll]);
    await expect("allowed", "without a deny");
    await cluster.remove([allowAll]);
    await cluster.apply([denyAll]);
    await expect("denied", "under a deny-all");
    return Date.now();
  } finally {
    await cluster.removeNamespaces([namespace]);
  }
}

function policy(namespace: string, name: string, spec: object): LabObject {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
}
