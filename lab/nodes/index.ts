/** Nodes in the API server: a Node object for each, and for a lab without a datapath the one that is only simulated. */
import path from "node:path";
import { bundleOf } from "../bundle";
import type { ApiClient, ControlPlane } from "../control-plane/index";
import { apiClient, ControlPlaneError } from "../control-plane/index";
import type { ClusterNode } from "./node";
import { simulatedNode } from "./node";
import { nodeLabels } from "./scheduler";

export type { ClusterNode } from "./node";
export { simulatedNode } from "./node";

/** Marks what the lab has made, so that it can be taken away again. */
export const ownLabel = { "app.kubernetes.io/managed-by": "pulumi-cluster-security-lab" };

const manager = "fieldManager=pulumi-cluster-security-lab&force=true";

/**
 * Creates or updates one object with server-side apply.
 * @throws ControlPlaneError "not-possible" with the API server's words
 */
export async function apply(client: ApiClient, path: string, object: object): Promise<void> {
  const { status, body } = await client.call("PATCH", `${path}?${manager}`, object, "application/apply-patch+yaml");
  if (status < 300) return;
  const message = (body as { message?: unknown } | null)?.message;
  const words = typeof message === "string" ? message : status;
  throw new ControlPlaneError("not-possible", `${path} is refused: ${words}`);
}

/** Makes a node that is ready, or brings it up to date. `what` says what stands behind it. */
export async function registerNode(client: ApiClient, node: ClusterNode, what: string): Promise<void> {
  const path = `/api/v1/nodes/${node.name}`;
  const metadata = { name: node.name, labels: { ...nodeLabels(node), ...ownLabel } };
  const about = { apiVersion: "v1", kind: "Node", metadata };
  await apply(client, path, { ...about, spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] } });
  // a new node is tainted as not ready, and the controller that takes that back does not run: no DaemonSet would get it
  await client.call("PATCH", path, { spec: { taints: null } }, "application/merge-patch+json");
  const resources = { cpu: "64", memory: "256Gi", pods: "250" };
  await apply(client, `${path}/status`, {
    ...about,
    status: {
      addresses: [
        { type: "InternalIP", address: node.address },
        { type: "Hostname", address: node.name },
      ],
      capacity: resources,
      allocatable: resources,
      conditions: [{ type: "Ready", status: "True", reason: "Lab", message: what }],
    },
  });
}

/**
 * Takes all nodes of the lab but `kept` out of the API server, so that nothing waits for pods that no node will take. Pods
 * that were on them go too: with their node they have lost their address. The names of those nodes.
 */
export async function withdrawNodes(client: ApiClient, kept?: string): Promise<readonly string[]> {
  const selector = `labelSelector=${encodeURIComponent(Object.entries(ownLabel)[0]?.join("=") ?? "")}`;
  const { body } = await client.call("GET", `/api/v1/nodes?${selector}`);
  const nodes = (body as { items?: { metadata: { name: string } }[] }).items ?? [];
  const gone = nodes.map(({ metadata }) => metadata.name).filter((name) => name !== kept);
  for (const name of gone) {
    await client.call("DELETE", `/api/v1/nodes/${name}`);
    await deletePodsOn(client, name);
  }
  return gone;
}

async function deletePodsOn(client: ApiClient, node: string): Promise<void> {
  const { body } = await client.call(
    "GET",
    `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`,
  );
  const pods = (body as { items?: { metadata: { name: string; namespace: string } }[] }).items ?? [];
  const options = { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0 };
  for (const { metadata } of pods) {
    await client.call("DELETE", `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`, options);
  }
}

/** Gives the cluster its simulated node, on which the process of `simulatedNodeProgram` runs all pods. */
export async function simulateNode(controlPlane: ControlPlane): Promise<void> {
  const client = apiClient(controlPlane);
  try {
    await registerNode(client, simulatedNode, "simulated: pods run there by their status alone");
  } finally {
    client.close();
  }
}

/** The program of the simulated node, for Node; its argument is the folder of the control plane. */
export function simulatedNodeProgram(): string {
  const folders = ["nodes", "control-plane"];
  return bundleOf({ name: "simulated-node", entry: path.join("nodes", "main.ts"), folders });
}
