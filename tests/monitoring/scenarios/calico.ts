/** What Felix, WireGuard and Goldmane report, and what has to fire. */
import type { InputSeries, Scenario } from "../promtool";
import { between, constant, counter, labelled, slowly, within, steps } from "./series";

const felixNode = { instance: "10.0.0.1:9091" };

/** What Felix, WireGuard and Goldmane report. */
export function calicoScenarios(): readonly Scenario[] {
  const of = (metric: string, labels: Record<string, string>, values: string): InputSeries => ({
    series: labelled(metric, { ...felixNode, ...labels }),
    values,
  });
  const well = (...without: readonly string[]): InputSeries[] =>
    [
      of("felix_cluster_num_policies", {}, constant(9, 60)),
      of("felix_active_local_endpoints", {}, constant(9, 60)),
      of("felix_int_dataplane_failures", {}, constant(3, 60)),
    ].filter(({ series }) => !without.some((metric) => series.startsWith(metric === "felix_" ? metric : `${metric}{`)));
  const scenario = (
    title: string,
    alert: string,
    minutes: readonly [number, number],
    replaced: string,
    ...series: readonly InputSeries[]
  ): Scenario => ({
    title,
    about: [alert.split(" ")[0] ?? ""],
    series: [...well(replaced), ...series],
    moments: between(alert, minutes),
  });
  const silent = (title: string, about: string, replaced: string, ...series: readonly InputSeries[]): Scenario => ({
    title,
    about: [about],
    series: [...well(replaced), ...series],
    moments: ["20m", "30m", "40m"].map((at) => ({ at, firing: [] })),
  });
  const apply = (seconds: number, perStep = 1, quantile = "0.99"): InputSeries[] => [
    of(
      "felix_int_dataplane_apply_time_seconds",
      { quantile },
      `${constant(0.2, 10)} ${constant(seconds, 20)} ${constant(0.2, 30)}`,
    ),
    of("felix_int_dataplane_apply_time_seconds_count", {}, counter([perStep, 60])),
  ];
  const peer = { hostname: "node-1", peer_key: "key", public_key: "own" };
  const goldmane = (lost: number): InputSeries[] => [
    of("goldmane_aggr_received_flows_total", {}, counter([100, 60])),
    of("goldmane_aggr_dropped_flows_total", {}, counter([0, 10], [lost, 15], [0, 35])),
  ];
  const all = [
    scenario(
      "Felix knows no policy any more",
      "EnforcementOff security critical",
      [13, 35],
      "felix_cluster_num_policies",
      of("felix_cluster_num_policies", {}, `${constant(9, 10)} ${constant(0, 20)} ${constant(9, 30)}`),
    ),
    scenario(
      "the dataplane fails again and again",
      "FelixDataplaneFailing platform critical",
      [16, 41],
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0, 10], [1, 20], [0, 30])),
    ),
    silent(
      "one failure that was repaired",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, `${constant(0, 10)} ${constant(1, 50)}`),
    ),
    silent(
      "a cluster without pods has no policy",
      "EnforcementOff",
      "felix_",
      of("felix_cluster_num_policies", {}, constant(0, 60)),
      of("felix_active_local_endpoints", {}, constant(0, 60)),
    ),
    silent(
      "the dataplane failed for two minutes",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0, 10], [1, 2], [0, 48])),
    ),
    silent(
      "the dataplane fails now and then",
      "FelixDataplaneFailing",
      "felix_int_dataplane_failures",
      of("felix_int_dataplane_failures", {}, counter([0.04, 60])),
    ),
    silent("one update took long, and there were few", "PolicyPropagationSlow", "", ...apply(9, 0.01)),
    silent("the slowest update of all took long", "PolicyPropagationSlow", "", ...apply(9, 1, "1")),
    scenario("updates take long", "PolicyPropagationSlow platform warning", [21, 40], "", ...apply(9)),
    silent("updates are quick", "PolicyPropagationSlow", "", ...apply(0.5)),
    scenario(
      "a WireGuard peer is silent while it is sent to",
      "WireGuardStale security critical",
      [21, 40],
      "",
      of("wireguard_latest_handshake_seconds", peer, `0+15x${steps(10)} ${constant(600, 20)} 1800+15x${steps(30)}`),
      of("wireguard_bytes_sent", peer, counter([1000, 60])),
    ),
    silent(
      "a WireGuard peer that nobody sends to",
      "WireGuardStale",
      "",
      of("wireguard_latest_handshake_seconds", peer, constant(0, 60)),
      of("wireguard_bytes_sent", peer, constant(1000, 60)),
    ),
    scenario("Goldmane loses flows", "FlowEventsLost platform warning", [17, 43], "", ...goldmane(10)),
    silent("Goldmane loses a few flows", "FlowEventsLost", "", ...goldmane(0.2)),
    ...["felix_cluster_num_policies", "felix_active_local_endpoints"].map((metric): Scenario => ({
      title: `${metric} is gone`,
      about: ["PolicyMetricsAbsent"],
      series: well(metric),
      moments: [
        { at: "9m", firing: [] },
        { at: "20m", firing: ["PolicyMetricsAbsent platform critical"] },
      ],
    })),
  ];
  return within(["calico", "watch"], slowly(all));
}
