import assert from "node:assert/strict";
import type { AuditInput, AuditResult } from "../../sdk/audit/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import { baselineOf } from "../../sdk/audit/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { and, audited, cluster, declaration, edited, meant, nameOf, today, without } from "./world";

const toBackend = "CiliumNetworkPolicy shop/allow-frontend-to-backend";

function kindsOf({ drifts }: AuditResult): readonly string[] {
  return drifts.map(({ kind, object }) => `${kind} ${object.kind} ${object.name}`);
}

describe("audit: what is no drift (S3-22)", () => {
  it("labels and annotations of Helm, Flux and Argo CD, on policies and namespaces", () => {
    const marks = {
      "app.kubernetes.io/managed-by": "Helm",
      "helm.toolkit.fluxcd.io/name": "security",
      "argocd.argoproj.io/instance": "security",
    };
    const live = cluster().map(({ object, source }) => {
      const labels = { ...object.metadata?.labels, ...marks };
      const annotations = { ...object.metadata?.annotations, "meta.helm.sh/release-name": "security" };
      const isPod = object.kind === "Pod";
      return { object: isPod ? object : { ...object, metadata: { ...object.metadata, labels, annotations } }, source };
    }) as SourcedObject[];
    assert.deepEqual(audited(live).drifts, []);
  });

  it("what the API server fills in, and rules in another order", () => {
    const of = { ...declaration, dialect: Dialect.Kubernetes, bypasses: [] };
    const baseline = baselineOf(plan(of), "declaration.yaml");
    const live = cluster(of).map((each) => {
      if (each.object.kind !== "NetworkPolicy") return each;
      const spec = structuredClone(each.object.spec) as { ingress?: unknown[]; egress?: { to?: unknown[] }[] };
      spec.ingress?.reverse();
      for (const rule of spec.egress ?? []) rule.to?.reverse();
      return { ...each, object: { ...each.object, spec } };
    });
    assert.deepEqual(audited(live, { baseline }).drifts, []);
  });

  it("defaults of roles, admission policies and webhooks, certificates that an injector wrote, aggregated rules", () => {
    const webhook = (more: object): KubeObject => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: "guard" },
      webhooks: [
        {
          name: "guard.example.com",
          sideEffects: "None",
          admissionReviewVersions: ["v1"],
          clientConfig: { service: { name: "guard", namespace: "ops" } },
          ...more,
        },
      ],
    });
    const role = (rules: unknown): KubeObject => ({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "readers" },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { readers: "true" } }] },
      ...(rules === undefined ? {} : { rules }),
    });
    const filled = webhook({
      clientConfig: { service: { name: "guard", namespace: "ops", port: 443 }, caBundle: "LS0t" },
      timeoutSeconds: 10,
      failurePolicy: "Fail",
      matchPolicy: "Equivalent",
      namespaceSelector: {},
      objectSelector: {},
    });
    const baseline = [...meant(), { object: webhook({}) }, { object: role(undefined) }];
    const live = and(cluster(), filled, role([{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }]));
    assert.deepEqual(audited(live, { baseline }).drifts, []);
  });

  it("a label on a namespace that no policy goes by", () => {
    const live = edited(
      cluster(),
      "Namespace shop",
      ({ metadata }) => (metadata.labels = { ...metadata.labels, cost: "42" }),
    );
    assert.deepEqual(audited(live).drifts, []);
  });

  it("who may change policies by the baseline, the cluster's own, and who is accepted by name", () => {
    const admin = (subject: object): KubeObject[] => [
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "cluster-admin" },
        rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
      },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "admins" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [subject],
      },
    ];
    const flux = { kind: "ServiceAccount", name: "flux", namespace: "gitops" };
    assert.deepEqual(audited(and(cluster(), ...admin({ kind: "Group", name: "system:masters" }))).drifts, []);
    const found = audited(and(cluster(), ...admin(flux)));
    assert.deepEqual(kindsOf(found), ["edit-rights ClusterRoleBinding admins"]);
    const accepted = { policyEditors: ["ServiceAccount gitops/flux"] };
    assert.deepEqual(audited(and(cluster(), ...admin(flux)), accepted).drifts, []);
    const baseline = [...meant(), ...admin(flux).map((object) => ({ object }))];
    assert.deepEqual(audited(and(cluster(), ...admin(flux)), { baseline }).drifts, []);
    // the groups that everyone is in are nobody's own
    const everyone = audited(and(cluster(), ...admin({ kind: "Group", name: "system:authenticated" })));
    assert.equal(everyone.drifts[0]?.severity, "high");
  });

  it("releases of other charts say nothing about how Cilium enforces", () => {
    const release = (chart: string, values: object): KubeObject => ({
      apiVersion: "helm.sh/v3",
      kind: "Release",
      metadata: { name: chart },
      spec: { chart, version: "1.0.0", values },
    });
    const always = edited(cluster(), "ConfigMap kube-system/cilium-config", ({ data }) => {
      data["enable-policy"] = "always";
    });
    const other = [...meant(), { object: release("grafana", {}) }];
    assert.deepEqual(audited(always, { baseline: other }).drifts, []);
    const own = [...meant(), { object: release("cilium", { policyEnforcementMode: "always" }) }];
    assert.deepEqual(audited(always, { baseline: own }).drifts, []);
    assert.deepEqual(kindsOf(audited(cluster(), { baseline: own })), ["enforcement-off ConfigMap cilium-config"]);
  });

  it("a policy more that allows what passes anyway is low, and one staged says so", () => {
    const twin = cluster().find(({ object }) => nameOf(object) === toBackend)?.object;
    assert.ok(twin);
    const again = { ...twin, metadata: { ...twin.metadata, name: "allow-twice" } };
    const { drifts } = audited(and(cluster(), again));
    assert.deepEqual(
      drifts.map(({ kind, severity }) => [kind, severity]),
      [["extra", "low"]],
    );
  });
});

