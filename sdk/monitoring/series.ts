/** How many series the metrics need that the rules read, before anything is installed. */
import type { Plan } from "../plan";
import { MonitoringError } from "./errors";
import type { MonitoringSettings } from "./settings";
import { MonitoredEnforcer } from "./settings";
import type { DeclaredPair } from "./table";

/** The series of one metric. */
interface SeriesCount {
  readonly metric: string;
  readonly series: number;
  /** What they are made of. */
  readonly because: string;
}

/** An estimate, with the assumptions that it rests on. */
export interface SeriesEstimate {
  readonly total: number;
  readonly counts: readonly SeriesCount[];
  /** Series of the table of declared pairs, which the rules themselves record. */
  readonly table: number;
}

/** Nodes that report a pair: those of its source and of its destination, as pods move. */
const nodesOfPair = 3;
/** Pods of a workload that metrics tell apart where pods are labels, those of earlier versions included. */
const podsOfWorkload = 6;
/** Series of one Felix, those of the process included. */
const felixSeries = 250;
/** Undeclared pairs that are denied: as many as there are declared ones. */
const undeclaredShare = 1;

/** Counts series from above: every declared pair in use, and as many undeclared ones denied. */
export function estimateSeries(
  plan: Plan,
  settings: MonitoringSettings,
  pairs: readonly DeclaredPair[],
): SeriesEstimate {
  const table = pairs.length + plan.namespaces.length;
  const counts = [...enforcerSeries(settings, pairs), ...meshSeries(plan)];
  return { total: counts.reduce((sum, { series }) => sum + series, table), counts, table };
}

function enforcerSeries(settings: MonitoringSettings, pairs: readonly DeclaredPair[]): readonly SeriesCount[] {
  if (settings.enforcer === MonitoredEnforcer.Cilium) return hubbleSeries(settings, pairs);
  return settings.enforcer === MonitoredEnforcer.Calico ? calicoSeries(settings) : [];
}

/** Felix knows no pairs: what it counts grows with the nodes, and WireGuard with their square. */
function calicoSeries({ nodes }: MonitoringSettings): readonly SeriesCount[] {
  return [
    { metric: "felix_*", series: felixSeries * nodes, because: `about ${felixSeries} of each of ${nodes} nodes` },
    {
      metric: "wireguard_*",
      series: nodes + 3 * nodes * (nodes - 1),
      because: `handshakes and bytes both ways of each of ${nodes} nodes with each other one`,
    },
    { metric: "goldmane_*", series: 20, because: "one aggregator for the cluster" },
  ];
}

/** What proxies and ztunnels count of each pair of workloads, at both ends. */
function meshSeries({ mesh, flows }: Plan): readonly SeriesCount[] {
  if (mesh === undefined) return [];
  const pairs = new Set(flows.map(({ from, to }) => JSON.stringify([from, to]))).size;
  const ends = nodesOfPair * 2;
  return [
    {
      metric: "istio_requests_total",
      series: pairs * 4 * ends,
      because: `${pairs} declared pairs × 4 response codes × 2 reporters, on ${nodesOfPair} nodes each`,
    },
    {
      metric: "istio_tcp_*",
      series: pairs * 6 * ends,
      because: `${pairs} declared pairs × opened, closed, two ways to fail, bytes both ways × 2 reporters, on ${nodesOfPair} nodes each`,
    },
  ];
}

function hubbleSeries(settings: MonitoringSettings, pairs: readonly DeclaredPair[]): readonly SeriesCount[] {
  const own = new Set(pairs.map(({ source, destination }) => JSON.stringify([source, destination]))).size;
  const perPair = settings.podLabels ? podsOfWorkload * podsOfWorkload : 1;
  const declared = own * perPair;
  const denied = Math.ceil(own * undeclaredShare) * perPair;
  const labels = settings.podLabels ? ` × ${podsOfWorkload} × ${podsOfWorkload} pods` : "";
  return [
    {
      metric: "hubble_policy_verdicts_total",
      series: (declared * 4 + denied) * nodesOfPair,
      because: `${own} declared pairs${labels} × 2 directions × 2 matches, and as many denied pairs, on ${nodesOfPair} nodes each`,
    },
    {
      metric: "hubble_drop_total",
      series: denied * 3 * nodesOfPair,
      because: `${own} denied pairs${labels} × 3 reasons and protocols, on ${nodesOfPair} nodes each`,
    },
    {
      metric: "hubble_flows_processed_total",
      series: 200 * nodesOfPair,
      because: "types, verdicts and protocols, without labels of pods",
    },
    { metric: "hubble_dns_*, hubble_tcp_*", series: 60 * nodesOfPair, because: "types and codes, without names" },
  ];
}

/** @throws MonitoringError above the limit, with what to leave out. */
export function refuseTooMany({ total, counts }: SeriesEstimate, { maxSeries, podLabels }: MonitoringSettings): void {
  if (total <= maxSeries) return;
  const largest = [...counts].sort((a, b) => b.series - a.series)[0];
  const what = largest === undefined ? "" : `, most of them ${largest.metric}: ${largest.series} (${largest.because})`;
  const message = `is ${maxSeries}, and the metrics would have about ${total} series${what}`;
  throw new MonitoringError([
    { path: ["maxSeries"], kind: "number", message, fix: fixFor(largest?.metric ?? "", podLabels) },
  ]);
}

/** What makes it fewer. Contexts that rules read are none that can be dropped. */
function fixFor(metric: string, podLabels: boolean): string {
  if (/^hubble_(?:policy_verdicts|drop)_total$/.test(metric)) {
    return podLabels
      ? "Set `podLabels` to false, which drops the contexts of pods and addresses: pods are then named by their app label alone."
      : "Rules read every context that is left: declare fewer pairs, by naming namespaces in place of workloads, or raise `maxSeries`.";
  }
  if (metric.startsWith("hubble_")) return "Raise `maxSeries`: it is the same whatever is declared.";
  return "Scrape that metric less, or raise `maxSeries`.";
}
