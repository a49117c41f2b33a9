/**
 * Compares what a set of policies allows with what a plan says it declares: every pair of pods in both directions, and
 * pods with addresses outside. Computed from the flows in words, without the policies.
 */
import ipaddr from "ipaddr.js";
import type { Plan, WorkloadDeclaration } from "../../sdk/plan/index";
import { describePlannedPeer, Tier } from "../../sdk/plan/index";
import type { Peer, Reachability } from "../../sdk/reachability/index";
import { AddressSet, TrafficSet, metadataEndpoints } from "../../sdk/reachability/index";

/** Addresses that stand for the outside: public and private ones of both families. */
const outside = ["8.8.8.8", "2606:4700::1111", "10.77.9.9", "fd12::9"];
const publicAddresses = new Set(["8.8.8.8", "2606:4700::1111"]);

/** What was compared, and where policies and declaration differ. */
export interface Comparison {
  readonly compared: number;
  /** One line each; empty when everything declared is open and nothing else. */
  readonly differences: readonly string[];
}

/**
 * Everything that `reachability` allows between the workloads and to the outside, against the flows of the plan.
 *
 * @param podCidrs The ranges of pods that the declaration states: the plan leaves them out of every declared range.
 */
export function compareWithDeclaration(
  reachability: Reachability,
  plan: Plan,
  workloads: readonly WorkloadDeclaration[],
  podCidrs: readonly string[] = [],
): Comparison {
  const pods = workloads.filter(({ hostNetwork }) => hostNetwork !== true);
  const held = pods.filter((workload) => isHeld(plan, workload));
  const differences: string[] = [];
  let compared = 0;
  const compare = (from: string, source: Peer, to: string, destination: Peer, wanted: TrafficSet): void => {
    compared += 1;
    const traffic = reachability.traffic(source, destination);
    const [allowed, possible, declared] = [traffic.allowed, traffic.possible, wanted].map((set) => set.toString());
    if (allowed === declared && possible === declared) return;
    const found = allowed === possible ? allowed : `${allowed}, possibly ${possible}`;
    differences.push(`${from} → ${to}: ${found}; declared: ${declared}`);
  };
  for (const source of pods) {
    for (const target of pods) {
      if (source === target) continue;
      const bothExempt = !held.includes(source) && !held.includes(target);
      // what nothing holds sends from an address of the pods' range, which a declared range may hold
      const byAddress = held.includes(source)
        ? TrafficSet.none()
        : union(plan, (flow) => holdsPods(flow.from, reachability, podCidrs) && isEnd(flow.to, target));
      const wanted = bothExempt ? TrafficSet.all() : declaredBetween(plan, source, target).union(byAddress);
      compare(idOf(source), peerOf(reachability, source), idOf(target), peerOf(reachability, target), wanted);
    }
  }
  for (const workload of held) {
    for (const address of outside) {
      const end: Peer = { kind: "address", address };
      const pod = peerOf(reachability, workload);
      const matches = (peer: string): boolean => holdsAddress(peer, address);
      const [out, into] = [
        union(plan, (flow) => isEnd(flow.from, workload) && matches(flow.to)),
        union(plan, (flow) => matches(flow.from) && isEnd(flow.to, workload)),
      ];
      compare(idOf(workload), pod, address, end, out);
      compare(address, end, idOf(workload), pod, into);
    }
  }
  return { compared, differences };
}

/** Pods that can open a connection to a metadata endpoint of any cloud, `namespace/name`, sorted. */
export function podsThatReachMetadata(reachability: Reachability, workloads: readonly WorkloadDeclaration[]): string[] {
  return workloads
    .filter((workload) =>
      metadataEndpoints.some(
        ({ address }) =>
          !reachability.traffic(peerOf(reachability, workload), { kind: "address", address }).possible.isEmpty(),
      ),
    )
    .map(idOf)
    .sort();
}

/** Pods that no policy holds: those of tier 0 and those on the host network, `namespace/name`, sorted. */
export function exemptPods(plan: Plan, workloads: readonly WorkloadDeclaration[]): string[] {
  return workloads
    .filter((workload) => workload.hostNetwork === true || !isHeld(plan, workload))
    .map(idOf)
    .sort();
}

function isHeld(plan: Plan, { namespace }: WorkloadDeclaration): boolean {
  return plan.namespaces.some(({ name, tier }) => name === namespace && tier !== Tier.Platform);
}

function idOf({ namespace, name }: WorkloadDeclaration): string {
  return `${namespace}/${name}`;
}

/** The workload as the cluster runs it, whatever its kind. */
function peerOf(reachability: Reachability, workload: WorkloadDeclaration): Peer {
  const id = idOf(workload);
  const found = reachability.snapshot.workloads.filter((one) => one.id.startsWith(`${id}[`));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} workloads are called ${id}`);
  return { kind: "workload", id: found[0].id };
}

function declaredBetween(plan: Plan, source: WorkloadDeclaration, target: WorkloadDeclaration): TrafficSet {
  const ports = union(plan, ({ from, to }) => isEnd(from, source) && isEnd(to, target));
  return idOf(target) === "kube-system/kube-dns" ? ports.union(dns) : ports;
}

const dns = TrafficSet.ports("TCP", 53, 53).union(TrafficSet.ports("UDP", 53, 53));

function isEnd(peer: string, workload: WorkloadDeclaration): boolean {
  return peer === idOf(workload) || peer === `namespace ${workload.namespace}`;
}

function holdsAddress(peer: string, address: string): boolean {
  if (peer === "internet") return publicAddresses.has(address);
  if (!ipaddr.isValidCIDR(peer)) return false;
  const [network, bits] = ipaddr.parseCIDR(peer);
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network.kind() && parsed.match(network, bits);
}

/** Whether a declared range holds the addresses of all pods, where those are known and enforcement reads ranges so. */
function holdsPods(peer: string, { snapshot }: Reachability, podCidrs: readonly string[]): boolean {
  const { profile, podAddresses } = snapshot;
  if (!profile.cidrMatchesPods || podAddresses === undefined || !ipaddr.isValidCIDR(peer)) return false;
  if (podCidrs.some((range) => podAddresses.isSubsetOf(AddressSet.ofCidrs(range)))) return false;
  return podAddresses.isSubsetOf(AddressSet.ofCidrs(peer));
}

/** Flows with their source and destination in words. */
export function wordedFlows(
  plan: Plan,
): (Omit<Plan["flows"][number], "from" | "to"> & { readonly from: string; readonly to: string })[] {
  return plan.flows.map((flow) => ({
    ...flow,
    from: describePlannedPeer(flow.from),
    to: describePlannedPeer(flow.to),
  }));
}

function union(plan: Plan, applies: (flow: ReturnType<typeof wordedFlows>[number]) => boolean): TrafficSet {
  let traffic = TrafficSet.none();
  for (const flow of wordedFlows(plan).filter(applies)) {
    for (const { protocol, from, to } of flow.ports) traffic = traffic.union(TrafficSet.ports(protocol, from, to));
  }
  return traffic;
}
