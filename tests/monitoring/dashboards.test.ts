import { strict as assert } from "node:assert";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import Ajv from "ajv";
import { ruleJudges } from "../../lab/monitoring/programs";
import { Dialect } from "../../sdk/plan/index";
import {
  everything,
  everythingInAmbientMesh,
  everythingOnCalico,
  watched,
  watchedExamples,
  type Watched,
} from "./declarations";
import { lintRules } from "./promtool";
import { labelsOf, metricsOf } from "./queries";

const published = path.resolve(__dirname, "../../../shared/schemas/grafana-dashboard.jsonschema.json");

/** Metrics with their labels, from the sources of Cilium 1.20, Calico 3.32, ztunnel and Istio 1.30. */
const documented: Readonly<Record<string, readonly string[]>> = {
  hubble_lost_events_total: ["source"],
  hubble_drop_total: ["reason", "protocol", "source_namespace", "source", "destination_namespace", "destination"],
  hubble_policy_verdicts_total: [
    ...["direction", "match", "action"],
    ...["source_namespace", "source", "destination_namespace", "destination"],
  ],
  hubble_flows_processed_total: ["type", "subtype", "verdict", "protocol"],
  hubble_dns_responses_total: ["rcode", "qtypes", "ips_returned"],
  hubble_tcp_flags_total: ["flag", "family"],
  cilium_policy: [],
  cilium_policy_max_revision: [],
  cilium_policy_change_total: ["source", "operation", "outcome"],
  cilium_policy_endpoint_enforcement_status: ["enforcement"],
  cilium_policy_implementation_delay_bucket: ["source"],
  cilium_policy_implementation_delay_count: ["source"],
  cilium_feature_adv_connect_and_lb_transparent_encryption: ["mode", "node2node_enabled"],
  cilium_forward_count_total: ["direction"],
  cilium_bpf_map_pressure: ["map_name"],
  cilium_drop_count_total: ["reason", "direction"],
  felix_cluster_num_policies: [],
  felix_active_local_policies: [],
  felix_active_local_endpoints: [],
  felix_int_dataplane_failures: [],
  felix_int_dataplane_apply_time_seconds: ["quantile"],
  felix_int_dataplane_apply_time_seconds_count: [],
  wireguard_latest_handshake_seconds: ["peer_key"],
  wireguard_bytes_sent: ["peer_key"],
  goldmane_aggr_received_flows_total: [],
  goldmane_aggr_dropped_flows_total: [],
  istio_tcp_connections_opened_total: [
    "reporter",
    "connection_security_policy",
    "destination_workload",
    "destination_workload_namespace",
  ],
  istio_tcp_connections_failed_total: [
    "response_flags",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
  ],
  istio_requests_total: [
    "reporter",
    "response_code",
    "connection_security_policy",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
  ],
  kube_job_status_failed: ["namespace", "job_name"],
  kube_job_created: ["namespace", "job_name"],
  kube_job_status_start_time: ["namespace", "job_name"],
  kube_job_spec_active_deadline_seconds: ["namespace", "job_name"],
  kube_networkpolicy_created: ["namespace", "networkpolicy"],
  up: [],
  ALERTS: ["alertname", "alertstate", "owner", "severity"],
};

const ofTarget = ["instance", "job"];
const ofRecordings = [
  ...["namespace", "owner", "tenant", "flow", "reason", "kind", "job_name"],
  ...["source_namespace", "source", "destination_namespace", "destination"],
  ...["source_workload", "source_workload_namespace", "destination_workload", "destination_workload_namespace"],
];

/** What an expression names that does not exist: metrics, and labels that none of its metrics has. */
function unknownIn(expr: string, recorded: ReadonlySet<string>): string[] {
  const known = new Set<string>(ofTarget);
  const unknown: string[] = [];
  for (const { metric, labels } of metricsOf(expr)) {
    const own = recorded.has(metric) ? ofRecordings : documented[metric];
    if (own === undefined) unknown.push(metric);
    for (const label of own ?? []) known.add(label);
    for (const label of labels)
      if (own && ![...own, ...ofTarget, "le"].includes(label)) unknown.push(`${metric}{${label}}`);
  }
  if (/label_replace/.test(expr)) for (const label of ofRecordings) known.add(label);
  for (const label of labelsOf(expr)) if (![...known, "le"].includes(label)) unknown.push(label);
  return unknown;
}

