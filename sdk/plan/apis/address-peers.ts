/** Peers that dialects without names for them know by address, and what is lost where no address is declared. */
import type { CidrRange } from "../addresses";
import { cidrInside, internetRanges, rangeWithout } from "../addresses";
import { Entity, PolicyMode } from "../declaration";
import type { Half } from "../halves";
import { halvesOf, modeOf, namespaceOf } from "../halves";
import { metadataServices } from "../metadata-services";
import type { Model, ModelPeer } from "../model";
import type { Shortfalls } from "../unsupported";

/** Addresses that stand for a peer. */
export interface AddressPeer {
  readonly ranges: readonly CidrRange[];
  /** They lie outside the cluster: pods within them are not meant. */
  readonly isWorld: boolean;
}

/**
 * Addresses that stand for a peer; undefined for peers that are selected by labels or by name.
 *
 * @param direction Of the half whose peer it is: who calls a webhook comes from the node that the API server runs on.
 */
export function addressPeer(model: Model, peer: ModelPeer, direction: Half["direction"]): AddressPeer | undefined {
  switch (peer.kind) {
    case "cidr":
      return { ranges: [peer.range], isWorld: true };
    case "workload":
      return peer.workload.hostNetwork ? { ranges: plainRanges(model.nodeCidrs), isWorld: false } : undefined;
    case "metadata":
      return { ranges: metadataServices[peer.service].ranges, isWorld: false };
    case "entity":
      return entityRanges(model, peer.entity, direction);
    case "namespace":
    case "fqdn":
      return undefined;
  }
}

function entityRanges(model: Model, entity: Entity, direction: Half["direction"]): AddressPeer {
  switch (entity) {
    case Entity.Internet:
      return { ranges: internetRanges, isWorld: true };
    case Entity.KubeApiserver: {
      const nodes = direction === "ingress" ? model.nodeCidrs : [];
      return { ranges: plainRanges([...new Set([...model.apiServer.cidrs, ...nodes])]), isWorld: false };
    }
    case Entity.Nodes:
      return { ranges: plainRanges(model.nodeCidrs), isWorld: false };
    case Entity.Ingress:
      return { ranges: [], isWorld: false };
  }
}

function plainRanges(cidrs: readonly string[]): readonly CidrRange[] {
  return cidrs.map((cidr) => rangeWithout({ cidr, except: [] }, [])).filter((range) => range !== undefined);
}

/**
 * Whether a dialect that knows pods by labels and everything else by address can say a half. If not, the half stays
 * closed and the plan says so, or the declaration is refused.
 *
 * @param enforcer What is said to lack it: `NetworkPolicy`, `Open-source Calico`.
 */
export function isSayable(model: Model, half: Half, shortfalls: Shortfalls, enforcer: string): boolean {
  const { peer, flow } = half;
  if (peer.kind === "fqdn") {
    shortfalls.lostFlow(
      "fqdn-unsupported",
      flow,
      `${enforcer} knows no DNS names: the flow stays closed.`,
      "Give address ranges with cidr(…), send it through a proxy, or use the cilium dialect.",
    );
    return false;
  }
  if (peer.kind === "entity" && peer.entity === Entity.Ingress) {
    shortfalls.lostFlow(
      "entity-unsupported",
      flow,
      `${enforcer} does not know Cilium's ingress: the flow stays closed.`,
      "Declare the ingress controller as a workload.",
    );
    return false;
  }
  if (addressPeer(model, peer, half.direction)?.ranges.length === 0) {
    shortfalls.lostFlow(
      "address-missing",
      flow,
      `${enforcer} knows nodes and the API server by address only, and none is declared: the flow stays closed.`,
      "Give cluster.apiServer.cidrs and cluster.nodeCidrs.",
    );
    return false;
  }
  noteCoveredNodes(model, half, shortfalls);
  return true;
}

/** Networks that are nobody's alone: where it is not declared which addresses the nodes have, some lie in one of these. */
const privateNetworks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/**
 * Says which ranges hold nodes. What is matched by address stands for the nodes within it too; to Cilium a node is none of its
 * addresses (measured with both enforcers; policy-semantics 3c).
 */
function noteCoveredNodes(model: Model, { peer, direction, flow }: Half, shortfalls: Shortfalls): void {
  const addresses = addressPeer(model, peer, direction);
  if (addresses?.isWorld !== true) return;
  const isWithin = (nodes: string): boolean =>
    addresses.ranges.some(
      ({ cidr, except }) =>
        (cidrInside(nodes, cidr) || (model.nodeCidrs.length > 0 && cidrInside(cidr, nodes))) &&
        !except.some((left) => cidrInside(nodes, left)),
    );
  const nodes = model.nodeCidrs.length > 0 ? model.nodeCidrs : privateNetworks;
  if (!nodes.some(isWithin)) return;
  shortfalls.note(
    "range-covers-nodes",
    flow.path,
    "A range also matches the nodes within it by address: the flow opens their ports, or lets them in. Cilium's own API leaves nodes out of ranges.",
    "Leave the nodes out with except, or give cluster.nodeCidrs where the range holds none of them.",
  );
}

/**
 * Says which flows lead to the node, or come from it, by address: Cilium gives nodes an identity of their own, which no
 * ipBlock and no network matches unless it is told to (policy-semantics 3c).
 */
export function noteNodeAddresses(model: Model, shortfalls: Shortfalls): void {
  const isOnNode = ({ peer, direction }: Half): boolean => {
    const addresses = addressPeer(model, peer, direction);
    return addresses !== undefined && !addresses.isWorld && addresses.ranges.length > 0;
  };
  const paths = halvesOf(model.flows)
    .filter((half) => modeOf(model, namespaceOf(half.subject)) === PolicyMode.Enforce && isOnNode(half))
    .map(({ flow }) => flow.path);
  for (const path of [...paths, ...(nodeDnsCidrs(model).length > 0 ? [["cluster", "dns"]] : [])]) {
    shortfalls.note(
      "node-address-match",
      path,
      "Nodes and the API server are named by address, which Cilium matches only with policy-cidr-match-mode: nodes.",
      "Set it where Cilium enforces (its documents ask for `pods,nodes` with ClusterNetworkPolicy), or use the cilium dialect.",
    );
  }
}

/** An address as a range of its own. */
function hostCidr(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** Addresses beside the DNS pods where DNS answers: NodeLocal DNSCache on the node, always on port 53. */
export function nodeDnsCidrs(model: Model): readonly string[] {
  const { nodeLocalCache, serviceAddress } = model.dns;
  if (nodeLocalCache === undefined) return [];
  return [nodeLocalCache, ...(serviceAddress === undefined ? [] : [serviceAddress])].map(hostCidr);
}
