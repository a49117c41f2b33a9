/**
 * Kubernetes: NetworkPolicy (`networking.k8s.io/v1`).
 *
 * It can only allow, and whatever selects a pod isolates it; so pods of tier 0 are never selected, and metadata
 * endpoints are closed by leaving them out of every range. It knows no DNS names, no service accounts, no nodes and no
 * API server; the plan says so instead of writing something that means less.
 */
import { internetRanges, rangeWithout } from "../addresses";
import type { CidrRange } from "../addresses";
import { flowAnnotations } from "../annotations";
import { DenyScope, Entity } from "../declaration";
import type { DraftDocument, Stage } from "../documents";
import { managedByLabel } from "../documents";
import type { Half, PolicyGroup, Subject } from "../halves";
import { bySubject, externallyDenied, groupHalves, halvesOf, heldNamespaces, namespaceOf, rulesOf } from "../halves";
import type { Model, ModelPeer, PortRange } from "../model";
import type { Shortfalls } from "../unsupported";

/** Set by the API server on every namespace and not settable by tenants (seed defect B09). */
const namespaceNameLabel = "kubernetes.io/metadata.name";

type Plain = Readonly<Record<string, unknown>>;

/** Writes the policies of a declaration as NetworkPolicies. */
export function kubernetesDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  noteLimits(model, shortfalls);
  const halves = halvesOf(model.flows).filter((half) => isExpressible(model, half, shortfalls));
  return [
    ...heldNamespaces(model).map((namespace) => dnsEgress(model, namespace.name)),
    ...groupHalves(halves).flatMap((group) => groupDocuments(model, group)),
    ...externallyDenied(model).map((workload) =>
      policy(
        "flows",
        workload.namespace,
        `deny-external-to-${workload.name}`,
        {},
        {
          podSelector: { matchLabels: workload.labels },
          policyTypes: ["Ingress"],
        },
      ),
    ),
    ...heldNamespaces(model).map((namespace) => defaultDeny(namespace.name)),
  ];
}

function noteLimits(model: Model, shortfalls: Shortfalls): void {
  shortfalls.note(
    "metadata-deny-not-final",
    "dialect",
    "NetworkPolicy has no deny: metadata endpoints are closed only as long as no other policy of a namespace opens them.",
    "Keep the policy pack mandatory, or use the cilium dialect.",
  );
  if (model.denyScope === DenyScope.Cluster) {
    shortfalls.note(
      "undeclared-namespaces-uncovered",
      "denyScope",
      "NetworkPolicy has no clusterwide form: the default deny covers the declared namespaces only.",
      "Declare every namespace, or use the cilium dialect.",
    );
  }
  if (model.tenants.length > 0) {
    shortfalls.note(
      "deny-not-final",
      "tenants",
      "NetworkPolicy has no deny: what one policy leaves closed, another can open.",
      "Keep the policy pack mandatory, or use the cilium dialect.",
    );
  }
  for (const workload of externallyDenied(model)) {
    shortfalls.note(
      "deny-not-final",
      `workloads ${workload.id}`,
      "NetworkPolicy has no deny: what one policy leaves closed, another can open.",
      "Keep the policy pack mandatory, or use the cilium dialect.",
    );
  }
  for (const workload of model.workloads.values()) {
    if (workload.serviceAccount === undefined) continue;
    shortfalls.lost(
      "service-account-unsupported",
      `workloads ${workload.id}`,
      "NetworkPolicy does not know service accounts: workloads are told apart by their labels, which whoever creates pods can set.",
      "Use the cilium dialect where identity matters.",
    );
  }
}

/** Whether NetworkPolicy can say this half; if not, it stays closed and the plan says so. */
function isExpressible(model: Model, half: Half, shortfalls: Shortfalls): boolean {
  const { peer, flow } = half;
  if (peer.kind === "fqdn") {
    shortfalls.lost(
      "fqdn-unsupported",
      flow.path,
      "NetworkPolicy knows no DNS names: the flow stays closed.",
      "Give address ranges with cidr(…), send it through a proxy, or use the cilium dialect.",
    );
    return false;
  }
  if (peer.kind === "entity" && peer.entity === Entity.Ingress) {
    shortfalls.lost(
      "entity-unsupported",
      flow.path,
      "NetworkPolicy does not know Cilium's ingress: the flow stays closed.",
      "Declare the ingress controller as a workload.",
    );
    return false;
  }
  if (addressesOf(model, peer)?.length === 0) {
    shortfalls.lost(
      "address-missing",
      flow.path,
      "NetworkPolicy knows nodes and the API server by address only, and none is declared: the flow stays closed.",
      "Give cluster.apiServer.cidrs and cluster.nodeCidrs.",
    );
    return false;
  }
  if (peer.kind === "cidr" && model.podCidrs.length === 0) {
    shortfalls.note(
      "pod-range-unknown",
      flow.path,
      "Some enforcers match pods by address too, so a range may open more than what lies outside the cluster.",
      "Give cluster.podCidrs; they are then left out of every range.",
    );
  }
  return true;
}

