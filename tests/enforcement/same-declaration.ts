/** One declaration for two enforcers: what is deployed of it, what is tried, and what the planner said beforehand. */
import { apiServerPort, clusterCidr, labNodes } from "../../lab/datapath/layout";
import type { EnforcerName, LabObject, LabProbe } from "../../lab/datapath/index";
import { world as outside } from "../../lab/datapath/index";
import type { ClusterSecurityDeclaration, Dialect, Plan, WarningCode } from "../../sdk/plan/index";
import { DeclarationError, plan } from "../../sdk/plan/index";
import { podOf } from "./declared";
import type { LabWorld } from "./world";
import { describeProbe } from "./world";

/** A declaration with what runs. */
export interface SameDeclaration {
  readonly name: string;
  readonly declaration: ClusterSecurityDeclaration;
  readonly world: LabWorld;
  readonly probes: readonly LabProbe[];
}

/** Somebody whom no declaration mentions. */
const stranger = { namespace: "stranger", name: "stranger" };

/** The lab's own addresses, for the policy APIs that name nodes, pods and the API server by address. */
const cluster = {
  podCidrs: [clusterCidr],
  nodeCidrs: labNodes.map(({ address }) => `${address}/32`),
  apiServer: { cidrs: labNodes.map(({ address }) => `${address}/32`) },
};

/** Ports that are tried within the cluster, and between a pod and an address outside. */
const mostPoints = 12;
const mostOutside = 4;

/** Prepares a declaration for the lab: its workloads as pods, a stranger beside them, and every connection worth trying. */
export function sameDeclaration(name: string, given: ClusterSecurityDeclaration): SameDeclaration {
  const declaration = { ...given, cluster: { ...given.cluster, ...cluster } };
  const workloads = (declaration.workloads ?? []).filter(({ hostNetwork }) => hostNetwork !== true);
  const planned = plan(declaration);
  const labels = new Map(planned.namespaces.map((namespace) => [namespace.name, namespace.labels]));
  const pods = [...workloads.map(podOf), stranger];
  const world: LabWorld = {
    namespaces: [...new Set(pods.map(({ namespace }) => namespace))].map((home) => ({
      name: home,
      labels: labels.get(home) ?? {},
    })),
    pods,
  };
  return { name, declaration, world, probes: probesIn(planned, world) };
}

/** Ports that flows name, both edges of a range, and those that workloads declare. */
function pointsIn({ flows }: Plan, pods: LabWorld["pods"]): Pick<LabProbe, "port" | "protocol">[] {
  const named = [
    ...flows.flatMap(({ ports }) =>
      ports.flatMap(({ protocol, from, to }) => [
        { port: from, protocol },
        { port: to, protocol },
      ]),
    ),
    ...pods.flatMap(({ ports = [] }) => ports.map(({ port, protocol = "TCP" }) => ({ port, protocol }))),
    { port: 80, protocol: "TCP" },
  ];
  const points = named.flatMap(({ port, protocol }) =>
    // questions to a DNS server may go through Cilium's proxy, which passes nothing else on: the examples' own suites ask them
    port === 53 || (protocol !== "TCP" && protocol !== "UDP")
      ? []
      : [{ port, protocol: protocol === "TCP" ? ("tcp" as const) : ("udp" as const) }],
  );
  return [...new Map(points.map((point) => [`${point.port}/${point.protocol}`, point])).values()].slice(0, mostPoints);
}

/** Every pair of pods, and every pod and its node both ways; every pod and the world both ways, on fewer ports. */
function probesIn(planned: Plan, { pods }: LabWorld): LabProbe[] {
  const ends = pods.map(({ namespace, name }) => `${namespace}/${name}`);
  const points = pointsIn(planned, pods);
  const pairs = ends.flatMap((from) => ends.filter((to) => to !== from).map((to) => ({ from, to })));
  const nodes = ends.flatMap((pod) => [
    { from: pod, to: "node" },
    { from: "node", to: pod },
  ]);
  const outer = ends.flatMap((pod) =>
    outside.addresses.flatMap((address) => [
      { from: pod, to: address },
      { from: `world:${address}`, to: pod },
    ]),
  );
  return [
    ...pairs.flatMap((pair) => points.map((point) => ({ ...pair, ...point }))),
    // the API server answers there, and it says nothing to a prober
    ...nodes.flatMap((pair) =>
      points.filter(({ port }) => port !== apiServerPort).map((point) => ({ ...pair, ...point })),
    ),
    ...outer.flatMap((pair) => points.slice(0, mostOutside).map((point) => ({ ...pair, ...point }))),
  ];
}

/** Groups of what an enforcer reads; the rest of a plan is for Istio and the API server. */
const enforced = ["cilium.io", "projectcalico.org", "networking.k8s.io", "policy.networking.k8s.io"];

/** What the planner makes of a declaration in an API. */
export interface Planned {
  readonly policies: readonly LabObject[];
  readonly warnings: Plan["warnings"];
  /** Why it does not take the declaration, where it does not. */
  readonly refused?: string;
}

/** Plans a declaration in an API; a refusal is an answer too. */
export function plannedIn({ declaration }: SameDeclaration, dialect: Dialect): Planned {
  try {
    const { documents, warnings } = plan({ ...declaration, dialect });
    const policies = documents
      .map(({ object }) => object as unknown as LabObject)
      .filter(({ apiVersion }) => enforced.includes(apiVersion.split("/")[0] ?? ""));
    return { policies, warnings };
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error;
    return { policies: [], warnings: [], refused: error.message };
  }
}

/** What came of the same probes with two enforcers. */
export interface Comparison {
  readonly probes: number;
  /** Probes that connect with both. */
  readonly allowed: number;
  /** Probes that end otherwise with one than with the other, as the planner has said beforehand. */
  readonly announced: number;
  /** One line for each of the others that do. */
  readonly different: readonly string[];
}

function isOnNode({ from, to }: LabProbe): boolean {
  return from === "node" || to === "node";
}

/** What the planner says about differences between enforcers, and which probes it is about. */
const announcements: Partial<Record<WarningCode, (probe: LabProbe) => boolean>> = {
  // Cilium knows a node by its identity, where it is not told to match it by address too
  "node-address-match": isOnNode,
  "range-covers-nodes": isOnNode,
};

/** Compares outcomes, which are in the order of the probes; `warnings` are those of both plans. */
export function compareOutcomes(
  probes: readonly LabProbe[],
  { cilium, calico }: Readonly<Record<EnforcerName, readonly string[]>>,
  warnings: Plan["warnings"],
): Comparison {
  const differing = probes.flatMap((probe, index) =>
    cilium[index] === calico[index]
      ? []
      : [
          {
            isAnnounced: warnings.some(({ code }) => announcements[code]?.(probe)),
            text: `${describeProbe(probe)}: ${cilium[index]} by Cilium, ${calico[index]} by Calico`,
          },
        ],
  );
  return {
    probes: probes.length,
    allowed: probes.filter((_probe, index) => cilium[index] === "allowed" && calico[index] === "allowed").length,
    announced: differing.filter(({ isAnnounced }) => isAnnounced).length,
    different: differing.filter(({ isAnnounced }) => !isAnnounced).map(({ text }) => text),
  };
}
