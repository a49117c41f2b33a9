/** The rules on what a real Cilium reports: scraped by a real Prometheus, judged by it, routed by a real Alertmanager. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { dnsServiceAddress, world } from "../../lab/datapath/layout";
import { monitoringPrograms } from "../../lab/monitoring/programs";
import { MonitoringStack } from "../../lab/monitoring/stack";
import { hubbleMetrics } from "../../sdk/charts/index";
import { readLine } from "../../sdk/flows/index";
import { FlowLog, planMonitoring } from "../../sdk/monitoring/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, fqdn, internet, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import { labelsOf, metricsOf } from "../monitoring/queries";
import { exportedLines, loggingAs } from "./recorded";
import type { SharedDatapath } from "./shared-datapath";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";

const interval = 5;
const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);

const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [namespace("front"), namespace("back")],
  workloads: [
    workload("front/web", { labels: { app: "web" }, ports: [tcp(8080)] }),
    workload("back/api", { labels: { "app.kubernetes.io/name": "api" }, ports: [tcp(9000)] }),
    workload("back/db", { labels: { app: "db" }, ports: [tcp(5432)], denyExternal: true }),
  ],
  flows: [
    flow("web").to("api").on(tcp(9000)).because("pages show data").ownedBy("web"),
    flow("api").to("db").on(tcp(5432)).because("data is kept there").ownedBy("data"),
    flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("payments").ownedBy("data"),
    flow(internet()).to("web").on(tcp(8080)).because("customers").ownedBy("web"),
  ],
};

const pods: readonly PodWish[] = [
  { namespace: "front", name: "web", labels: { app: "web" }, ports: [{ port: 8080 }], node: "lab-node-1" },
  {
    namespace: "back",
    name: "api",
    labels: { "app.kubernetes.io/name": "api", app: "other" },
    ports: [{ port: 9000 }],
    node: "lab-node-1",
  },
  // on the other node, so that what goes there is encrypted
  { namespace: "back", name: "db", labels: { app: "db" }, ports: [{ port: 5432 }], node: "lab-node-2" },
];

const to = (from: string, destination: string, port: number): LabProbe => ({
  from,
  to: destination,
  port,
  protocol: "tcp",
});
const declaredTraffic: readonly LabProbe[] = [
  to("front/web", "back/api", 9000),
  to("back/api", "back/db", 5432),
  to("world:93.184.215.14", "front/web", 8080),
  { from: "back/api", to: `service:${dnsServiceAddress}`, port: 53, protocol: "dns", name: "api.example.com" },
  // what that name led to
  to("back/api", "198.51.100.10", 443),
];
const otherTraffic: readonly LabProbe[] = [
  to("front/web", "back/db", 5432),
  to("front/web", "169.254.169.254", 80),
  to("world:93.184.215.14", "back/db", 5432),
];

describe("enforcement: monitoring", function () {
  this.timeout(900_000);
  let on: SharedDatapath;
  let stack: MonitoringStack;
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-monitoring-"));
  const planned = plan(declaration);
  const monitoring = planMonitoring(planned, {
    scrapeInterval: interval,
    encrypted: true,
    mutes: [
      { owner: "muted", from: day(-1), until: day(1), reason: "maintenance" },
      { owner: "muted-before", from: day(-3), until: day(-2), reason: "maintenance" },
    ],
    namespaceOwners: [
      { namespace: "front", owner: "muted" },
      { namespace: "back", owner: "muted-before" },
    ],
  });
  const policies = planned.documents.map(({ object }) => object as unknown as LabObject);
  let traffic = Promise.resolve();
  let sends = true;

  before(async function () {
    const programs = await monitoringPrograms();
    if (programs === undefined) return this.skip();
    on = await sharedDatapath({
      nodes: 2,
      wireguard: true,
      agentArgs: [
        "--prometheus-serve-addr=:9962",
        "--hubble-metrics-server=:9965",
        `--hubble-metrics=${hubbleMetrics().join(" ")}`,
        ...loggingAs(FlowLog.Denied),
      ],
    });
    for (const { name } of declaration.namespaces ?? []) await on.cluster.namespace(name);
    await on.cluster.addPods(pods);
    await on.cluster.untilReadyIn("kube-system");
    const states = await on.cluster.apply(policies);
    assert.deepEqual(
      states.filter(({ state }) => state !== "enforced"),
      [],
    );
    const addresses = on.datapath.nodes.map(({ address }) => address);
    stack = new MonitoringStack({
      programs,
      inside: { namespace: world.namespace, nsenter: on.programs.nsenter },
      folder,
      targets: {
        cilium: addresses.map((address) => `${address}:9962`),
        hubble: addresses.map((address) => `${address}:9965`),
      },
      rules: monitoring.rules,
      alertmanager: monitoring.alertmanager,
      interval,
    });
    await stack.start();
  });

  after(async function () {
    sends = false;
    await traffic;
    stack?.stop();
    await closeSharedDatapath();
    rmSync(folder, { recursive: true, force: true });
  });

  const forMinutes = async (minutes: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, minutes * 60_000));
  };

  /** When an alert of that name first reached that owner's receiver; it may take so many seconds. */
  async function reached(alert: string, owner: string, within: number): Promise<number> {
    const begun = Date.now();
    for (;;) {
      const found = stack
        .received()
        .find(({ labels, receiver }) => labels["alertname"] === alert && receiver === `owner-${owner}`);
      if (found !== undefined) return (found.at - begun) / 1000;
      if ((Date.now() - begun) / 1000 > within) {
        const others = stack.received().map(({ labels, receiver }) => `${labels["alertname"] ?? ""} → ${receiver}`);
        const firing = await stack.query('ALERTS{severity!="info"}');
        assert.fail(
          `${alert} did not reach ${owner} in ${within} s; received: ${others.join(", ")}; alerts: ${JSON.stringify(firing)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  it("S2-11 an attempt at a metadata endpoint reaches security within two minutes", async () => {
    traffic = (async () => {
      for (let round = 0; sends; round += 1) {
        await on.cluster.probe([...declaredTraffic, ...otherTraffic], { timeout: 300, parallel: 8 });
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    })();
    const seconds = await reached("MetadataEndpointTried", "security", 120);
    console.log(`      metadata: reached its receiver after ${seconds.toFixed(0)} s`);
  });

  it("S2-10 S2-14 every metric and label of rules and panels that the platform can have is in the scrape", async () => {
    await forMinutes(1.2);
    const seen = new Map<string, Set<string>>();
    for (const { __name__: name = "", ...labels } of await stack.series()) {
      const own = seen.get(name) ?? new Set();
      for (const label of Object.keys(labels)) own.add(label);
      seen.set(name, own);
    }
    if (process.env["UPDATE_SNAPSHOTS"] === "1") {
      const lines = [...seen].filter(([name]) => /^(hubble|cilium)_/.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
      const content = Object.fromEntries(lines.map(([name, labels]) => [name, [...labels].sort()]));
      writeFileSync(
        path.join(__dirname, "../monitoring/scraped.snapshot.json"),
        `${JSON.stringify(content, null, 1)}\n`,
      );
    }
    const expressions = [
      ...monitoring.rules.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...monitoring.dashboards.flatMap(({ panels }) =>
        panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ),
    ];
    const missing = new Set<string>();
    for (const expr of expressions) {
      for (const { metric, labels } of metricsOf(expr)) {
        if (!/^(hubble|cilium)_/.test(metric) || notProvoked.has(metric)) continue;
        const own = seen.get(metric);
        if (own === undefined) missing.add(metric);
        else for (const label of labels) if (!own.has(label)) missing.add(`${metric}{${label}}`);
      }
      for (const label of labelsOf(expr)) assert.match(label, /^[a-z_]+$/);
    }
    assert.deepEqual([...missing].sort(), []);
  });

  it("S2-14 every panel's query returns a series", async () => {
    const empty: string[] = [];
    for (const { panels } of monitoring.dashboards) {
      for (const { title, targets } of panels) {
        for (const { expr } of targets) if ((await stack.query(expr)).length === 0) empty.push(`${title}: ${expr}`);
      }
    }
    assert.deepEqual(
      empty.filter((text) => !stillEmpty.some((title) => text.startsWith(title))),
      [],
    );
  });

  it("S0-13 S1-16 S2-13 the flow log of what is denied holds each such flow, and none that passes", () => {
    const lines = exportedLines();
    const flows = lines.map((line) => (JSON.parse(line) as { flow: Record<string, unknown> }).flow);
    assert.deepEqual(
      flows.filter(({ verdict }) => verdict !== "DROPPED").map(({ verdict }) => verdict),
      [],
    );
    assert.ok(flows.every((each) => !("l7" in each) && !("ethernet" in each)));
    const told = new Set(
      lines.flatMap(readLine).flatMap((content) => {
        if (content.kind !== "flow") return [];
        const { source, destination, port, outcome } = content.record;
        const end = (each: typeof source): string =>
          each.kind === "pod"
            ? `${each.namespace}/${each.pod ?? ""}`
            : each.kind === "address"
              ? each.address
              : each.kind;
        return [`${outcome}: ${end(source)} > ${end(destination)} ${port}`];
      }),
    );
    const expected = otherTraffic.map(
      ({ from, to: at, port }) => `denied: ${from.replace("world:", "")} > ${at} ${port}`,
    );
    // until its name was looked up
    told.delete("denied: back/api > 198.51.100.10 443");
    assert.deepEqual([...told].sort(), expected.sort());
    console.log(`      ${lines.length} lines, all of ${expected.length} flows that are denied`);
  });

  it("S2-11 a policy that is changed cuts a declared flow: its owner hears within two minutes, and of that flow", async () => {
    const cut = policies.filter(({ metadata }) => metadata.namespace === "back" && metadata.name.includes("web"));
    assert.ok(cut.length > 0, policies.map(({ metadata }) => metadata.name).join());
    await on.cluster.remove(cut);
    const seconds = await reached("DeclaredFlowCut", "web", 120);
    console.log(`      cut: reached its receiver after ${seconds.toFixed(0)} s`);
    const alert = stack.received().find(({ labels }) => labels["alertname"] === "DeclaredFlowCut");
    const id = planned.flows.find(
      ({ owner, to: peer }) => owner === "web" && peer.kind === "workload" && peer.name === "api",
    )?.id;
    assert.deepEqual(
      [alert?.labels["source"], alert?.labels["destination"], alert?.labels["flow"]],
      ["web", "api", id],
    );
    assert.ok(
      !stack
        .received()
        .some(({ receiver, labels }) => receiver === "owner-data" && labels["alertname"] === "DeclaredFlowCut"),
    );
  });

  it("S2-15 inhibition and mutes hold, and a mute that is over does not", async () => {
    const common = { source_namespace: "a", source: "b", destination_namespace: "c", destination: "d" };
    const alert = (alertname: string, owner: string, severity: string, extra: Record<string, string> = {}) => ({
      labels: { alertname, owner, severity, ...extra },
    });
    await stack.post([
      alert("EnforcementOff", "security", "critical"),
      alert("UndeclaredFlowDenied", "data", "warning", common),
      alert("PolicyMapPressure", "muted", "critical"),
      alert("PolicyMapPressure", "muted-before", "critical"),
    ]);
    await reached("EnforcementOff", "security", 90);
    await reached("PolicyMapPressure", "muted-before", 90);
    await forMinutes(0.75);
    const wrong = stack
      .received()
      .filter(({ labels, receiver }) => labels["alertname"] === "UndeclaredFlowDenied" || receiver === "owner-muted");
    assert.deepEqual(wrong, []);
  });
});

/** Metrics that exist only once something goes wrong which the lab does not provoke. */
const notProvoked = new Set<string>(["hubble_lost_events_total"]);

/** Panels about what does not happen here. */
const stillEmpty: readonly string[] = [
  "Declared flows that are cut",
  "Fullest policy map",
  "Cost of monitoring: events and losses: sum(rate(hubble_lost",
  "Changes that succeed",
];
