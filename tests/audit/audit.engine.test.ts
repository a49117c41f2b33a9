import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { startControlPlane, type ControlPlane } from "../../lab/control-plane/index";
import { installCrds } from "../../lab/crds/index";
import { provideTools } from "../../lab/toolchain/index";
import { baselineOf } from "../../sdk/audit/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { namespace, plan } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { run, type Ran } from "../cli/command";
import { declaration, meshed, nameOf } from "./world";

const declared: ClusterSecurityDeclaration = {
  ...declaration,
  mesh: meshed.mesh ?? {},
  namespaces: [namespace("shop"), namespace("ops", { labels: { trust: "none" } })],
};

function cilium(home: string, name: string, spec: object, more: object = {}): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: home, ...more },
    spec,
  };
}

const backend = { matchLabels: { app: "backend" } };

/** What another team applies beside the declaration: by the label of a namespace, and to link-local addresses. */
const beside: readonly KubeObject[] = [
  cilium("shop", "allow-trusted", {
    endpointSelector: backend,
    ingress: [{ fromEndpoints: [{ matchLabels: { "k8s:io.cilium.k8s.namespace.labels.trust": "full" } }] }],
  }),
  cilium("ops", "allow-agent-egress", {
    endpointSelector: { matchLabels: { app: "agent" } },
    egress: [{ toEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "shop" } }] }],
  }),
  cilium("ops", "allow-link-local", {
    endpointSelector: { matchLabels: { app: "agent" } },
    egress: [{ toCIDR: ["169.254.0.0/16"] }],
  }),
];

const agents: KubeObject = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "cilium-config", namespace: "kube-system" },
  data: { "enable-policy": "default", "policy-audit-mode": "false" },
};

function pod(home: string, name: string): KubeObject {
  const metadata = { name, namespace: home, labels: { app: name } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { containers: [{ name: "main", image: "example.com/main:1" }] },
  };
}

const clusterwide = /^(Namespace|CiliumClusterwide.*|ClusterRole.*|ValidatingAdmissionPolicy.*)$/;

function pathOf({ apiVersion, kind, metadata }: KubeObject, named = true): string {
  const base = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const plural = kind.replace(/y$/, "ie").toLowerCase();
  const home = clusterwide.test(kind) ? "" : `/namespaces/${metadata?.namespace ?? "default"}`;
  return `${base}${home}/${plural}s${named ? `/${metadata?.name ?? ""}` : ""}`;
}

interface Drift {
  readonly kind: string;
  readonly severity: string;
  readonly object: string;
  readonly message: string;
  readonly opens: {
    readonly count: number;
    readonly examples: readonly { readonly source: string; readonly destination: string }[];
  };
  readonly closes: { readonly count: number };
  readonly managers: readonly { readonly manager: string; readonly operation?: string; readonly time?: string }[];
  readonly requests: readonly {
    readonly user: string;
    readonly as?: string;
    readonly verb: string;
    readonly addresses: readonly string[];
  }[];
}

interface Report {
  readonly verdict: string;
  readonly gaps: readonly string[];
  readonly drifts: readonly Drift[];
}

