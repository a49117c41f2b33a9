import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import { contentsByCluster } from "../../policypack/snapshot-from-resources";
import { enforcementOf } from "../../sdk/components/enforcement";
import { evaluate } from "../../sdk/findings/index";
import type { ClusterSecurityArgs, CniArgs } from "../../sdk/index";
import {
  CalicoCni,
  CalicoCrds,
  ChartValuesError,
  CiliumCni,
  ClusterSecurity,
  CniKind,
  DeclarationError,
  Dialect,
  IstioMesh,
  MeshMode,
  calicoChart,
  ciliumChart,
  flow,
  istioChart,
  namespace,
  tcp,
  workload,
} from "../../sdk/index";
import { buildSnapshot, compile } from "../../sdk/reachability/index";
import { assertValid } from "../plan/crd-schema";
import { fixture } from "../support/fixtures";
import type { Registration } from "./monitor";
import { register, standsBefore } from "./monitor";

const shop: ClusterSecurityArgs = {
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web", { serviceAccount: "web" }), workload("shop/api", { serviceAccount: "api" })],
  flows: [flow("web").to("api").on(tcp(3000)).because("pages").ownedBy("web")],
};

function find(registrations: readonly Registration[], name: string): Registration {
  const found = registrations.filter((registration) => registration.name === name);
  assert.equal(found.length, 1, `${found.length} resources are called ${name}`);
  return found[0] as Registration;
}

function assertOrder(all: readonly Registration[], names: readonly string[]): void {
  const inOrder = names.map((name) => find(all, name));
  for (const [index, earlier] of inOrder.entries()) {
    for (const later of inOrder.slice(index + 1)) {
      assert.ok(standsBefore(all, later.urn).has(earlier.urn), `${later.name} does not wait for ${earlier.name}`);
    }
  }
}

const values = ({ inputs }: Registration): Record<string, unknown> => inputs["values"] as Record<string, unknown>;
const specOf = ({ inputs }: Registration): Record<string, unknown> => inputs["spec"] as Record<string, unknown>;

