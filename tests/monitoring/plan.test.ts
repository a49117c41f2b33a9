import { strict as assert } from "node:assert";
import {
  isRecording,
  monitoringFiles,
  MonitoringError,
  planMonitoring,
  readMonitoringDeclaration,
} from "../../sdk/monitoring/index";
import { calendar } from "../../sdk/monitoring/alertmanager";
import { declaredFlow } from "../../sdk/monitoring/table";
import { allOf, Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched, watchedExamples } from "./declarations";
import { formatPath } from "../../sdk/property-path";

function problemsOf(action: () => unknown): string[] {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof MonitoringError, String(error));
    return error.problems.map(({ path }) => formatPath(path));
  }
  return [];
}

describe("monitoring: what is planned", () => {
  it("S2-15 each alert has a severity, an owner, a summary and a runbook that exists", async () => {
    const all = [
      ...(await watchedExamples(Dialect.Cilium)),
      ...(await watchedExamples(Dialect.Calico)),
      watched("in a mesh", everythingInAmbientMesh),
    ];
    for (const { name, monitoring } of all) {
      const files = new Set(monitoring.documents.map(({ file }) => file));
      for (const rule of monitoring.rules.groups.flatMap(({ rules }) => rules)) {
        if (isRecording(rule)) continue;
        const where = `${name}: ${rule.alert}`;
        assert.match(rule.labels["severity"] ?? "", /^(critical|warning|info)$/, where);
        // without an owner of its own it takes the one of the declared flow, the namespace or the exception
        assert.ok(rule.labels["owner"] ?? /declared_flow|namespace_owner|ends_at_seconds/.test(rule.expr), where);
        assert.ok(rule.annotations["summary"] && rule.annotations["description"], where);
        assert.ok(
          files.has(rule.annotations["runbook_url"] ?? ""),
          `${where}: ${rule.annotations["runbook_url"] ?? ""}`,
        );
      }
    }
  });

  it("never alerts on a bare rate above nothing", async () => {
    for (const { monitoring } of [...(await watchedExamples(Dialect.Cilium)), watched("Calico", everythingOnCalico)]) {
      for (const rule of monitoring.rules.groups.flatMap(({ rules }) => rules)) {
        if (isRecording(rule)) continue;
        assert.doesNotMatch(rule.expr, /^(?:sum[^(]*\()?\s*rate\([^)]*\)\)? > 0$/, rule.alert);
        assert.ok(rule.for !== undefined || rule.keep_firing_for !== undefined, `${rule.alert} flaps`);
      }
    }
  });

  it("routes every owner that a rule can name, and is the same for the same declaration", () => {
    const [first, second] = [watched("one", everything), watched("two", everything)];
    assert.deepEqual(monitoringFiles(first.monitoring), monitoringFiles(second.monitoring));
    const receivers = first.monitoring.alertmanager.receivers.map(({ name }) => name);
    for (const owner of ["shop", "data", "bank", "research", "security", "platform"]) {
      assert.ok(receivers.includes(`owner-${owner}`), owner);
    }
  });

  it("keeps the table small: 300 workloads and 900 flows are below 1,000 series", () => {
    const names = Array.from({ length: 300 }, (_, index) => `app-${index}`);
    const homes = Array.from({ length: 30 }, (_, index) => `team-${index}`);
    const home = (index: number): string => `team-${index % 30}`;
    const declaration = {
      namespaces: homes.map((name) => namespace(name)),
      workloads: names.map((name, index) => workload(`${home(index)}/${name}`)),
      flows: names.flatMap((name, index) =>
        [1, 7, 31].map((step) => {
          const target = (index + step) % 300;
          return flow(`${home(index)}/${name}`)
            .to(`${home(target)}/app-${target}`)
            .on(tcp(8000 + step))
            .because("calls")
            .ownedBy(home(index));
        }),
      ),
    };
    const planned = plan(declaration);
    assert.equal(planned.flows.length, 900);
    const { series } = planMonitoring(planned);
    assert.ok(series.table <= 1000, String(series.table));
    assert.ok(series.total < 50_000, String(series.total));

    const [wrong] = problemsOf(() => planMonitoring(planned, { podLabels: true }));
    assert.equal(wrong, "maxSeries");
    assert.throws(
      () => planMonitoring(planned, { podLabels: true }),
      /hubble_policy_verdicts_total.*`podLabels` to false, which drops the contexts of pods and addresses/s,
    );
    // what is left is what the rules join by
    assert.throws(
      () => planMonitoring(planned, { maxSeries: 1000 }),
      /is 1000, and the metrics would have about .*Rules read every context that is left: declare fewer pairs/s,
    );
    assert.throws(
      () => planMonitoring(plan(everything), { maxSeries: 100 }),
      /most of them hubble_flows_processed_total: 600 .*Raise `maxSeries`: it is the same whatever is declared/s,
    );
  });

  it("has one row for every app of a namespace, whoever owns its flows: two would break the join", () => {
    const { monitoring } = watched("wide", {
      namespaces: [namespace("a"), namespace("b")],
      workloads: [workload("b/api")],
      flows: [
        flow(allOf("a")).to("api").on(tcp(80)).because("r").ownedBy("zoe"),
        flow(allOf("a")).to("api").on(tcp(81)).because("r").ownedBy("adam"),
      ],
    });
    const wide = monitoring.pairs.filter(
      ({ source, destination }) => source.name === "*" && destination.name === "api",
    );
    assert.deepEqual(
      wide.map(({ owner, flows }) => [owner, flows.length]),
      [["adam", 2]],
    );
  });

  it("warns of workloads that Hubble's metrics cannot name, and takes the label that is stated", () => {
    const { monitoring } = watched("everything", everything);
    assert.ok(monitoring.warnings.some((warning) => warning.includes("lab/tool")));
    const stated = planMonitoring(plan(everything), { appLabels: [{ workload: "lab/tool", app: "tool" }] });
    assert.ok(!stated.warnings.some((warning) => warning.includes("lab/tool")));
    const rows = stated.rules.groups
      .flatMap(({ rules }) => rules)
      .filter((rule) => isRecording(rule) && rule.record === declaredFlow);
    assert.ok(rows.length > 0);
  });

  it("says that Calico counts no denials, and that several CNIs read a dialect", () => {
    assert.match(
      watched("Calico", everythingOnCalico).monitoring.warnings.join(),
      /Calico counts no denied connections/,
    );
    const kubernetes = watched("Kubernetes", { ...everything, dialect: Dialect.Kubernetes, tenants: [] });
    assert.match(kubernetes.monitoring.warnings.join(), /Set `enforcer`/);
  });

  it("refuses settings that cannot be meant, each with its place", () => {
    const wrong = (settings: Parameters<typeof planMonitoring>[1]): string[] =>
      problemsOf(() => planMonitoring(plan(everything), settings));
    assert.deepEqual(wrong({ objective: 100 }), ["objective"]);
    assert.deepEqual(wrong({ scrapeInterval: 60 }), ["scrapeInterval"]);
    assert.deepEqual(wrong({ maxSeries: 0 }), ["maxSeries"]);
    assert.deepEqual(wrong({ securityOwner: " " }), ["securityOwner"]);
    assert.deepEqual(wrong({ appLabels: [{ workload: "shop/nobody", app: "x" }] }), ['appLabels["shop/nobody"]']);
    assert.deepEqual(wrong({ mutes: [{ from: "2027-02-30", until: "2027-03-01", reason: "x" }] }), ["mutes[0].from"]);
    assert.deepEqual(wrong({ mutes: [{ from: "2027-03-02", until: "2027-03-01", reason: "" }] }), [
      "mutes[0].until",
      "mutes[0].reason",
    ]);
    const read = (value: unknown): string[] => problemsOf(() => readMonitoringDeclaration(value));
    assert.deepEqual(read([]), ["settings"]);
    assert.deepEqual(read({ objektive: 99 }), ["objektive"]);
    assert.deepEqual(read({ objective: "99" }), ["objective"]);
    assert.deepEqual(read({ enforcer: "flannel" }), ["enforcer"]);
    assert.deepEqual(read({ mutes: [{ from: "2027-03-01", until: "2027-03-02" }] }), ["mutes[0].reason"]);
    assert.deepEqual(read({ mutes: [{ from: "2027-03-01", until: "2027-03-02", reason: "x", untill: "y" }] }), [
      "mutes[0].untill",
    ]);
    assert.deepEqual(read({ constructor: 1 }), ["constructor"]);
    assert.deepEqual(read({ namespaceOwners: { shop: "a" } }), ["namespaceOwners"]);
  });

  it("S2-15 a mute names every day from its first to its last, over the ends of months and years", () => {
    assert.deepEqual(calendar({ from: "2027-12-30", until: "2028-03-01" }), [
      { years: ["2027"], months: ["12"], days_of_month: ["30:31"] },
      { years: ["2028"], months: ["1"], days_of_month: ["1:31"] },
      { years: ["2028"], months: ["2"], days_of_month: ["1:29"] },
      { years: ["2028"], months: ["3"], days_of_month: ["1:1"] },
    ]);
    assert.deepEqual(calendar({ from: "2027-03-31", until: "2027-03-31" }), [
      { years: ["2027"], months: ["3"], days_of_month: ["31:31"] },
    ]);
  });
});