describe("audit, against a real API server (S3-22)", () => {
  let folder: string;
  let plane: ControlPlane;
  let kubeconfig: string;
  let baseline: readonly KubeObject[];

  /** One request: as the administrator, or as someone else who is played. */
  function call(method: string, at: string, body?: unknown, as?: string): Promise<{ status: number; text: string }> {
    const type = method === "PATCH" ? (at.includes("force=true") ? "apply-patch+yaml" : "merge-patch+json") : "json";
    const played = as === undefined ? {} : { "impersonate-user": as, "impersonate-group": "system:masters" };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(at, plane.server),
        {
          method,
          ca: readFileSync(plane.certificateAuthority),
          headers: { authorization: `Bearer ${plane.token}`, "content-type": `application/${type}`, ...played },
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part: string) => (text += part));
          response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      outgoing.once("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function done(method: string, at: string, body?: unknown, as?: string): Promise<string> {
    const { status, text } = await call(method, at, body, as);
    assert.ok(status < 300, `${method} ${at}: ${status} ${text}`);
    return text;
  }

  /** As a deployment does it: server-side apply, with a manager of its own. */
  const apply = (object: KubeObject): Promise<string> =>
    done("PATCH", `${pathOf(object)}?fieldManager=pulumi-kubernetes-1a2b3c4d&force=true`, object);

  const named = (name: string): KubeObject => {
    const found = [...baseline, agents].find((object) => nameOf(object) === name);
    assert.ok(found, name);
    return found;
  };

  /** By hand, as mallory with kubectl. */
  const edit = (name: string, change: object, part = ""): Promise<string> =>
    done("PATCH", `${pathOf(named(name))}${part}?fieldManager=kubectl-edit`, change, "mallory");
  const remove = (name: string): Promise<string> => done("DELETE", pathOf(named(name)), undefined, "mallory");
  const create = (object: KubeObject): Promise<string> =>
    done("POST", `${pathOf(object, false)}?fieldManager=kubectl-create`, object, "mallory");
  const away = (object: KubeObject): Promise<string> => done("DELETE", pathOf(object));

  before(async function () {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-audit-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "plane"), tools, fresh: true, auditLog: true });
    await installCrds(plane, ["cilium", "istio"]);
    baseline = [...baselineOf(plan(declared), "declaration.yaml").map(({ object }) => object), ...beside];
    const isFirst = (object: KubeObject): boolean => object.kind === "Namespace";
    for (const object of [...baseline.filter(isFirst), ...baseline.filter((each) => !isFirst(each)), agents])
      await apply(object);
    for (const home of ["shop", "ops"]) await accountOf(home);
    for (const object of [pod("shop", "frontend"), pod("shop", "backend"), pod("ops", "agent")]) await create(object);
    writeFileSync(path.join(folder, "declaration.json"), JSON.stringify(declared));
    writeFileSync(path.join(folder, "beside.yaml"), beside.map((object) => dump(object)).join("---\n"));
    await installReader();
  });

  after(async () => {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Pods are refused until the controllers have made the namespace's service account. */
  async function accountOf(home: string): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if ((await call("GET", `/api/v1/namespaces/${home}/serviceaccounts/default`)).status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`no service account in ${home}`);
  }

  /** What `audit cronjob` prints is taken by the API server, and the audits below run as its service account. */
  async function installReader(): Promise<void> {
    const { stdout, stderr } = await run([
      "audit",
      "cronjob",
      "--image",
      "example.com/cs:1",
      "--baseline-config-map",
      "base",
      "--format",
      "json",
    ]);
    const { items } = JSON.parse(stdout) as { items: KubeObject[] };
    assert.ok(items.length > 4, stderr);
    await apply({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "cluster-security", labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    await accountOf("cluster-security");
    for (const item of items) await done("POST", `${pathOf(item, false)}?fieldValidation=Strict`, item);
    const answer = await done(
      "POST",
      "/api/v1/namespaces/cluster-security/serviceaccounts/cluster-security-audit/token",
      {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 7200 },
      },
    );
    const { token } = (JSON.parse(answer) as { status: { token: string } }).status;
    kubeconfig = path.join(folder, "reader.kubeconfig");
    const cluster = { server: plane.server, "certificate-authority": plane.certificateAuthority };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "lab", cluster }],
      users: [{ name: "reader", user: { token } }],
      contexts: [{ name: "lab", context: { cluster: "lab", user: "reader" } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  }

  const command = (...more: string[]): Promise<Ran> =>
    run(
      [
        "audit",
        "--context",
        "lab",
        "--kubeconfig",
        kubeconfig,
        "--baseline",
        "declaration.json",
        "--baseline",
        "beside.yaml",
        "--tier0",
        "cluster-security",
        ...more,
      ],
      { cwd: folder },
    );

  async function audited(): Promise<Report & Pick<Ran, "code" | "stderr">> {
    const { code, stdout, stderr } = await command("--format", "json", "--audit-log", plane.auditLog);
    assert.notEqual(stdout, "", stderr);
    return { ...(JSON.parse(stdout) as Report), code, stderr };
  }

  async function clean(): Promise<void> {
    const { verdict, drifts, gaps, code, stderr } = await audited();
    assert.deepEqual([verdict, drifts, gaps, code], ["clean", [], [], 0], stderr);
  }

  it("a cluster as it was deployed, with all that the server fills in, is silent", async () => {
    await clean();
  });

  interface Case {
    readonly title: string;
    readonly change: () => Promise<unknown>;
    readonly back: () => Promise<unknown>;
    readonly object: string;
    readonly kind: string;
    readonly severity: string;
    readonly opens?: RegExp;
    readonly closes?: number;
    /** Of the field manager; undefined where the object is gone. */
    readonly manager?: string;
    readonly verb?: string;
  }

  const deny = "CiliumClusterwideNetworkPolicy default-deny-all";
  const metadataDeny = "CiliumClusterwideNetworkPolicy deny-cloud-metadata";
  const toBackend = "CiliumNetworkPolicy shop/allow-frontend-to-backend";
  const guard = "ValidatingAdmissionPolicy protect-bypass-label-in-shop";
  const config = "ConfigMap kube-system/cilium-config";
  const again = (name: string) => () => apply(named(name));

  const extra = cilium("shop", "open-backend", { endpointSelector: backend, ingress: [{ fromEntities: ["world"] }] });
  const adhoc: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "adhoc" } };
  const openAdhoc = cilium("adhoc", "allow-all", {
    endpointSelector: {},
    ingress: [{ fromEntities: ["all"] }],
    egress: [{ toEntities: ["all"] }],
  });
  const rights: KubeObject = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "helpers", namespace: "shop" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "trudy" }],
  };
  const key = "policy-bypass.pulumi-cluster-security";
  const old = cilium(
    "shop",
    "allow-bypass-of-frontend",
    {
      endpointSelector: { matchLabels: { app: "frontend", [`${key}/until`]: "2026-01-31" } },
      ingress: [{ fromEntities: ["all"] }],
      egress: [{ toEntities: ["all"] }],
    },
    { annotations: { [`${key}/until`]: "2026-01-31", [`${key}/owner`]: "sre", [`${key}/reason`]: "incident 3" } },
  );
  const egressPorts = (port: string): object => ({
    spec: {
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "shop", "k8s:app": "frontend" } }],
          toPorts: [{ ports: [{ port, protocol: "TCP" }] }],
        },
      ],
    },
  });

  const cases: readonly Case[] = [
    {
      title: "deleted",
      change: () => remove(deny),
      back: again(deny),
      object: deny,
      kind: "missing",
      severity: "critical",
      opens: /External\] shop\/frontend/,
      verb: "delete",
    },
    {
      title: "narrowed",
      change: () => edit(toBackend, egressPorts("9999")),
      back: again(toBackend),
      object: toBackend,
      kind: "changed",
      severity: "medium",
      closes: 1,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "widened",
      change: () => edit(toBackend, { spec: { ingress: [{ fromEntities: ["world"] }] } }),
      back: again(toBackend),
      object: toBackend,
      kind: "changed",
      severity: "critical",
      opens: /External\] shop\/backend/,
      closes: 1,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "an allow more",
      change: () => create(extra),
      back: () => away(extra),
      object: nameOf(extra),
      kind: "extra",
      severity: "critical",
      opens: /External\] shop\/backend/,
      manager: "kubectl-create",
      verb: "create",
    },
    {
      title: "the deny of metadata endpoints gone",
      change: () => remove(metadataDeny),
      back: again(metadataDeny),
      object: metadataDeny,
      kind: "missing",
      severity: "critical",
      opens: /ops\/agent\[Pod\] 169\.254\./,
      verb: "delete",
    },
    {
      title: "enableDefaultDeny turned",
      change: () => edit(deny, { spec: { enableDefaultDeny: { ingress: false, egress: false } } }),
      back: again(deny),
      object: deny,
      kind: "changed",
      severity: "critical",
      opens: /External\] shop\/frontend/,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "a namespace's label moved",
      change: () => edit("Namespace ops", { metadata: { labels: { trust: "full" } } }),
      back: again("Namespace ops"),
      object: "Namespace ops",
      kind: "namespace-changed",
      severity: "high",
      opens: /ops\/agent\[Pod\] shop\/backend/,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "a namespace new and open",
      change: async () => [await create(adhoc), await create(openAdhoc)],
      back: async () => [await away(openAdhoc), await away(adhoc), await gone(adhoc)],
      object: "Namespace adhoc",
      kind: "namespace-open",
      // the clusterwide deny is about it too: what opens it is the policy in it, a drift of its own
      severity: "medium",
      manager: "kubectl-create",
      verb: "create",
    },
    {
      title: "refused by the agents",
      change: () =>
        edit(
          deny,
          { status: { conditions: [{ type: "Valid", status: "False", message: "Invalid rule" }] } },
          "/status",
        ),
      back: () => edit(deny, { status: null }, "/status"),
      object: deny,
      kind: "not-enforced",
      severity: "critical",
      opens: /External\] shop\/frontend/,
      manager: "pulumi-kubernetes-1a2b3c4d",
    },
    {
      title: "enforcement never",
      change: () => edit(config, { data: { "enable-policy": "never" } }),
      back: again(config),
      object: config,
      kind: "enforcement-off",
      severity: "critical",
      opens: /ops\/agent\[Pod\] 0\.0\.0\.0-169\.253/,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "audit mode",
      change: () => edit(config, { data: { "policy-audit-mode": "true" } }),
      back: again(config),
      object: config,
      kind: "enforcement-off",
      severity: "critical",
      opens: /ops\/agent\[Pod\] 0\.0\.0\.0-169\.253/,
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "a guard deleted",
      change: () => remove(guard),
      back: again(guard),
      object: guard,
      kind: "missing",
      severity: "high",
      verb: "delete",
    },
    {
      title: "rights to edit given",
      change: () => create(rights),
      back: () => away(rights),
      object: nameOf(rights),
      kind: "edit-rights",
      severity: "high",
      manager: "kubectl-create",
      verb: "create",
    },
    {
      title: "STRICT to PERMISSIVE",
      change: () => edit("PeerAuthentication shop/default", { spec: { mtls: { mode: "PERMISSIVE" } } }),
      back: again("PeerAuthentication shop/default"),
      object: "PeerAuthentication shop/default",
      kind: "changed",
      severity: "medium",
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "only reports (dry run)",
      change: () =>
        edit("AuthorizationPolicy shop/default-deny-mesh", {
          metadata: { annotations: { "istio.io/dry-run": "true" } },
        }),
      back: () =>
        edit("AuthorizationPolicy shop/default-deny-mesh", { metadata: { annotations: { "istio.io/dry-run": null } } }),
      object: "AuthorizationPolicy shop/default-deny-mesh",
      kind: "not-enforced",
      severity: "low",
      manager: "kubectl-edit",
      verb: "patch",
    },
    {
      title: "a bypass past its end",
      change: () => create(old),
      back: () => away(old),
      object: nameOf(old),
      kind: "overdue",
      severity: "high",
      opens: /a new pod in shop with app=frontend/,
      manager: "kubectl-create",
      verb: "create",
    },
  ];

  async function gone(object: KubeObject): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if ((await call("GET", pathOf(object))).status === 404) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`${nameOf(object)} is not gone`);
  }

  for (const each of cases) {
    it(`finds what was ${each.title}, with its effect and who wrote it`, async () => {
      await each.change();
      try {
        const { drifts, code, stderr } = await audited();
        const drift = drifts.find(({ object, kind }) => object === each.object && kind === each.kind);
        assert.ok(drift, `${JSON.stringify(drifts, null, 1)}\n${stderr}`);
        assert.equal(drift.severity, each.severity, JSON.stringify(drift, null, 1));
        const opened = drift.opens.examples.map(({ source, destination }) => `${source} ${destination}`).join("\n");
        if (each.opens === undefined) assert.equal(drift.opens.count, 0, opened);
        else assert.match(opened, each.opens);
        if (each.closes !== undefined) assert.ok(drift.closes.count >= each.closes);
        assert.equal(drift.managers[0]?.manager, each.manager);
        if (each.verb !== undefined) {
          const [first] = drift.requests;
          assert.deepEqual([first?.as, first?.verb, first?.addresses], ["mallory", each.verb, ["127.0.0.1"]]);
        }
        const isSerious = drifts.some(({ opens, severity }) => opens.count > 0 || /high|critical/.test(severity));
        assert.equal(code, isSerious ? 1 : 0);
      } finally {
        await each.back();
      }
    });
  }

  it("is silent again once everything is as it was", async () => {
    await clean();
  });

  it("a kind that the role may not list is said, and nothing is called clean", async () => {
    const role = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "cluster-security-audit" },
    };
    const whole = JSON.parse(await done("GET", pathOf(role))) as { rules: { apiGroups: string[] }[] };
    await done("PATCH", pathOf(role), {
      rules: whole.rules.filter(({ apiGroups }) => !apiGroups.includes("cilium.io")),
    });
    try {
      const { verdict, drifts, gaps, code } = await audited();
      assert.deepEqual([verdict, drifts, code], ["inconclusive", [], 3]);
      assert.match(gaps.join("\n"), /the role may not list ciliumnetworkpolicies\.cilium\.io/);
    } finally {
      await done("PATCH", pathOf(role), { rules: whole.rules });
    }
  });

  it("another cluster's baseline concludes nothing", async () => {
    const elsewhere = path.join(folder, "elsewhere.json");
    writeFileSync(
      elsewhere,
      JSON.stringify({ namespaces: [{ name: "bank" }], workloads: [{ namespace: "bank", name: "ledger" }] }),
    );
    const { code, stderr } = await run([
      "audit",
      "--context",
      "lab",
      "--kubeconfig",
      kubeconfig,
      "--baseline",
      elsewhere,
    ]);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /nothing in common/);
  });

  it("S3-30: the checklist has fourteen answers for the cluster, and passes nothing that it cannot know", async () => {
    const { code, stdout, stderr } = await run(
      ["verify", "--checklist", "--context", "lab", "--kubeconfig", kubeconfig, "--format", "json"],
      { cwd: folder },
    );
    const [filled] = JSON.parse(stdout) as { context: string; items: { state: string; answer: string }[] }[];
    assert.equal(filled?.context, "lab", stderr);
    assert.equal(filled.items.length, 14);
    assert.equal(code, filled.items.some(({ state }) => state === "fail") ? 1 : 3);
    assert.deepEqual(
      [6, 10, 12].map((index) => filled.items[index]?.state),
      ["open", "open", "open"],
    );
    assert.equal(filled.items[11]?.state, "pass", filled.items[11]?.answer);
  });

  it("only gets and lists, in pages, by the API server's own log", () => {
    const events = readFileSync(plane.auditLog, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map(
        (line) =>
          JSON.parse(line) as {
            verb: string;
            requestURI: string;
            user: { username: string };
            objectRef?: { resource?: string };
          },
      )
      .filter(({ user }) => user.username === "system:serviceaccount:cluster-security:cluster-security-audit");
    assert.ok(events.length > 100);
    assert.deepEqual([...new Set(events.map(({ verb }) => verb))].sort(), ["get", "list"]);
    for (const { verb, requestURI } of events) if (verb === "list") assert.match(requestURI, /[?&]limit=\d+/);
    assert.ok(events.every(({ objectRef }) => objectRef?.resource !== "secrets"));
  });
});