describe("audit: effects", () => {
  it("each path is told of the drift that opened it, and of no other", () => {
    const live = edited(
      edited(cluster(), toBackend, ({ spec }) => spec["ingress"].push({ fromEntities: ["world"] })),
      "CiliumNetworkPolicy shop/allow-frontend-egress",
      ({ spec }) => spec["egress"].push({ toCIDR: ["203.0.113.7/32"] }),
    );
    const { drifts } = audited(live);
    const [worst, other] = drifts;
    assert.deepEqual(
      worst?.opens.examples.map(({ destination }) => destination),
      ["shop/backend[Pod]", "shop/backend[Pod]"],
    );
    assert.deepEqual(
      other?.opens.examples.map(({ source, destination }) => `${source} ${destination}`),
      ["shop/frontend[Pod] 203.0.113.7-203.0.113.7[External]"],
    );
    assert.deepEqual([worst.severity, other.severity], ["critical", "high"]);
  });

  it("a moved label is told with the paths of the selectors that go by it", () => {
    const by = (labels: Record<string, string>): KubeObject => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "allow-trusted", namespace: "shop" },
      spec: {
        podSelector: { matchLabels: { app: "backend" } },
        ingress: [{ from: [{ namespaceSelector: { matchLabels: labels } }] }],
      },
    });
    const of = {
      ...declaration,
      dialect: Dialect.Kubernetes,
      bypasses: [],
      namespaces: [namespace("shop"), namespace("ops", { labels: { trust: "none" } })],
    };
    const open = {
      ...of,
      flows: [
        ...(of.flows ?? []),
        flow("ops/agent").to("shop/frontend").on(tcp(3000)).because("probes").ownedBy("ops"),
      ],
      workloads: [...(of.workloads ?? []), workload("ops/other")],
    };
    const baseline = [...baselineOf(plan(open), "declaration.yaml"), { object: by({ trust: "full" }) }];
    const egress: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "allow-all-egress", namespace: "ops" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    };
    const live = edited(and(cluster(open), by({ trust: "full" }), egress), "Namespace ops", ({ metadata }) => {
      metadata.labels = { ...metadata.labels, trust: "full" };
    });
    const { drifts } = audited(live, { baseline: [...baseline, { object: egress }] });
    assert.deepEqual(
      drifts.map(({ kind, severity }) => [kind, severity]),
      [["namespace-changed", "high"]],
    );
    assert.match(drifts[0]?.message ?? "", /trust is full \(none in the baseline\)/);
    assert.deepEqual(
      drifts[0]?.opens.examples.map(({ source, destination }) => `${source} ${destination}`),
      ["ops/agent[Pod] shop/backend[Pod]"],
    );
  });

  it("Calico: a policy that is only staged is not enforced", () => {
    const of = { ...declaration, dialect: Dialect.Calico, bypasses: [] };
    const baseline = baselineOf(plan(of), "declaration.yaml");
    const deny = baseline.find(({ object }) => /default-deny-all/.test(object.metadata?.name ?? ""))?.object;
    assert.ok(deny);
    const staged = { ...deny, kind: `Staged${deny.kind}` };
    const live = and(without(cluster(of), nameOf(deny)), staged);
    const { drifts } = audited(live, { baseline, cni: "calico" });
    assert.deepEqual(
      drifts.map(({ kind, severity }) => [kind, severity]),
      [["not-enforced", "critical"]],
    );
    assert.ok((drifts[0]?.opens.count ?? 0) > 0);
  });

  for (const dialect of [Dialect.Cilium, Dialect.Calico, Dialect.Kubernetes]) {
    it(`S2-21 ${dialect}: a bypass of break glass whose timer is gone, or whose moment is over, is overdue`, () => {
      const of: ClusterSecurityDeclaration = {
        ...declaration,
        dialect,
        bypasses: [],
        flows: [],
        breakGlass: [
          { name: "oncall", grantedTo: ["sre"], workloads: ["shop/backend"], reason: "incidents", owner: "platform" },
        ],
      };
      const timer = "break-glass-oncall-4f0q8s1k";
      const key = "policy-bypass.pulumi-cluster-security";
      const owner = { apiVersion: "batch/v1", kind: "Job", name: timer, uid: "7", controller: false };
      const labels = { [`${key}/timer`]: timer };
      const annotations = { [`${key}/until`]: `${today}T18:00:00Z`, [`${key}/owner`]: "a", [`${key}/reason`]: "b" };
      const metadata = { name: timer, namespace: "shop", labels, annotations };
      const kinds: Readonly<Record<string, object>> = {
        [Dialect.Cilium]: {
          apiVersion: "cilium.io/v2",
          kind: "CiliumNetworkPolicy",
          spec: { endpointSelector: { matchLabels: labels }, ingress: [{ fromEntities: ["all"] }] },
        },
        [Dialect.Calico]: {
          apiVersion: "projectcalico.org/v3",
          kind: "NetworkPolicy",
          spec: { selector: `${key}/timer == '${timer}'`, types: ["Ingress"], ingress: [{ action: "Allow" }] },
        },
        [Dialect.Kubernetes]: {
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          spec: { podSelector: { matchLabels: labels }, policyTypes: ["Ingress"], ingress: [{}] },
        },
      };
      const policy = {
        ...kinds[dialect],
        metadata: { ...metadata, ownerReferences: [owner] },
      } as unknown as KubeObject;
      const job = { apiVersion: "batch/v1", kind: "Job", metadata, spec: { parallelism: 0 } } as unknown as KubeObject;
      const baseline = baselineOf(plan(of), "declaration.yaml");
      const found = (live: readonly KubeObject[], now: string, more: Partial<AuditInput> = {}): readonly string[] =>
        audited(and(cluster(of), ...live), { baseline, now: `${today}T${now}Z`, ...more })
          .drifts.filter(({ object: { name } }) => name === timer)
          .map(({ kind, message }) => `${kind}: ${message}`);
      const [open] = found([policy, job], "17:59:00");
      assert.match(open ?? "", /^extra: /);
      assert.match(
        found([policy, job], "18:00:01").join(),
        /^overdue: .* is a bypass that ended at \S+T18:00:00Z and still/,
      );
      assert.match(found([policy], "17:59:00").join(), /^overdue: .* whose timer, Job break-glass-oncall-\w+, is gone/);
      const unlisted = [{ apiVersion: "batch/v1", kind: "Job" }];
      assert.match(found([policy], "17:59:00", { unlisted }).join(), /^extra: /);
    });
  }

  it("Istio: a policy that only reports is not enforced", () => {
    const policy = (annotations: Record<string, string>): KubeObject => ({
      apiVersion: "security.istio.io/v1",
      kind: "AuthorizationPolicy",
      metadata: { name: "deny-all", namespace: "shop", annotations },
      spec: {},
    });
    const { drifts } = audited(and(cluster(), policy({ "istio.io/dry-run": "true" })), {
      baseline: [...meant(), { object: policy({}) }],
    });
    assert.deepEqual(
      drifts.map(({ kind }) => kind),
      ["not-enforced"],
    );
  });

  it("the same policies under the names by which Calico stores them are the same", () => {
    const of = { ...declaration, dialect: Dialect.Calico, bypasses: [] };
    const baseline = baselineOf(plan(of), "declaration.yaml");
    const stored = cluster(of).map((each) => {
      const { apiVersion, kind, metadata } = each.object;
      if (apiVersion !== "projectcalico.org/v3") return each;
      const name = metadata?.name ?? "";
      const own = /NetworkPolicy$/.test(kind) && !name.includes(".") ? `default.${name}` : name;
      return {
        ...each,
        object: { ...each.object, apiVersion: "crd.projectcalico.org/v1", metadata: { ...metadata, name: own } },
      };
    });
    const { drifts } = audited(stored, { baseline, cni: "calico" });
    assert.deepEqual(drifts, []);
  });
});