/** Addresses that stand for a peer; undefined for peers that are selected by labels. */
function addressesOf(model: Model, peer: ModelPeer): readonly CidrRange[] | undefined {
  if (peer.kind === "cidr") return withoutPods(model, [peer.range]);
  if (peer.kind === "workload") return peer.workload.hostNetwork ? plainRanges(model.nodeCidrs) : undefined;
  if (peer.kind !== "entity") return undefined;
  switch (peer.entity) {
    case Entity.Internet:
      return withoutPods(model, internetRanges);
    case Entity.KubeApiserver:
      return plainRanges(model.apiServer.cidrs);
    case Entity.Nodes:
      return plainRanges(model.nodeCidrs);
    case Entity.Ingress:
      return [];
  }
}

function withoutPods(model: Model, ranges: readonly CidrRange[]): readonly CidrRange[] {
  return ranges.map((range) => rangeWithout(range, model.podCidrs)).filter((range) => range !== undefined);
}

function plainRanges(cidrs: readonly string[]): readonly CidrRange[] {
  return cidrs.map((cidr) => rangeWithout({ cidr, except: [] }, [])).filter((range) => range !== undefined);
}

function dnsEgress(model: Model, namespace: string): DraftDocument {
  const { dns } = model;
  const ports = (port: number): readonly Plain[] => ["UDP", "TCP"].map((protocol) => ({ port, protocol }));
  const servers = {
    namespaceSelector: { matchLabels: { [namespaceNameLabel]: dns.namespace } },
    podSelector: { matchLabels: dns.labels },
  };
  const address = dns.nodeLocalCache;
  const cache =
    address === undefined
      ? []
      : [{ to: [{ ipBlock: { cidr: `${address}/${address.includes(":") ? 128 : 32}` } }], ports: ports(53) }];
  return policy(
    "dns",
    namespace,
    "allow-dns-egress",
    {},
    {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: [servers], ports: ports(dns.port) }, ...cache],
    },
  );
}

/** Both directions, no rule (seed defect B04: nothing but the deny stands in it). */
function defaultDeny(namespace: string): DraftDocument {
  return policy(
    "default-deny",
    namespace,
    "default-deny-all",
    {},
    {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
    },
  );
}

function groupDocuments(model: Model, group: PolicyGroup): readonly DraftDocument[] {
  const { kind } = group.group;
  return bySubject(group.halves).map(({ subject, halves }): DraftDocument => {
    const spec = allowSpec(model, subject, halves);
    const home = namespaceOf(subject);
    if (kind === "application") return policy("flows", home, group.name, flowAnnotations(halves), spec);
    const own = subject.kind === "workload" ? subject.workload.name : "namespace";
    const draft = policy("platform", home, `${group.name}-${own}`, flowAnnotations(halves), spec);
    return group.group.kind === "service" ? { ...draft, service: group.group.service } : draft;
  });
}

function allowSpec(model: Model, subject: Subject, halves: readonly Half[]): Plain {
  const home = namespaceOf(subject);
  const rules = (direction: "ingress" | "egress"): readonly Plain[] => {
    const side = direction === "ingress" ? "from" : "to";
    const own = halves.filter((half) => half.direction === direction);
    return rulesOf(own, () => "any").map((rule) => ({
      [side]: rule.peers.flatMap((peer) => peerItems(model, peer, home)),
      ports: rule.ports.map(portItem),
    }));
  };
  const ingress = rules("ingress");
  const egress = rules("egress");
  return {
    podSelector: subject.kind === "workload" ? { matchLabels: subject.workload.labels } : {},
    policyTypes: [...(ingress.length > 0 ? ["Ingress"] : []), ...(egress.length > 0 ? ["Egress"] : [])],
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

function peerItems(model: Model, peer: ModelPeer, home: string): readonly Plain[] {
  const addresses = addressesOf(model, peer);
  if (addresses !== undefined) {
    return addresses.map(({ cidr, except }) => ({ ipBlock: except.length === 0 ? { cidr } : { cidr, except } }));
  }
  if (peer.kind === "namespace") {
    return [{ namespaceSelector: { matchLabels: { [namespaceNameLabel]: peer.namespace.name } } }];
  }
  if (peer.kind !== "workload") throw new RangeError(`no NetworkPolicy peer for ${peer.kind}`);
  const podSelector = { matchLabels: peer.workload.labels };
  if (peer.workload.namespace === home) return [{ podSelector }];
  return [{ namespaceSelector: { matchLabels: { [namespaceNameLabel]: peer.workload.namespace } }, podSelector }];
}

function portItem(port: PortRange): Plain {
  return {
    port: port.from,
    ...(port.to === port.from ? {} : { endPort: port.to }),
    protocol: port.protocol as string,
  };
}

function policy(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return {
    stage,
    object: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: {
        name,
        namespace,
        labels: managedByLabel,
        ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      },
      spec,
    },
  };
}
