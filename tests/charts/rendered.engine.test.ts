/** Charts rendered by Helm inside Pulumi's provider: what is asked for reaches the programs that are to do it. */
import assert from "node:assert/strict";
import { calicoOperatorChart, ciliumChart, istioCharts } from "../../lab/crds/index";
import type { CiliumChartOptions, IstioOptions } from "../../sdk/charts/index";
import { CiliumEncryption, CiliumEnforcementMode, calicoPlan, ciliumValues, istioPlan } from "../../sdk/charts/index";
import { sharedLab } from "../engine/shared-lab";
import type { ChartRequest } from "../support/rendered-charts";
import { renderCharts } from "../support/rendered-charts";

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: {
      readonly spec: { readonly containers: readonly { readonly env?: readonly { name: string; value?: string }[] }[] };
    };
  };
}

async function render(charts: Readonly<Record<string, ChartRequest>>): Promise<ReadonlyMap<string, Objects>> {
  return await renderCharts<Rendered>(await sharedLab(), charts);
}

type Objects = readonly Rendered[];

function named(objects: Objects, kind: string, name: string): Rendered {
  return objects.find((object) => object.kind === kind && object.metadata.name === name) ?? assert.fail(name);
}

/** Objects in an order of their own: they are rendered beside each other. */
function sorted(objects: Objects = []): Objects {
  const key = ({ kind, metadata }: Rendered): string => [kind, metadata.namespace, metadata.name].join("/");
  return [...objects].sort((a, b) => key(a).localeCompare(key(b)));
}

function environment(objects: Objects, kind: string, name: string): Map<string, string | undefined> {
  const containers = named(objects, kind, name).spec?.template?.spec.containers ?? [];
  return new Map(containers.flatMap(({ env }) => env ?? []).map((one) => [one.name, one.value]));
}

type Settings = Readonly<Record<string, string | undefined>>;

/** What the agent is told by default. */
const secure: Settings = {
  "enable-wireguard": "true",
  "enable-hubble": "true",
  "enable-policy": "default",
  "enable-l7-proxy": "true",
  "enable-non-default-deny-policies": "true",
  "hubble-network-policy-correlation-enabled": "true",
  "policy-audit-mode": undefined,
};
/** Everything that can be turned off. */
const off: CiliumChartOptions = { encryption: CiliumEncryption.None, hubble: { enabled: false } };
const offSettings: Settings = { "enable-wireguard": undefined, "enable-hubble": "false" };
/** Everything that every version can be told beside. */
const on: CiliumChartOptions = {
  nodeEncryption: true,
  strictEncryptionCidr: "10.0.0.0/8",
  auditMode: true,
  hostFirewall: true,
  enforcementMode: CiliumEnforcementMode.Always,
  istio: true,
};
const onSettings: Settings = {
  "encrypt-node": "true",
  "policy-audit-mode": "true",
  "enable-host-firewall": "true",
  "enable-policy": "always",
  "cni-exclusive": "false",
  "bpf-lb-sock-hostns-only": "true",
};
const strictUntil118: Settings = {
  "enable-encryption-strict-mode": "true",
  "encryption-strict-mode-cidr": "10.0.0.0/8",
};
const strictSince119: Settings = {
  "enable-encryption-strict-mode-egress": "true",
  "encryption-strict-egress-cidr": "10.0.0.0/8",
};
const answers: Settings = { "policy-deny-response": "icmp" };

/** What versions have of their own. */
const versions: readonly [version: string, options: CiliumChartOptions, settings: Settings][] = [
  ["1.18.6", {}, strictUntil118],
  ["1.19.1", { denyResponse: true }, { ...strictSince119, ...answers }],
  [
    "1.20.2",
    { denyResponse: true, clusterNetworkPolicy: true },
    { ...strictSince119, ...answers, "enable-k8s-cluster-network-policy": "true" },
  ],
];

