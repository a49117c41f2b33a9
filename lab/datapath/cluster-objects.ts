/** What the API server must know beside its nodes: its own endpoint, the agent's settings, cluster DNS. */
import type { ApiClient } from "../control-plane/index";
import type { LabNode } from "./layout";
import { apiServerPort, dnsServiceAddress } from "./layout";
import { calicoVersion } from "../toolchain/catalog";
import { withdrawCalicoApi } from "./aggregation";
import { apply, ownLabel, simulatedNode, withdrawNodes } from "../nodes/index";

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

/**
 * What calico-node and Calico's controllers write before Felix starts: which version runs, that there is a datastore, the
 * tiers, and the nodes' addresses for Calico. The DaemonSet is there for tools that look which Calico a cluster runs; no node
 * has the label that its pods ask for.
 */
export async function publishCalico(client: ApiClient, nodes: readonly LabNode[]): Promise<void> {
  const crd = "/apis/crd.projectcalico.org/v1";
  const object = (kind: string, name: string, spec: object): object => ({
    apiVersion: "crd.projectcalico.org/v1",
    kind,
    metadata: { name },
    spec,
  });
  const about = {
    calicoVersion: `v${calicoVersion}`,
    clusterType: "k8s,kdd",
    clusterGUID: "lab",
    datastoreReady: true,
  };
  await apply(client, `${crd}/clusterinformations/default`, object("ClusterInformation", "default", about));
  for (const [name, order, defaultAction] of [
    ["default", 1_000_000, "Deny"],
    ["adminnetworkpolicy", 1000, "Pass"],
    ["baselineadminnetworkpolicy", 10_000_000, "Pass"],
  ] as const) {
    await apply(client, `${crd}/tiers/${name}`, object("Tier", name, { order, defaultAction }));
  }
  for (const { name, address } of nodes) {
    const annotations = { "projectcalico.org/IPv4Address": `${address}/24` };
    await client.call("PATCH", `/api/v1/nodes/${name}`, { metadata: { annotations } }, "application/merge-patch+json");
  }
  const labels = { "k8s-app": "calico-node" };
  await apply(client, `/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node`, {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "calico-node", namespace: "kube-system", labels: { ...labels, ...ownLabel } },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork: true,
          nodeSelector: { "lab.pulumi-cluster-security/runs-calico-node": "in-a-pod" },
          containers: [{ name: "calico-node", image: `calico/node:v${calicoVersion}` }],
        },
      },
    },
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

/** Takes all of it away again: the nodes with their pods, and what no stack has made its own. */
export async function withdrawDatapath(client: ApiClient): Promise<void> {
  const gone = await withdrawNodes(client, simulatedNode.name);
  if (gone.length === 0) return;
  await withdrawCalicoApi(client);
  await client.call("DELETE", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
  // of these a stack may hold its own
  for (const path of [
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    "/api/v1/namespaces/kube-system/services/kube-dns",
    "/api/v1/namespaces/kube-system/configmaps/cilium-config",
    "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node",
  ]) {
    const { status, body: object } = await client.call("GET", path);
    const labels = (object as { metadata?: { labels?: Readonly<Record<string, string>> } } | null)?.metadata?.labels;
    const [[key, value] = ["", ""]] = Object.entries(ownLabel);
    if (status === 200 && labels?.[key] === value) await client.call("DELETE", path);
  }
}