describe("CalicoCni", () => {
  it("S0-05 S0-06 brings definitions, operator, Installation, API server and WireGuard in the order in which each needs the last", async () => {
    const all = await register(() => new CalicoCni("cni", {}));
    assertOrder(all, [
      "cni-namespace",
      "cni-crds",
      "cni-operator",
      "cni-installation",
      "cni-apiserver",
      "cni-felixconfiguration",
    ]);
    assertOrder(all, ["cni-operator", "cni-installation", "cni-goldmane", "cni-whisker"]);
    assert.deepEqual(specOf(find(all, "cni-felixconfiguration")), { wireguardEnabled: true, wireguardEnabledV6: true });
    const operator = find(all, "cni-operator");
    assert.equal(operator.inputs["version"], "v3.32.1");
    assert.deepEqual(operator.inputs["repositoryOpts"], { repo: "https://docs.tigera.io/calico/charts" });
    assert.equal(operator.inputs["atomic"], true);
  });

  it("owns what carries a finalizer, so that a destroy removes it while the operator still answers", async () => {
    const all = await register(() => new CalicoCni("cni", {}));
    const operator = find(all, "cni-operator");
    const owned = ["installation", "apiserver", "goldmane", "whisker"];
    for (const part of owned) {
      assert.ok(standsBefore(all, find(all, `cni-${part}`).urn).has(operator.urn), part);
    }
    const chart = values(operator);
    for (const key of ["installation", "apiServer", "goldmane", "whisker", "defaultFelixConfiguration"]) {
      assert.deepEqual(chart[key], { enabled: false }, key);
    }
    assert.equal(chart["manageCRDs"], false);
  });

  it("waits for the operator's work, and not where the cluster has no nodes", async () => {
    const waits = async (skipAwait: boolean): Promise<unknown[]> => {
      const all = await register(() => new CalicoCni("cni", { skipAwait }));
      return ["cni-installation", "cni-apiserver"].map(
        (name) => (find(all, name).inputs["metadata"] as { annotations: object }).annotations,
      );
    };
    assert.deepEqual(await waits(false), [
      { "pulumi.com/waitFor": "condition=Ready" },
      { "pulumi.com/waitFor": "jsonpath={.status.state}=Ready" },
    ]);
    assert.deepEqual(await waits(true), [undefined, undefined]);
  });

  it("writes a FelixConfiguration that Calico's published definition takes, without an unknown field", async function () {
    const folder = fixture("crds/calico");
    if (folder === undefined) return this.skip();
    const all = await register(
      () =>
        new CalicoCni("cni", {
          metrics: true,
          wireguardHosts: true,
          felixConfiguration: { wireguardMTU: 1420, logSeverityScreen: "Info" },
        }),
    );
    const { inputs } = find(all, "cni-felixconfiguration");
    assertValid(folder, inputs as unknown as { apiVersion: string; kind: string });
    assert.equal((inputs["spec"] as { wireguardMTU: number }).wireguardMTU, 1420);
    assert.throws(() =>
      assertValid(folder, { ...inputs, spec: { wireguardOn: true } } as unknown as {
        apiVersion: string;
        kind: string;
      }),
    );
  });

  it("merges the user's values last, into each part", async () => {
    const all = await register(
      () =>
        new CalicoCni("cni", {
          ...calicoChart("3.32.1", { nodeSelector: { role: "infra" } }),
          installation: { calicoNetwork: { ipPools: [{ cidr: "10.1.0.0/16" }] }, kubeletVolumePluginPath: "/var/lib" },
          felixConfiguration: { wireguardEnabledV6: false },
        }),
    );
    assert.deepEqual(values(find(all, "cni-operator"))["nodeSelector"], { role: "infra" });
    assert.deepEqual(specOf(find(all, "cni-installation")), {
      variant: "Calico",
      kubeletVolumePluginPath: "/var/lib",
      calicoNetwork: { ipPools: [{ cidr: "10.1.0.0/16" }] },
    });
    assert.deepEqual(specOf(find(all, "cni-felixconfiguration")), {
      wireguardEnabled: true,
      wireguardEnabledV6: false,
    });
  });

  it("takes its charts from a mirror, a folder, or one by one, and leaves the definitions to others where told", async () => {
    const mirrored = await register(() => new CalicoCni("cni", { repository: "oci://mirror.example.com/charts" }));
    const operator = find(mirrored, "cni-operator").inputs;
    assert.deepEqual(
      [operator["chart"], operator["version"], operator["repositoryOpts"]],
      ["oci://mirror.example.com/charts/tigera-operator", "v3.32.1", undefined],
    );
    const local = await register(
      () => new CalicoCni("cni", { operatorChart: "./charts/tigera-operator.tgz", crds: CalicoCrds.Operator }),
    );
    const { inputs } = find(local, "cni-operator");
    assert.deepEqual([inputs["chart"], inputs["version"]], ["./charts/tigera-operator.tgz", undefined]);
    assert.equal(values(find(local, "cni-operator"))["manageCRDs"], true);
    assert.ok(!local.some(({ name }) => name === "cni-crds"));
  });

  it("S0-05 adopts what is there with existing: true, and refuses what that would ignore or is too old", async () => {
    const all = await register(() => new CalicoCni("cni", { existing: true, version: "3.31.7" }));
    assert.deepEqual(
      all.map(({ type, inputs }) => [type, inputs["version"]]),
      [["pulumi-cluster-security:index:CalicoCni", "3.31.7"]],
    );
    await register(() => {
      assert.throws(() => new CalicoCni("cni", { existing: true, goldmane: true }), /goldmane: has no effect/);
      assert.throws(() => new CalicoCni("cni", { existing: true, version: "3.24.5" }), /older than 3\.25\.0/);
    });
  });
});