function recordedBy({ monitoring }: Watched): Set<string> {
  return new Set(
    monitoring.rules.groups.flatMap(({ rules }) => rules.flatMap((rule) => ("record" in rule ? [rule.record] : []))),
  );
}

const queriesOf = ({ monitoring }: Watched): string[] =>
  monitoring.dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)));

describe("monitoring: dashboards", () => {
  const all = [
    watched("Cilium", everything),
    watched("Calico", everythingOnCalico),
    watched("mesh", everythingInAmbientMesh),
  ];

  it("S2-14 are six at most, with ids that stay and panels that do not overlap", async () => {
    for (const { name, monitoring } of [...all, ...(await watchedExamples(Dialect.Cilium))]) {
      assert.ok(monitoring.dashboards.length <= 6, name);
      for (const { uid, panels } of monitoring.dashboards) {
        assert.match(uid, /^cluster-security-(violations|traffic|cost|tenants|encryption|rollout)$/);
        const places = panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
        assert.equal(new Set(places).size, panels.length, uid);
        assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, uid);
      }
    }
  });

  it("S2-14 link to runbooks that exist", () => {
    for (const { monitoring } of all) {
      const files = new Set(monitoring.documents.map(({ file }) => file));
      for (const { links } of monitoring.dashboards) {
        for (const { url } of links as { url?: string }[]) if (url !== undefined) assert.ok(files.has(url), url);
      }
    }
  });

  it("S2-14 validate against Grafana's published schema", async function () {
    if (!existsSync(published)) this.skip();
    const examples = [...(await watchedExamples(Dialect.Cilium)), ...(await watchedExamples(Dialect.Calico))];
    const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(published, "utf8")) as object);
    for (const { monitoring } of [...all, ...examples]) {
      for (const dashboard of monitoring.dashboards) {
        assert.ok(validate(dashboard), `${dashboard.uid}: ${JSON.stringify(validate.errors, null, 1)}`);
      }
    }
    const [first] = all[0]?.monitoring.dashboards ?? [];
    assert.equal(validate({ ...first, panells: [] }), false);
  });

  it("S2-12 S2-14 ask only for metrics and labels that exist, and so do the rules", () => {
    for (const watchedOne of all) {
      const recorded = recordedBy(watchedOne);
      const rules = watchedOne.monitoring.rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr));
      for (const expr of [...queriesOf(watchedOne), ...rules]) assert.deepEqual(unknownIn(expr, recorded), [], expr);
    }
  });

  it("S2-14 a misspelt metric, label of a matcher or label of a grouping is noticed", () => {
    const recorded = new Set<string>();
    assert.deepEqual(unknownIn("rate(hubble_drops_total[5m])", recorded), ["hubble_drops_total"]);
    assert.deepEqual(unknownIn('rate(hubble_drop_total{raeson="POLICY_DENIED"}[5m])', recorded), [
      "hubble_drop_total{raeson}",
    ]);
    assert.deepEqual(unknownIn("sum by (raeson) (rate(hubble_drop_total[5m]))", recorded), ["raeson"]);
    assert.deepEqual(unknownIn('sum by (reason) (rate(hubble_drop_total{protocol="TCP"}[5m]))', recorded), []);
  });

  it("S2-14 have queries that Prometheus accepts", async function () {
    this.timeout(120_000);
    const judges = await ruleJudges();
    if (judges.length === 0) this.skip();
    const rules = [...new Set(all.flatMap(queriesOf))].map((expr, index) => ({ record: `panel:${index}`, expr }));
    for (const judge of judges) assert.equal(await lintRules(judge, [{ groups: [{ name: "panels", rules }] }]), "");
  });
});
