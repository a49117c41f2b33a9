import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import {
  CniKind,
  ClusterSecurity,
  DeclarationError,
  Dialect,
  MeshMode,
  FlowLog,
  MonitoredEnforcer,
  PolicyObservability,
} from "../../sdk/index";
import type { ClusterSecurityArgs, ClusterSecurityDeclaration, ObservabilityArgs } from "../../sdk/index";
import { flow, namespace, tcp, workload } from "../../sdk/index";
import { ciliumValues } from "../../sdk/charts/index";
import { ciliumMonitoringValues } from "../../sdk/monitoring/index";
import { register } from "./monitor";

const declaration: ClusterSecurityDeclaration = {
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web"), workload("shop/api", { ports: [tcp(8080)] })],
  flows: [flow("web").to("api").on(tcp(8080)).because("pages").ownedBy("web")],
};

interface Rule {
  readonly record?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const rulesOf = (inputs: Readonly<Record<string, unknown>>): Rule[] =>
  (inputs["spec"] as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);

describe("PolicyObservability", () => {
  it("S0-09 S2-14 registers rules, monitors and dashboards, and nothing else", async () => {
    const all = await register(() => new PolicyObservability("watch", { declaration, namespace: "observability" }));
    const kinds = all.map(({ type, name }) => `${type} ${name}`).sort();
    assert.deepEqual(kinds, [
      "kubernetes:core/v1:ConfigMap watch-cluster-security-cost",
      "kubernetes:core/v1:ConfigMap watch-cluster-security-encryption",
      "kubernetes:core/v1:ConfigMap watch-cluster-security-rollout",
      "kubernetes:core/v1:ConfigMap watch-cluster-security-tenants",
      "kubernetes:core/v1:ConfigMap watch-cluster-security-traffic",
      "kubernetes:core/v1:ConfigMap watch-cluster-security-violations",
      "kubernetes:monitoring.coreos.com/v1:PodMonitor watch-cluster-security-cilium",
      "kubernetes:monitoring.coreos.com/v1:PrometheusRule watch-rules",
      "pulumi-cluster-security:index:PolicyObservability watch",
    ]);
    for (const { type, inputs } of all.filter((each) => each.type.startsWith("kubernetes:"))) {
      assert.equal((inputs["metadata"] as { namespace: string }).namespace, "observability", type);
    }
    const posture = all.find(({ name }) => name === "watch")?.outputs["posture"] as {
      owners: string[];
      alerts: string[];
    };
    assert.deepEqual(posture.owners, ["platform", "security", "web"]);
    assert.ok(posture.alerts.includes("DeclaredFlowCut"));
  });

  it("registers the parts that are asked for, with the labels by which Prometheus finds them", async () => {
    const all = await register(
      () =>
        new PolicyObservability("watch", {
          declaration,
          labels: { release: "kube-prometheus-stack" },
          monitors: false,
          dashboards: false,
        }),
    );
    const [rule, ...others] = all.filter(({ type }) => type.startsWith("kubernetes:"));
    assert.deepEqual(others, []);
    assert.equal(
      (rule?.inputs["metadata"] as { labels: Record<string, string> }).labels["release"],
      "kube-prometheus-stack",
    );
  });

  it("refuses settings and declarations that cannot be meant, before anything is registered", async () => {
    const wrong: (readonly [unknown, RegExp])[] = [
      [{ declaration, objective: 101 }, /objective/],
      [{ declaration, objectiv: 99 }, /objectiv/],
      [{ declaration, mutes: [{ from: "tomorrow", until: "2027-03-01", reason: "x" }] }, /mutes\[0\]\.from/],
      [{ declaration, maxSeries: 10 }, /maxSeries/],
      [{ declaration: { ...declaration, flows: [{}] } }, /flows/],
      [{}, /declaration|object/],
    ];
    for (const [args, message] of wrong) {
      const all = await register(() => {
        assert.throws(
          () => new PolicyObservability("watch", args as { declaration: ClusterSecurityDeclaration }),
          message,
        );
      });
      assert.deepEqual(all, []);
    }
    assert.ok(DeclarationError);
  });

  it("takes owners that are known only while the stack is deployed", async () => {
    const late = {
      ...declaration,
      flows: [{ ...flow("web").to("api").on(tcp(8080)).because("r").ownedBy("x"), owner: pulumi.output("late") }],
    };
    const all = await register(() => new PolicyObservability("watch", { declaration: late }));
    const rule = all.find(({ name }) => name === "watch-rules");
    assert.ok(rulesOf(rule?.inputs ?? {}).some(({ labels }) => labels?.["owner"] === "late"));
  });

  it("S1-16 S2-10 S2-13 is a part of ClusterSecurity: before the first policy, with Cilium's metrics and export", async () => {
    const observability: ObservabilityArgs = { namespace: "observability" };
    const all = await register(
      () => new ClusterSecurity("c", { ...declaration, cni: { kind: CniKind.Cilium }, observability }),
    );
    const names = all.map(({ name }) => name);
    const first = all.findIndex(({ type }) => /CiliumClusterwideNetworkPolicy/.test(type));
    assert.ok(names.indexOf("c-rules") >= 0 && names.indexOf("c-rules") < first, names.join());
    const release = all.find(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    const values = release?.inputs["values"] as {
      hubble: { export: { static: { fieldMask: string[] } } };
      prometheus: object;
    };
    assert.ok(values.hubble.export.static.fieldMask.includes("source.labels"));
    assert.ok(values.hubble.export.static.fieldMask.every((field) => !field.startsWith("l7")));
    assert.ok("enabled" in values.prometheus);
    // without it nothing of the kind is registered
    const without = await register(() => new ClusterSecurity("c", { ...declaration, cni: { kind: CniKind.Cilium } }));
    assert.ok(!without.some(({ type }) => type.startsWith("kubernetes:monitoring.coreos.com")));
  });

  it("S1-16 the flow log has levels: every flow, those that are denied, or none; where nothing writes one, a level is refused", async () => {
    const exported = async (flowLog?: FlowLog): Promise<Record<string, unknown>> => {
      const observability: ObservabilityArgs = { ...(flowLog === undefined ? {} : { flowLog }) };
      const all = await register(
        () => new ClusterSecurity("c", { ...declaration, cni: { kind: CniKind.Cilium }, observability }),
      );
      const release = all.find(({ type }) => type === "kubernetes:helm.sh/v3:Release");
      const { hubble } = release?.inputs["values"] as { hubble: { export: { static: Record<string, unknown> } } };
      return hubble.export.static;
    };
    const every = await exported();
    assert.deepEqual([every["enabled"], every["allowList"]], [true, undefined]);
    assert.deepEqual(await exported(FlowLog.All), every);
    const denied = await exported(FlowLog.Denied);
    assert.deepEqual(denied, { ...every, allowList: ['{"verdict":["DROPPED","ERROR","AUDIT"]}'] });
    assert.equal((await exported(FlowLog.Off))["enabled"], false);

    const onCalico = { ...declaration, dialect: Dialect.Calico };
    await assert.rejects(
      register(() => new PolicyObservability("watch", { declaration: onCalico, flowLog: FlowLog.Denied })),
      /flowLog: has no effect: only Cilium's agents write a flow log/,
    );
    await assert.rejects(
      register(() => new PolicyObservability("watch", { declaration, flowLog: "loud" as FlowLog })),
      /flowLog/,
    );
  });

  describe("Calico and Istio", () => {
    const observability: ObservabilityArgs = { namespace: "observability", labels: { release: "prometheus" } };
    const calico = (cni: object, dialect = Dialect.Calico): ClusterSecurityArgs => ({
      ...declaration,
      dialect,
      cni: { kind: CniKind.Calico, ...cni },
      observability,
    });
    const felixOf = (all: Awaited<ReturnType<typeof register>>): Record<string, unknown> =>
      (all.find(({ type }) => type.includes("FelixConfiguration"))?.inputs["spec"] ?? {}) as Record<string, unknown>;

    it("S2-10 Calico's agents export metrics, and flows with pending policies, where the stack installs them", async () => {
      const all = await register(() => new ClusterSecurity("c", calico({})));
      const felix = felixOf(all);
      assert.equal(felix["prometheusMetricsEnabled"], true);
      assert.equal(felix["prometheusWireGuardMetricsEnabled"], true);
      assert.equal(felix["flowLogsPolicyEvaluationMode"], "Continuous");
      // what the user says comes last, and old versions lack the field
      const own = { metrics: false, felixConfiguration: { flowLogsPolicyEvaluationMode: "None" } };
      const stated = felixOf(await register(() => new ClusterSecurity("c", calico(own))));
      assert.deepEqual(
        [stated["prometheusMetricsEnabled"], stated["flowLogsPolicyEvaluationMode"]],
        [undefined, "None"],
      );
      const old = felixOf(
        await register(() => new ClusterSecurity("c", calico({ version: "3.29.1" }, Dialect.Kubernetes))),
      );
      assert.equal(old["flowLogsPolicyEvaluationMode"], undefined);
      const without = await register(() => new ClusterSecurity("c", { ...declaration, cni: { kind: CniKind.Calico } }));
      assert.equal(felixOf(without)["prometheusMetricsEnabled"], undefined);
    });

    it("S2-10 Felix is scraped by a Service of its own; the posture says that Calico counts no denials", async () => {
      const all = await register(
        () =>
          new PolicyObservability("watch", {
            ...observability,
            declaration: { ...declaration, dialect: Dialect.Calico },
          }),
      );
      const service = all.find(({ type }) => type === "kubernetes:core/v1:Service");
      const monitor = all.find(({ type }) => type.endsWith(":ServiceMonitor"));
      const meta = (one: typeof service): { namespace: string; labels: Record<string, string> } =>
        one?.inputs["metadata"] as ReturnType<typeof meta>;
      assert.equal(meta(service).namespace, "calico-system");
      assert.equal(meta(monitor).namespace, "observability");
      assert.equal(meta(monitor).labels["release"], "prometheus");
      const { selector, namespaceSelector } = monitor?.inputs["spec"] as {
        selector: { matchLabels: Record<string, string> };
        namespaceSelector: object;
      };
      assert.deepEqual(namespaceSelector, { matchNames: ["calico-system"] });
      for (const [key, value] of Object.entries(selector.matchLabels)) assert.equal(meta(service).labels[key], value);
      const posture = all.find(({ name }) => name === "watch")?.outputs["posture"] as {
        warnings: string[];
        series: number;
      };
      assert.ok(posture.warnings.some((text) => text.startsWith("Calico counts no denied connections")));
      assert.ok(posture.series > 1000, String(posture.series));
    });

    it("S2-10 ztunnel is scraped where the mesh has one, and every proxy in any mesh", async () => {
      const monitors = async (mode: MeshMode): Promise<string[]> => {
        const mesh = { mode, namespaces: ["shop"] };
        const all = await register(
          () =>
            new PolicyObservability("watch", {
              declaration: { ...declaration, mesh },
              ztunnelNamespace: "kube-system",
              enforcer: MonitoredEnforcer.Cilium,
            }),
        );
        return all
          .filter(({ type }) => type.endsWith(":PodMonitor"))
          .map(({ inputs }) => {
            const { namespaceSelector } = inputs["spec"] as { namespaceSelector: object };
            return `${(inputs["metadata"] as { name: string }).name} ${JSON.stringify(namespaceSelector)}`;
          })
          .sort();
      };
      const cilium = 'cluster-security-cilium {"matchNames":["kube-system"]}';
      const proxies = 'cluster-security-istio-proxies {"any":true}';
      const ztunnel = 'cluster-security-ztunnel {"matchNames":["kube-system"]}';
      assert.deepEqual(await monitors(MeshMode.Ambient), [cilium, proxies, ztunnel]);
      assert.deepEqual(await monitors(MeshMode.Sidecar), [cilium, proxies]);
    });
  });

  it("S2-13 writes values that every version of the chart reads, with bounded files", () => {
    for (const version of ["1.17.18", "1.18.12", "1.19.6", "1.20.0", "1.20.2"]) {
      const values = ciliumMonitoringValues(version);
      const { hubble } = ciliumValues({ version }, values).values as { hubble: { export: Record<string, unknown> } };
      const { static: file } = hubble.export as { static: Record<string, unknown> };
      const size = version < "1.18" ? hubble.export["fileMaxSizeMb"] : file["fileMaxSizeMb"];
      assert.equal(size, 10, version);
    }
    assert.equal(Dialect.Cilium, "cilium");
  });
});