describe("audit: what cannot be concluded (S3-22)", () => {
  it("another cluster's baseline is said, and is no drift and not clean", () => {
    const elsewhere = plan({ namespaces: [namespace("bank")], workloads: [workload("bank/ledger")] });
    const result = audited(cluster(), { baseline: baselineOf(elsewhere, "bank.yaml") });
    assert.equal(result.verdict, "inconclusive");
    assert.match(result.gaps.join("\n"), /nothing in common with the cluster/);
  });

  it("where all policies were deleted and the namespaces are there, that is drift", () => {
    const live = cluster().filter(({ object }) => !/Policy/.test(object.kind));
    const result = audited(live);
    assert.equal(result.verdict, "drift");
    assert.ok(result.drifts.every(({ kind }) => kind === "missing"));
    assert.equal(result.drifts[0]?.severity, "critical");
  });

  it("the same names under other uids are said", () => {
    const baseline = meant().map(({ object }) => ({
      object: { ...object, metadata: { ...object.metadata, uid: "other" } },
    }));
    const result = audited(cluster(), { baseline });
    assert.deepEqual([result.verdict, result.drifts], ["inconclusive", []]);
    assert.match(result.gaps.join("\n"), /another uid/);
  });

  it("a kind that may not be listed is not missing, and without drift nothing is concluded", () => {
    const live = cluster().filter(({ object }) => object.kind !== "CiliumNetworkPolicy");
    const unlisted = [{ apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy" }];
    const result = audited(live, { unlisted, gaps: ["the role may not list ciliumnetworkpolicies"] });
    assert.deepEqual([result.verdict, result.drifts], ["inconclusive", []]);
  });

  it("a baseline without policies compares nothing", () => {
    const result = audited(cluster(), {
      baseline: [{ object: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } } }],
    });
    assert.equal(result.verdict, "inconclusive");
  });
});