describe("Cilium's chart, rendered by Helm", () => {
  for (const [version, options, settings] of versions) {
    it(`S0-06 S3-11 S3-20 ${version}: secure by default, and every option reaches the agent`, async () => {
      const chart = await ciliumChart(version);
      const told = { off, on: { ...on, ...options } };
      const asked = { default: {}, again: {}, ...told } as const;
      const requests = Object.entries(asked).map(([key, more]: [string, CiliumChartOptions]) => {
        const { values } = ciliumValues({ version, ...more });
        return [key, { chart, namespace: "kube-system", values }] as const;
      });
      const rendered = await render(Object.fromEntries(requests));
      const config = (key: keyof typeof asked): Settings =>
        named(rendered.get(key) ?? [], "ConfigMap", "cilium-config").data ?? {};
      const byDefault = config("default");
      // from 1.19 on nothing is drawn by lot: a preview of a stack that did not change shows no change
      if (version !== "1.18.6") assert.deepEqual(sorted(rendered.get("again")), sorted(rendered.get("default")));
      for (const [key, value] of Object.entries(secure)) assert.equal(byDefault[key], value, key);
      for (const metric of ["drop", "policy", "flows-to-world", "dns"]) {
        assert.match(byDefault["hubble-metrics"] ?? "", new RegExp(`(^| )${metric}:`));
      }
      for (const [key, wanted] of [
        ["off", offSettings],
        ["on", { ...onSettings, ...settings }],
      ] as const) {
        const changed = config(key);
        for (const [setting, value] of Object.entries(wanted)) {
          assert.equal(changed[setting], value, setting);
          assert.notEqual(byDefault[setting], value, `${setting} is so anyway`);
        }
      }
    });
  }
});

describe("Istio's charts, rendered by Helm", () => {
  const renderAll = async (options: IstioOptions): Promise<ReadonlyMap<string, Objects>> => {
    const charts = await istioCharts();
    const requests = istioPlan(options).releases.map(
      ({ chart, namespace, values }) => [chart, { chart: charts[chart], namespace, values }] as const,
    );
    return await render(Object.fromEntries(requests));
  };
  const mesh = (all: ReadonlyMap<string, Objects>): string =>
    named(all.get("istiod") ?? [], "ConfigMap", "istio").data?.["mesh"] ?? "";

  it("sidecar: no ambient part, redirection by the plugin, an access log", async () => {
    const all = await renderAll({ trustDomain: "example.org" });
    assert.ok(!environment(all.get("istiod") ?? [], "Deployment", "istiod").has("PILOT_ENABLE_AMBIENT"));
    assert.equal(named(all.get("cni") ?? [], "ConfigMap", "istio-cni-config").data?.["AMBIENT_ENABLED"], "false");
    assert.match(mesh(all), /accessLogFile: \/dev\/stdout/);
    assert.match(mesh(all), /trustDomain: example\.org/);
    const injector = named(all.get("istiod") ?? [], "ConfigMap", "istio-sidecar-injector").data?.["values"] ?? "";
    const { pilot } = JSON.parse(injector) as { pilot: { cni: { enabled: boolean } } };
    assert.equal(pilot.cni.enabled, true);
  });

  it("ambient: every part is told, and istiod trusts the ztunnel that there is", async () => {
    const all = await renderAll({ ambient: true, nodeAgentNamespace: "kube-system", dryRun: true });
    const istiod = environment(all.get("istiod") ?? [], "Deployment", "istiod");
    assert.equal(istiod.get("PILOT_ENABLE_AMBIENT"), "true");
    assert.equal(istiod.get("CA_TRUSTED_NODE_ACCOUNTS"), "kube-system/ztunnel");
    assert.equal(istiod.get("AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"), "true");
    assert.match(mesh(all), /ISTIO_META_ENABLE_HBONE: "true"/);
    assert.equal(named(all.get("cni") ?? [], "ConfigMap", "istio-cni-config").data?.["AMBIENT_ENABLED"], "true");
    const ztunnel = all.get("ztunnel") ?? [];
    assert.equal(named(ztunnel, "DaemonSet", "ztunnel").metadata.namespace, "kube-system");
    assert.equal(environment(ztunnel, "DaemonSet", "ztunnel").get("CA_ADDRESS"), "istiod.istio-system.svc:15012");
  });

  it("finds the control plane wherever it is", async () => {
    const all = await renderAll({ ambient: true, namespace: "mesh" });
    const ztunnel = environment(all.get("ztunnel") ?? [], "DaemonSet", "ztunnel");
    assert.equal(ztunnel.get("XDS_ADDRESS"), "istiod.mesh.svc:15012");
    assert.match(mesh(all), /rootNamespace: mesh/);
  });
});

describe("Calico's operator chart, rendered by Helm", () => {
  it("makes the operator and its definitions, and nothing that carries a finalizer", async () => {
    const chart = await calicoOperatorChart();
    const namespace = "tigera-operator";
    const rendered = await render({
      told: { chart, namespace, values: calicoPlan({ version: "3.28.5" }).operatorValues },
      untold: { chart, namespace, values: {} },
    });
    const kinds = new Set(rendered.get("told")?.map(({ kind }) => kind));
    assert.ok(kinds.has("Deployment") && kinds.has("CustomResourceDefinition"));
    for (const owned of ["Installation", "APIServer", "FelixConfiguration"]) assert.ok(!kinds.has(owned), owned);
    // the chart would make them if it were asked
    assert.ok(rendered.get("untold")?.some(({ kind }) => kind === "Installation"));
  });
});