describe("IstioMesh", () => {
  it("installs base, control plane and plugin, and in ambient mode the node proxy, one after the other", async () => {
    const sidecar = await register(() => new IstioMesh("mesh", {}));
    assertOrder(sidecar, ["mesh-namespace", "mesh-base", "mesh-istiod", "mesh-cni"]);
    assert.ok(!sidecar.some(({ name }) => name === "mesh-ztunnel"));
    const ambient = await register(() => new IstioMesh("mesh", { mode: MeshMode.Ambient }));
    assertOrder(ambient, ["mesh-namespace", "mesh-base", "mesh-istiod", "mesh-cni", "mesh-ztunnel"]);
    for (const chart of ["base", "istiod", "cni", "ztunnel"]) {
      assert.equal(values(find(ambient, `mesh-${chart}`))["profile"], "ambient", chart);
    }
    assert.deepEqual(values(find(sidecar, "mesh-istiod"))["cni"], { enabled: true });
  });

  it("merges the user's values last, chart by chart, and takes charts from a mirror", async () => {
    const all = await register(
      () =>
        new IstioMesh("mesh", {
          ...istioChart("1.30.3", { istiod: { meshConfig: { accessLogFile: "" }, replicaCount: 3 } }),
          repository: "oci://mirror.example.com/charts",
          charts: { cni: "./charts/cni" },
        }),
    );
    const istiod = find(all, "mesh-istiod");
    assert.equal(istiod.inputs["chart"], "oci://mirror.example.com/charts/istiod");
    assert.deepEqual([istiod.inputs["version"], istiod.inputs["repositoryOpts"]], ["1.30.3", undefined]);
    assert.deepEqual(values(istiod)["meshConfig"], { accessLogFile: "" });
    assert.equal(values(istiod)["replicaCount"], 3);
    assert.deepEqual(
      [find(all, "mesh-cni").inputs["chart"], find(all, "mesh-cni").inputs["version"]],
      ["./charts/cni", undefined],
    );
  });

  it("trusts a ztunnel that runs in another namespace, and none otherwise", async () => {
    const trusted = async (nodeAgentNamespace?: string): Promise<unknown> => {
      const args = nodeAgentNamespace === undefined ? {} : { nodeAgentNamespace };
      const all = await register(() => new IstioMesh("mesh", { mode: MeshMode.Ambient, ...args }));
      assert.equal(find(all, "mesh-ztunnel").inputs["namespace"], nodeAgentNamespace ?? "istio-system");
      return values(find(all, "mesh-istiod"))["trustedZtunnelNamespace"];
    };
    assert.deepEqual([await trusted("kube-system"), await trusted()], ["kube-system", undefined]);
  });

  it("adopts what is there with existing: true", async () => {
    const all = await register(() => new IstioMesh("mesh", { existing: true, mode: MeshMode.Ambient }));
    assert.deepEqual(
      all.map(({ type }) => type),
      ["pulumi-cluster-security:index:IstioMesh"],
    );
    await register(() => {
      assert.throws(() => new IstioMesh("mesh", { existing: true, dryRun: true }), ChartValuesError);
    });
  });
});

describe("CiliumCni, version by version", () => {
  it("S0-05 refuses a Cilium below 1.13 even where it is there already, and takes values typed by version", async () => {
    await register(() => {
      assert.throws(() => new CiliumCni("cni", { existing: true, version: "1.12.19" }), /older than 1\.13\.0/);
      assert.throws(() => new CiliumCni("cni", { version: "1.12.19" }), /older than 1\.13\.0/);
    });
    const typed = ciliumChart("1.20.2", { encryption: { strictMode: { egress: { enabled: true } } } });
    const all = await register(() => new CiliumCni("cni", { ...typed }));
    assert.deepEqual(values(find(all, "cni-release"))["encryption"], {
      enabled: true,
      type: "wireguard",
      strictMode: { egress: { enabled: true } },
    });
  });
});

describe("Releases", () => {
  it("take what a published chart draws by lot for no change, and look into a local one", async () => {
    const ignored = async (chart?: string): Promise<readonly string[]> => {
      const all = await register(() => new CiliumCni("cni", chart === undefined ? {} : { chart }));
      return find(all, "cni-release").ignoreChanges;
    };
    assert.deepEqual(await ignored(), ["checksum"]);
    assert.deepEqual(await ignored("oci://mirror.example.com/cilium"), ["checksum"]);
    assert.deepEqual(await ignored("./charts/cilium"), []);
  });
});

