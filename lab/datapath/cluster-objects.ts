/** What the API server must know for nodes to take pods: Node objects, the API server's own endpoint, cluster DNS. */
import type { ApiClient } from "../control-plane/index";
import { DatapathError } from "./errors";
import type { LabNode } from "./layout";
import { apiServerPort, dnsServiceAddress } from "./layout";
import { nodeLabels } from "./node-agent/scheduler";

const manager = "fieldManager=pulumi-cluster-security-lab&force=true";

/** Marks what the lab has made, so that it can be taken away again. */
const ownLabel = { "app.kubernetes.io/managed-by": "pulumi-cluster-security-lab" };

/** Creates or updates one object with server-side apply. @throws DatapathError "failed" with the API server's words */
async function apply(client: ApiClient, path: string, object: object): Promise<void> {
  const { status, body } = await client.call("PATCH", `${path}?${manager}`, object, "application/apply-patch+yaml");
  if (status < 300) return;
  const message = (body as { message?: unknown } | null)?.message;
  throw new DatapathError("failed", `${path} is refused: ${typeof message === "string" ? message : status}`);
}

export async function registerNode(client: ApiClient, node: LabNode): Promise<void> {
  const path = `/api/v1/nodes/${node.name}`;
  const metadata = { name: node.name, labels: { ...nodeLabels(node), ...ownLabel } };
  const about = { apiVersion: "v1", kind: "Node", metadata };
  await apply(client, path, { ...about, spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] } });
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
      conditions: [{ type: "Ready", status: "True", reason: "Lab", message: "a network namespace of the lab" }],
    },
  });
}

/** The addresses behind the Service `kubernetes`: where pods really reach the API server. */
export async function publishApiServer(client: ApiClient, nodes: readonly LabNode[]): Promise<void> {
  await apply(client, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes", {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "kubernetes", ...ownLabel },
    },
    addressType: "IPv4",
    ports: [{ name: "https", port: apiServerPort, protocol: "TCP" }],
    endpoints: nodes.slice(0, 1).map(({ address }) => ({ addresses: [address], conditions: { ready: true } })),
  });
}

/** The agent's settings where every tool looks for them. */
export async function publishSettings(client: ApiClient, data: Readonly<Record<string, string>>): Promise<void> {
  await apply(client, "/api/v1/namespaces/kube-system/configmaps/cilium-config", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cilium-config", namespace: "kube-system", labels: ownLabel },
    data,
  });
}

/** The cluster's DNS, with the names and labels that policies expect: `kube-dns` in `kube-system`. */
export async function publishDns(client: ApiClient): Promise<void> {
  const labels = { "k8s-app": "kube-dns" };
  const ports = (["UDP", "TCP"] as const).map((protocol) => ({ protocol, name: `dns-${protocol.toLowerCase()}` }));
  await apply(client, "/apis/apps/v1/namespaces/kube-system/deployments/coredns", {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace: "kube-system", labels: { ...labels, ...ownLabel } },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            { name: "coredns", image: "coredns", ports: ports.map((port) => ({ ...port, containerPort: 53 })) },
          ],
        },
      },
    },
  });
  await apply(client, "/api/v1/namespaces/kube-system/services/kube-dns", {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace: "kube-system", labels: { ...labels, ...ownLabel } },
    spec: {
      clusterIP: dnsServiceAddress,
      selector: labels,
      ports: ports.map((port) => ({ ...port, port: 53, targetPort: 53 })),
    },
  });
}

/**
 * Takes all of it away again, so that nothing waits for pods that no node will take. Pods that were on the nodes go too:
 * with their node they have lost their address.
 */
export async function withdrawNodes(client: ApiClient): Promise<void> {
  const selector = `labelSelector=${encodeURIComponent("app.kubernetes.io/managed-by=pulumi-cluster-security-lab")}`;
  const { body } = await client.call("GET", `/api/v1/nodes?${selector}`);
  const nodes = (body as { items?: { metadata: { name: string } }[] }).items ?? [];
  if (nodes.length === 0) return;
  for (const { metadata } of nodes) {
    await client.call("DELETE", `/api/v1/nodes/${metadata.name}`);
    await deletePodsOn(client, metadata.name);
  }
  await client.call("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
  // of these a stack may hold its own
  for (const path of [
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    "/api/v1/namespaces/kube-system/services/kube-dns",
    "/api/v1/namespaces/kube-system/configmaps/cilium-config",
  ]) {
    const { status, body: object } = await client.call("GET", path);
    const labels = (object as { metadata?: { labels?: Readonly<Record<string, string>> } } | null)?.metadata?.labels;
    const [[key, value] = ["", ""]] = Object.entries(ownLabel);
    if (status === 200 && labels?.[key] === value) await client.call("DELETE", path);
  }
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
