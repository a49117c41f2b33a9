/** A node as the API server knows it. */
export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
}

/** The node of a cluster without a datapath: pods run there by their status alone. */
export const simulatedNode: ClusterNode = { name: "lab-node", address: "172.30.0.1", podCidr: "10.244.0.0/16" };
