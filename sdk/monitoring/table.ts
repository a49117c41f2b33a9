/** The declaration as series: which pairs are declared, who owns them, and who owns which namespace. */
import type { Plan, PlannedFlow, PlannedPeer, PlannedWorkload } from "../plan";
import { Entity, Tier, describePlannedPeer } from "../plan";
import type { MonitoringSettings } from "./settings";
import type { Labels, RecordingRule } from "./types";

/** Series of value 1, one for each declared pair and owner. */
export const declaredFlow = "cluster_security:declared_flow";
/** Series of value 1, one for each declared namespace. */
export const namespaceOwner = "cluster_security:namespace_owner";

/** Stands for every app of a namespace. */
export const anyApp = "*";

/** One end of a pair as Hubble's metrics name it: the namespace, empty outside the cluster, and the app or the identity. */
export interface MetricEnd {
  readonly namespace: string;
  readonly name: string;
}

/** A declared pair, with the flows of one owner between its ends. */
export interface DeclaredPair {
  readonly source: MetricEnd;
  readonly destination: MetricEnd;
  readonly owner: string;
  /** Ids of the flows, sorted. */
  readonly flows: readonly string[];
  /** In words, for people: `shop/frontend → shop/backend-api`. */
  readonly words: string;
}

/**
 * The labels by which Hubble's context `app` names a pod, first come first served. It takes the first of a pod's sorted
 * labels that is one of them (`pkg/hubble/metrics/api/context.go`).
 */
const appLabelKeys: readonly string[] = ["app.kubernetes.io/name", "app", "k8s-app"];

/** The identity that stands for everything outside the cluster. */
export const world: MetricEnd = { namespace: "", name: "reserved:world" };
/** The nodes, whose local and remote identities the recording rules join. */
const nodes: MetricEnd = { namespace: "", name: "reserved:nodes" };

/** The value of the app label by which metrics name the pods of a workload; undefined where the declaration has none. */
function appOf(workload: PlannedWorkload, settings: Pick<MonitoringSettings, "appLabels">): string | undefined {
  const stated = settings.appLabels.get(`${workload.namespace}/${workload.name}`);
  if (stated !== undefined) return stated;
  const key = appLabelKeys.find((each) => Object.hasOwn(workload.labels, each));
  return key === undefined ? undefined : workload.labels[key];
}

