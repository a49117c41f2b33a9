/**
 * Cilium's own word that policies are enforced. The API server stores policies that the agent then refuses without an event
 * or a status: whether one is in force is known only from the agent.
 */
import { randomBytes } from "node:crypto";
import type { ApiClient } from "../control-plane/index";
import type { AgentApi } from "./cilium";
import type { Enforcer, PolicyChange } from "./enforcer";
import { DatapathError } from "./errors";
import type { LabObject } from "./objects";
import { createOrReplace, objectPath, refusal } from "./objects";
import type { CiliumPolicyKind } from "./policies";
import { ciliumPolicyKinds, isCiliumPolicyKind } from "./policies";

/**
 * Milliseconds that the agent has to take note of a policy, and that pods have to realize it. They only end a wait for an agent
 * that hangs: before it stores a policy, a busy one waits up to 10 s for the identities of its CIDRs, and again for the next.
 */
const noticedWithin = 90_000;
const realizedWithin = 90_000;

export class CiliumEnforcer implements Enforcer {
  constructor(
    private readonly client: ApiClient,
    private readonly agents: readonly AgentApi[],
  ) {}

  change(objects: readonly LabObject[]): Promise<PolicyChange> {
    return Promise.resolve({ settled: () => settle(this.client, this.agents, kindsOf(objects)) });
  }

  async settled(): Promise<void> {
    for (const agent of this.agents) await untilRealized(agent);
  }

  async check(): Promise<void> {
    // without its agent a node still enforces: the programs are in the kernel
  }
}

/** Which kinds to wait for; a group of CIDRs shows in the kinds that refer to it. */
function kindsOf(policies: readonly LabObject[]): readonly CiliumPolicyKind[] {
  const kinds = new Set(policies.map(({ kind }) => kind));
  if ([...kinds].some((kind) => !isCiliumPolicyKind(kind))) return ciliumPolicyKinds;
  return ciliumPolicyKinds.filter((kind) => kinds.has(kind));
}

/**
 * Waits until the agents have handled all that was changed before, and returns the uids of the policies that they hold. For
 * each kind a fence – a policy that selects no pod – is created last: once an agent knows it, it has seen what came before.
 */
async function settle(
  client: ApiClient,
  agents: readonly AgentApi[],
  kinds: readonly CiliumPolicyKind[],
): Promise<ReadonlySet<string>> {
  const fences: LabObject[] = kinds.map(fence);
  const uids: string[] = [];
  let known: ReadonlySet<string> = new Set();
  try {
    for (const each of fences) {
      const answer = await createOrReplace(client, each);
      if (answer.status >= 300) throw new DatapathError("failed", `${each.kind}: ${refusal(answer)}`);
      uids.push((answer.body as { metadata: { uid: string } }).metadata.uid);
    }
    for (const agent of agents) {
      const unknown = (): readonly CiliumPolicyKind[] => kinds.filter((_, index) => !known.has(uids[index] ?? ""));
      await until(
        noticedWithin,
        () => `the agent does not take note of policies (${unknown().join(", ")})`,
        async () => {
          known = await agent.policyUids();
          return unknown().length === 0;
        },
      );
    }
  } finally {
    for (const each of fences) await client.call("DELETE", objectPath(each));
  }
  for (const agent of agents) {
    await until(noticedWithin, "the agent does not take note of the end of a policy", async () => {
      known = await agent.policyUids();
      return !uids.some((uid) => known.has(uid));
    });
    await untilRealized(agent);
  }
  return known;
}

/** Resolves once every pod of the agent's node enforces the agent's policies of now. */
async function untilRealized(agent: AgentApi): Promise<void> {
  const revision = await agent.policyRevision();
  let left: string[] = [];
  await until(
    realizedWithin,
    () => `pods do not enforce the policies of now: ${left.slice(0, 5).join(", ")}`,
    async () => {
      const endpoints = (await agent.endpoints()).filter(({ uid }) => uid !== "");
      left = endpoints
        .filter((endpoint) => endpoint.state !== "ready" || endpoint.revision < revision)
        .map((endpoint) => `${endpoint.uid} is ${endpoint.state} at revision ${endpoint.revision} of ${revision}`);
      return left.length === 0;
    },
  );
}

async function until(within: number, complaint: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() >= deadline) {
      throw new DatapathError("not-enforced", typeof complaint === "string" ? complaint : complaint());
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** A policy of a kind that selects no pod and allows nothing. */
function fence(kind: CiliumPolicyKind): LabObject {
  const name = `lab-fence-${randomBytes(4).toString("hex")}`;
  const nobody = { matchLabels: { "lab.pulumi-cluster-security/nobody": name } };
  switch (kind) {
    case "NetworkPolicy": {
      const spec = { podSelector: nobody, policyTypes: ["Ingress"] };
      return { apiVersion: "networking.k8s.io/v1", kind, metadata: { name, namespace: "default" }, spec };
    }
    case "CiliumNetworkPolicy":
      return {
        apiVersion: "cilium.io/v2",
        kind,
        metadata: { name, namespace: "default" },
        spec: { endpointSelector: nobody, ingress: [{}] },
      };
    case "CiliumClusterwideNetworkPolicy":
      return {
        apiVersion: "cilium.io/v2",
        kind,
        metadata: { name },
        spec: { endpointSelector: nobody, ingress: [{}] },
      };
    case "ClusterNetworkPolicy":
      return {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind,
        metadata: { name },
        spec: {
          tier: "Admin",
          priority: 1000,
          subject: { namespaces: nobody },
          ingress: [{ action: "Deny", from: [{ namespaces: nobody }] }],
        },
      };
  }
}
