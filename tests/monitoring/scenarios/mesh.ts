/** What the mesh reports, and what has to fire. */
import type { Watched } from "../declarations";
import type { InputSeries, Scenario } from "../promtool";
import { counter, fires, healthy, labelled, silent, slowly } from "./series";

/** What ztunnel and waypoints report, between two workloads of the plan. */
export function meshScenarios(example: Watched): readonly Scenario[] {
  const { from, to } = meshFlow(example);
  const ends = {
    source_workload_namespace: from.namespace,
    source_workload: from.name,
    destination_workload_namespace: to.namespace,
    destination_workload: to.name,
  };
  const burst = (metric: string, labels: Record<string, string>, perStep: number, minutes = 20): InputSeries => ({
    series: labelled(metric, { ...ends, ...labels }),
    values: counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
  });
  const failed = "istio_tcp_connections_failed_total";
  const owner = example.monitoring.owners.get(to.namespace) ?? "platform";
  const request = { reporter: "destination", response_code: "403", connection_security_policy: "mutual_tls" };
  const has = (name: string): boolean => example.monitoring.alerts.some((alert) => alert.name === name);
  const all: readonly Scenario[] = [
    fires(
      "ztunnel denies",
      `MeshConnectionDenied ${owner} warning`,
      [21, 44],
      burst(failed, { response_flags: "DENY" }, 2),
    ),
    silent("ztunnel fails for another reason", "MeshConnectionDenied", burst(failed, { response_flags: "CONNECT" }, 2)),
    fires(
      "a network policy blocks the tunnel",
      "MeshTunnelBlocked platform critical",
      [13, 35],
      burst(failed, { response_flags: "NETWORK_POLICY" }, 2),
    ),
    silent("ztunnel fails to connect", "MeshTunnelBlocked", burst(failed, { response_flags: "CONNECT" }, 2)),
    silent(
      "the tunnel is blocked for a minute",
      "MeshTunnelBlocked",
      burst(failed, { response_flags: "NETWORK_POLICY" }, 4, 1),
    ),
    silent(
      "the tunnel is blocked now and then",
      "MeshTunnelBlocked",
      burst(failed, { response_flags: "NETWORK_POLICY" }, 0.25),
    ),
    silent(
      "a client says that its requests are forbidden",
      "MeshRequestForbidden",
      burst("istio_requests_total", { ...request, reporter: "source" }, 2),
    ),
    silent(
      "a client says that it sends plaintext",
      "PlaintextAccepted",
      burst(
        "istio_requests_total",
        { reporter: "source", response_code: "200", connection_security_policy: "none" },
        2,
      ),
    ),
    silent(
      "requests and connections are encrypted",
      "PlaintextAccepted",
      burst("istio_requests_total", { ...request, response_code: "200" }, 2),
      burst(
        "istio_tcp_connections_opened_total",
        { reporter: "destination", connection_security_policy: "mutual_tls" },
        2,
      ),
    ),
    fires(
      "requests are forbidden",
      `MeshRequestForbidden ${owner} warning`,
      [21, 44],
      burst("istio_requests_total", request, 2),
    ),
    silent(
      "requests fail",
      "MeshRequestForbidden",
      burst("istio_requests_total", { ...request, response_code: "500" }, 2),
    ),
    fires(
      "plaintext is accepted",
      "PlaintextAccepted security critical",
      [16, 44],
      burst(
        "istio_requests_total",
        { reporter: "destination", response_code: "200", connection_security_policy: "none" },
        2,
      ),
    ),
    fires(
      "plaintext connections are accepted",
      "PlaintextAccepted security critical",
      [16, 44],
      burst("istio_tcp_connections_opened_total", { reporter: "destination", connection_security_policy: "none" }, 2),
    ),
    {
      title: "the mesh's metrics are gone",
      about: ["PolicyMetricsAbsent"],
      series: healthy(30, "istio_tcp_connections_opened_total"),
      groups: ["cluster-security-watch"],
      moments: [{ at: "15m", firing: ["PolicyMetricsAbsent platform critical"] }],
    },
  ];
  // a mesh of sidecars has no ztunnel
  return slowly(all)
    .filter(({ about }) => about.every(has))
    .map((each) => ({ ...each, groups: each.groups ?? ["cluster-security-table", "cluster-security-istio"] }));
}

/** Those of them whose alerts name an owner: the rest of the rules is the same in every declaration. */
export function meshOwnerScenarios(example: Watched): readonly Scenario[] {
  const isFiring = ({ moments }: Scenario): boolean => moments.some(({ firing }) => firing.length > 0);
  return meshScenarios(example).filter(
    (scenario) =>
      isFiring(scenario) && scenario.about.some((name) => /^Mesh(?:ConnectionDenied|RequestForbidden)$/.test(name)),
  );
}

/** A declared flow between workloads: to another namespace where there is one. */
function meshFlow({ plan }: Watched): Readonly<Record<"from" | "to", { namespace: string; name: string }>> {
  const all = plan.flows.flatMap(({ from, to }) =>
    from.kind === "workload" && to.kind === "workload" ? [{ from, to }] : [],
  );
  const found = all.find(({ from, to }) => from.namespace !== to.namespace) ?? all[0];
  if (found === undefined) throw new Error("no declared flow between workloads");
  return found;
}