describe("ClusterSecurity with a CNI and a mesh", () => {
  for (const mode of [MeshMode.Sidecar, MeshMode.Ambient]) {
    it(`tells Cilium by itself that it shares the nodes with Istio (${mode})`, async () => {
      const all = await register(() => new ClusterSecurity("s", { ...shop, cni: {}, istio: { mode } }));
      const cilium = values(find(all, "s-cni-release"));
      assert.deepEqual(cilium["cni"], { exclusive: false });
      assert.deepEqual(cilium["socketLB"], { hostNamespaceOnly: true });
      const alone = await register(() => new ClusterSecurity("s", { ...shop, cni: {} }));
      assert.equal(values(find(alone, "s-cni-release"))["cni"], undefined);
      // a mesh that is there already, or that is only declared, counts as well
      for (const mesh of [{ istio: { existing: true, mode } }, { mesh: { mode } }]) {
        const shared = await register(() => new ClusterSecurity("s", { ...shop, cni: {}, ...mesh }));
        assert.deepEqual(values(find(shared, "s-cni-release"))["cni"], { exclusive: false });
      }
    });
  }

  it("refuses what would take the mesh's plugin away, or say two things about one mesh", async () => {
    await register(() => {
      const refused = (args: Partial<ClusterSecurityArgs>, text: RegExp, kind: unknown = DeclarationError): void => {
        assert.throws(
          () => new ClusterSecurity("s", { ...shop, ...args }),
          (error: Error) => error instanceof (kind as typeof Error) && text.test(error.message),
        );
      };
      refused({ cni: { istio: false }, istio: {} }, /cni\.istio/);
      refused({ cni: { values: { cni: { exclusive: true } } }, istio: {} }, /cni\.exclusive/, ChartValuesError);
      refused(
        { cni: { values: { socketLB: { hostNamespaceOnly: false } } }, mesh: {} },
        /socketLB\.hostNamespaceOnly/,
        ChartValuesError,
      );
      refused({ istio: { mode: MeshMode.Ambient }, mesh: { mode: MeshMode.Sidecar } }, /istio\.mode/);
      refused({ istio: { trustDomain: "a.example" }, mesh: { trustDomain: "b.example" } }, /istio\.trustDomain/);
    });
  });

  it("S0-04 S1-24 puts CNI, allows, mesh, strict mutual TLS, identities and default deny in this order", async () => {
    const all = await register(() => new ClusterSecurity("s", { ...shop, cni: {}, istio: { mode: MeshMode.Ambient } }));
    assertOrder(all, [
      "s-cni-release",
      "s-deny-cloud-metadata",
      "s-shop/allow-web-to-api",
      "s-istio-base",
      "s-istio-istiod",
      "s-istio-cni",
      "s-istio-ztunnel",
      "s-shop/default",
      "s-default-deny-all",
    ]);
    assertOrder(all, ["s-istio-system", "s-istio-base"]);
    assertOrder(all, ["s-allow-dns-ingress", "s-istio-base"]);
    assertOrder(all, ["s-tier1-istio-nodes", "s-istio-cni"]);
    const strict = find(all, "s-shop/default");
    assert.match(strict.type, /PeerAuthentication$/);
    assert.deepEqual(specOf(strict), { mtls: { mode: "STRICT" } });
    const identities = specOf(find(all, "s-shop/allow-to-api"));
    assert.equal(identities["action"], "ALLOW");
    assert.match(JSON.stringify(identities["rules"]), /"principals":\["cluster\.local\/ns\/shop\/sa\/web"\]/);
    assertOrder(all, ["s-istio-ztunnel", "s-shop/allow-to-api", "s-default-deny-all"]);
    // one owner of the namespace, which lets the node agents in
    const homes = all.filter(
      ({ type, inputs }) =>
        type === "kubernetes:core/v1:Namespace" && (inputs["metadata"] as { name: string }).name === "istio-system",
    );
    assert.equal(homes.length, 1);
    const { labels } = homes[0]?.inputs["metadata"] as { labels: Record<string, string> };
    assert.equal(labels["pod-security.kubernetes.io/enforce"], "privileged");
  });

  it("opens istiod to a ztunnel that runs in another namespace", async () => {
    const policies = async (nodeAgentNamespace?: string): Promise<string> => {
      const istio = { mode: MeshMode.Ambient, ...(nodeAgentNamespace === undefined ? {} : { nodeAgentNamespace }) };
      const all = await register(() => new ClusterSecurity("s", { ...shop, cni: {}, istio }));
      const toIstiod = all.filter(({ inputs }) => JSON.stringify(inputs["spec"] ?? {}).includes("15012"));
      return JSON.stringify(toIstiod.map(({ inputs }) => inputs["spec"]));
    };
    const ztunnel = '"k8s:app":"ztunnel","k8s:io.kubernetes.pod.namespace":"kube-system"';
    assert.ok((await policies("kube-system")).includes(ztunnel), await policies("kube-system"));
    assert.ok(!(await policies()).includes(ztunnel));
  });

  it("S0-07 installs Calico, writes its dialect, and keeps the default deny out of Calico's own namespaces", async () => {
    const all = await register(() => new ClusterSecurity("s", { ...shop, cni: { kind: CniKind.Calico } }));
    const deny = all.find(({ name, type }) => /GlobalNetworkPolicy$/.test(type) && name.endsWith("default-deny-all"));
    assert.ok(deny !== undefined, all.map(({ name }) => name).join());
    for (const own of ["calico-system", "calico-apiserver", "kube-system"]) {
      assert.ok(JSON.stringify(specOf(deny)).includes(own), own);
    }
    // the operator is on the host network: its namespace needs no exemption
    assert.ok(!JSON.stringify(specOf(deny)).includes("tigera-operator"));
    // the API server of Calico takes the policies: the component as a whole stands first
    const before = standsBefore(all, deny.urn);
    for (const part of ["s-cni-operator", "s-cni-apiserver", "s-cni-felixconfiguration"]) {
      assert.ok(before.has(find(all, part).urn), part);
    }
    const { posture } = find(all, "s").outputs as { posture: { dialect: string } };
    assert.equal(posture.dialect, "calico");
  });

  it("refuses a dialect that the CNI does not read, and arguments of the other CNI", async () => {
    await register(() => {
      const calico = { kind: CniKind.Calico };
      assert.throws(() => new ClusterSecurity("s", { ...shop, dialect: Dialect.Cilium, cni: calico }), /not read/);
      assert.throws(() => new ClusterSecurity("s", { ...shop, dialect: Dialect.Calico, cni: {} }), /not read/);
      assert.throws(() => new ClusterSecurity("s", { ...shop, cni: { goldmane: true } }), /cni\.goldmane/);
      assert.throws(() => new ClusterSecurity("s", { ...shop, cni: { ...calico, hubble: {} } }), /cni\.hubble/);
    });
  });

  it("registers only what the published definitions of Calico, Istio and ClusterNetworkPolicy take", async function () {
    const [calico, istio, clusterNetworkPolicy] = ["calico", "istio", "network-policy-api"].map((name) =>
      fixture(`crds/${name}`),
    );
    if (calico === undefined || istio === undefined || clusterNetworkPolicy === undefined) return this.skip();
    const folders: readonly [group: RegExp, folder: string][] = [
      [/^projectcalico\.org\//, calico],
      [/^security\.istio\.io\//, istio],
      [/^policy\.networking\.k8s\.io\//, clusterNetworkPolicy],
    ];
    const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };
    const seen = new Set<string>();
    for (const enforcers of [
      { cni: { kind: CniKind.Calico } },
      { cni: {}, dialect: Dialect.ClusterNetworkPolicy },
    ] as const) {
      const istio = { mode: MeshMode.Ambient };
      const all = await register(() => new ClusterSecurity("s", { ...shop, cluster, istio, ...enforcers }));
      for (const { inputs } of all) {
        const object = inputs as unknown as { apiVersion?: string; kind: string };
        const folder = folders.find(([group]) => group.test(object.apiVersion ?? ""))?.[1];
        if (folder === undefined) continue;
        assertValid(folder, { ...object, apiVersion: object.apiVersion ?? "" });
        seen.add(object.kind);
      }
    }
    assert.deepEqual([...seen].sort(), [
      "AuthorizationPolicy",
      "ClusterNetworkPolicy",
      "FelixConfiguration",
      "GlobalNetworkPolicy",
      "NetworkPolicy",
      "PeerAuthentication",
      "Tier",
    ]);
  });

  it("has Cilium read ClusterNetworkPolicy where that is the dialect, and refuses versions that do not", async () => {
    const facts = { cluster: { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] } };
    const declared = { ...shop, ...facts, dialect: Dialect.ClusterNetworkPolicy };
    const all = await register(() => new ClusterSecurity("s", { ...declared, cni: {} }));
    assert.deepEqual(values(find(all, "s-cni-release"))["k8sClusterNetworkPolicy"], { enabled: true });
    await register(() => {
      for (const cni of [
        { version: "1.19.6" },
        { existing: true, version: "1.19.6" },
        { kind: CniKind.Calico, version: "3.31.7" },
      ]) {
        assert.throws(() => new ClusterSecurity("s", { ...declared, cni }), DeclarationError);
      }
    });
  });

  it("says what to look at where Cilium was there before, and what auditing nodes mean for policies", () => {
    const adopted = enforcementOf({ ...shop, mesh: {} }, { existing: true }, undefined);
    assert.match(adopted.warnings.join(), /cni\.exclusive: false/);
    assert.deepEqual(enforcementOf(shop, { existing: true }, undefined).warnings, []);
    assert.equal(enforcementOf(shop, { auditMode: true }, undefined).declaration.cluster?.enforcerAudits, true);
    const stated = { ...shop, cluster: { enforcerVersion: "1.19.0" } };
    assert.equal(
      enforcementOf(stated, { version: "1.20.2" }, undefined).declaration.cluster?.enforcerVersion,
      "1.19.0",
    );
  });

  it("installs nothing that the findings about enforcers have a word against", async () => {
    const rules = ["encryption-off", "enforcement-off", "flow-observability-off", "chart-value-ignored", "mesh-mtls"];
    rules.push("namespace-default-deny", "metadata-endpoints-closed");
    const judge = (all: readonly Registration[]): string[] => {
      const resources = all.map(({ type, name, urn, inputs }) => ({ type, name, urn, props: inputs }));
      const objects = [...contentsByCluster(resources).values()].flatMap((contents) => contents.objects);
      return evaluate(compile(buildSnapshot(objects)))
        .map(({ id }) => id)
        .filter((id) => rules.includes(id));
    };
    const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };
    const stack = (cni: CniArgs): Promise<readonly Registration[]> =>
      register(() => new ClusterSecurity("s", { ...shop, cluster, cni, istio: { mode: MeshMode.Ambient } }));
    for (const kind of [CniKind.Cilium, CniKind.Calico]) assert.deepEqual(judge(await stack({ kind })), [], kind);
    // and they would speak up
    const open = judge(await stack({ kind: CniKind.Calico, wireguard: false, goldmane: false }));
    assert.deepEqual([...new Set(open)].sort(), ["encryption-off", "flow-observability-off"]);
  });

  it("has stable URNs (write them anew with UPDATE_SNAPSHOTS=1 only together with aliases)", async () => {
    const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };
    const istio = { mode: MeshMode.Ambient };
    const urns: string[] = [];
    for (const [name, cni] of [
      ["cilium", {}],
      ["calico", { kind: CniKind.Calico }],
    ] as const) {
      const all = await register(() => new ClusterSecurity(name, { ...shop, cluster, cni, istio }));
      // the names of policies are the planner's
      urns.push(...all.map(({ urn }) => urn).filter((urn) => /Cni|IstioMesh/.test(urn)));
    }
    const file = path.join(__dirname, "network-urns.snapshot.json");
    if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, `${JSON.stringify(urns.sort(), null, 2)}\n`);
    assert.deepEqual(urns.sort(), JSON.parse(readFileSync(file, "utf8")));
  });

  it("gives every part its parent, the component's provider, and the user's transforms", async () => {
    const all = await register(() => {
      const provider = new k8s.Provider("other", { kubeconfig: "{}" });
      const transforms = [
        ({ type, props, opts }: { type: string; props: Record<string, unknown>; opts: object }) =>
          type === "kubernetes:helm.sh/v3:Release" ? { props: { ...props, timeout: 42 }, opts } : undefined,
      ];
      const settings = { provider, transformations: transforms as never };
      const cluster = { apiServer: { cidrs: ["192.0.2.1/32"] }, nodeCidrs: ["192.0.2.0/24"] };
      const enforcers = { cni: { kind: CniKind.Calico }, istio: { mode: MeshMode.Ambient } };
      new ClusterSecurity("s", { ...shop, cluster, ...enforcers }, settings);
    });
    const provider = find(all, "other");
    const owners = new Set(["s", "s-cni", "s-istio"].map((name) => find(all, name).urn));
    const children = all.filter(({ type }) => type.startsWith("kubernetes:"));
    assert.ok(children.length > 20);
    for (const child of children) {
      assert.ok(owners.has(child.parent), child.name);
      assert.equal(child.provider, `${provider.urn}::${provider.name}-id`, child.name);
    }
    const releases = children.filter(({ type }) => type === "kubernetes:helm.sh/v3:Release");
    assert.equal(releases.length, 6);
    for (const release of releases) assert.equal(release.inputs["timeout"], 42, release.name);
  });
});