/** Every declared pair: the flows, and DNS, which is open to all isolated namespaces that may ask. Sorted. */
export function declaredPairs(plan: Plan, settings: MonitoringSettings): readonly DeclaredPair[] {
  const ends = new Ends(plan, settings);
  const pairs = new Map<string, DeclaredPair>();
  const add = (source: MetricEnd, destination: MetricEnd, owner: string, id: string, words: string): void => {
    // the join with a row for every app needs one row: the first owner stands for all
    const isWide = source.name === anyApp || destination.name === anyApp;
    const ends = [source.namespace, source.name, destination.namespace, destination.name];
    const key = JSON.stringify(isWide ? ends : [...ends, owner]);
    const found = pairs.get(key);
    if (found === undefined) pairs.set(key, { source, destination, owner, flows: [id], words });
    else {
      const flows = [...new Set([...found.flows, id])].sort();
      pairs.set(key, { ...found, flows, owner: owner < found.owner ? owner : found.owner });
    }
  };
  for (const flow of plan.flows) {
    const { from, to } = flow;
    const words = `${describePlannedPeer(from)} → ${describePlannedPeer(to)}`;
    for (const source of ends.of(from)) {
      for (const destination of ends.of(to)) add(source, destination, flow.owner, flow.id, words);
    }
  }
  const servers = ends.servers();
  for (const { name, tier } of plan.namespaces) {
    if (tier === Tier.Platform || plan.dns.closedTo.includes(name)) continue;
    add({ namespace: name, name: anyApp }, servers, settings.platformOwner, "dns", `namespace ${name} → DNS`);
  }
  return [...pairs.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}

/** Peers of a plan as the ends of metrics. */
class Ends {
  private readonly workloads: ReadonlyMap<string, PlannedWorkload>;

  constructor(
    private readonly plan: Plan,
    private readonly settings: MonitoringSettings,
  ) {
    this.workloads = new Map(plan.workloads.map((each) => [`${each.namespace}/${each.name}`, each]));
  }

  of(peer: PlannedPeer): readonly MetricEnd[] {
    switch (peer.kind) {
      case "workload":
        return [this.workload(peer.namespace, peer.name)];
      case "namespace":
        return [{ namespace: peer.namespace, name: anyApp }];
      case "cidr":
      case "fqdn":
        return [world];
      case "metadata":
        return [nodes, world];
      case "entity":
        return [entities[peer.entity]];
    }
  }

  servers(): MetricEnd {
    const { namespace, labels } = this.plan.dns;
    const key = appLabelKeys.find((each) => Object.hasOwn(labels, each));
    return { namespace, name: (key === undefined ? undefined : labels[key]) ?? anyApp };
  }

  private workload(namespace: string, name: string): MetricEnd {
    const workload = this.workloads.get(`${namespace}/${name}`);
    if (workload === undefined) return { namespace, name };
    if (workload.hostNetwork) return nodes;
    // without an app label the metrics have the namespace alone
    return { namespace, name: appOf(workload, this.settings) ?? "" };
  }
}

const entities: Readonly<Record<Entity, MetricEnd>> = {
  [Entity.Internet]: world,
  [Entity.KubeApiserver]: { namespace: "", name: "reserved:kube-apiserver" },
  [Entity.Nodes]: nodes,
  [Entity.Ingress]: { namespace: "", name: "reserved:ingress" },
};

/**
 * Who answers for a namespace: who was named, else the owner of most flows into its workloads, else of most flows out of
 * them; where nobody is, the owner of the platform. Flows that another tenant was granted count only where there are no
 * others: they say little about whose the namespace is.
 */
export function namespaceOwners(plan: Plan, settings: MonitoringSettings): ReadonlyMap<string, string> {
  const tenantOf = new Map(plan.tenants.flatMap(({ name, namespaces }) => namespaces.map((each) => [each, name])));
  const isOfOthers = (peer: PlannedPeer, namespace: string): boolean => {
    const other = peer.kind === "workload" || peer.kind === "namespace" ? tenantOf.get(peer.namespace) : undefined;
    return other !== undefined && other !== tenantOf.get(namespace);
  };
  const most = (end: "from" | "to", namespace: string, isGrantedToo = false): string | undefined => {
    const counts = new Map<string, number>();
    for (const flow of plan.flows) {
      const peer = flow[end];
      const isThere = (peer.kind === "workload" || peer.kind === "namespace") && peer.namespace === namespace;
      if (!isThere || isOfPlatform(flow, settings)) continue;
      if (!isGrantedToo && isOfOthers(flow[end === "to" ? "from" : "to"], namespace)) continue;
      counts.set(flow.owner, (counts.get(flow.owner) ?? 0) + 1);
    }
    return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0];
  };
  const names = [...new Set([...plan.namespaces.map(({ name }) => name), ...plan.exemptNamespaces])].sort();
  return new Map(
    names.map((name) => [
      name,
      settings.namespaceOwners.get(name) ??
        most("to", name) ??
        most("from", name) ??
        most("to", name, true) ??
        most("from", name, true) ??
        settings.platformOwner,
    ]),
  );
}

/** Scraping reaches every namespace and says nothing about who owns it. */
function isOfPlatform({ owner }: PlannedFlow, { platformOwner }: MonitoringSettings): boolean {
  return owner === platformOwner;
}

/** The rules that record the table. */
export function tableRules(
  pairs: readonly DeclaredPair[],
  owners: ReadonlyMap<string, string>,
  plan: Plan,
): readonly RecordingRule[] {
  const tenants = new Map(plan.tenants.flatMap(({ name, namespaces }) => namespaces.map((each) => [each, name])));
  return [
    ...pairs.map(({ source, destination, owner, flows }): RecordingRule => {
      return {
        record: declaredFlow,
        expr: "vector(1)",
        labels: withoutEmpty({
          source_namespace: source.namespace,
          source: source.name,
          destination_namespace: destination.namespace,
          destination: destination.name,
          owner,
          flow: flows.join(","),
        }),
      };
    }),
    ...[...owners].map(([namespace, owner]): RecordingRule => {
      const tenant = tenants.get(namespace);
      return {
        record: namespaceOwner,
        expr: "vector(1)",
        labels: { namespace, owner, ...(tenant === undefined ? {} : { tenant }) },
      };
    }),
  ];
}

/** To Prometheus a label without value is no label. */
function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

/** Workloads that the metrics cannot tell from their neighbours: none of the labels by which Hubble names pods is declared. */
export function withoutAppLabel(plan: Plan, settings: MonitoringSettings): readonly string[] {
  return plan.workloads
    .filter((each) => !each.hostNetwork && appOf(each, settings) === undefined)
    .map(({ namespace, name }) => `${namespace}/${name}`)
    .sort();
}
