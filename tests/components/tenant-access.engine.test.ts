import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { declaredBy } from "../../lab/examples/index";
import type { ControlPlane } from "../../lab/control-plane/index";
import { startControlPlane } from "../../lab/control-plane/index";
import { provideTools } from "../../lab/toolchain/index";
import type { PlannedObject } from "../../sdk/plan/index";
import { Dialect, allOf, bypass, plan } from "../../sdk/plan/index";

const [{ declaration }] = declaredBy("tenants");

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Collections of the kinds that are put in place here. */
const collections: Readonly<Record<string, string>> = {
  NetworkPolicy: "apis/networking.k8s.io/v1/%/networkpolicies",
  Role: "apis/rbac.authorization.k8s.io/v1/%/roles",
  RoleBinding: "apis/rbac.authorization.k8s.io/v1/%/rolebindings",
  ValidatingAdmissionPolicy: "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
};

const bypassLabel = "policy-bypass.pulumi-cluster-security/until";
const pods = (name = "", part = ""): string =>
  `/api/v1/namespaces/acme-web/pods${name === "" ? "" : `/${name}`}${part === "" ? "" : `/${part}`}`;

function pod(name: string, labels: Readonly<Record<string, string>>): object {
  const metadata = { name, labels };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [{ name: "main", image: "main" }] } };
}

const policies = (namespace: string, name = ""): string =>
  `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies${name === "" ? "" : `/${name}`}`;

function networkPolicy(name: string): object {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name },
    spec: { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Ingress"] },
  };
}

describe("who may edit a tenant's policies, asked of a real API server", () => {
  let folder: string;
  let plane: ControlPlane;

  /** One request, as the administrator or as somebody else. */
  function call(method: string, at: string, body?: object, groups?: readonly string[]): Promise<Answer> {
    const impersonated = groups === undefined ? {} : { "impersonate-user": "eve", "impersonate-group": [...groups] };
    const isPatch = method === "PATCH";
    return new Promise((resolve, reject) => {
      const outgoing = request(
        new URL(at, plane.server),
        {
          method,
          ca: readFileSync(plane.certificateAuthority),
          headers: {
            authorization: `Bearer ${plane.token}`,
            "content-type": isPatch ? "application/merge-patch+json" : "application/json",
            ...impersonated,
          },
        },
        (response) => {
          const chunks: string[] = [];
          response.setEncoding("utf8").on("data", (text: string) => void chunks.push(text));
          response.once("end", () => resolve({ status: response.statusCode ?? 0, body: chunks.join("") }));
        },
      );
      outgoing.once("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function create(object: PlannedObject): Promise<void> {
    const collection = collections[object.kind] ?? assert.fail(object.kind);
    const at = `/${collection.replace("%", `namespaces/${object.metadata.namespace ?? ""}`)}`;
    const { status, body } = await call("POST", at, object);
    assert.equal(status, 201, `${object.kind} ${object.metadata.name}: ${body}`);
  }

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-tenants-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "control-plane"), tools, fresh: true });
    const bypasses = [
      bypass(allOf("acme-web")).because("incident 7").ownedBy("platform").until("2026-12-01").grantedTo("sre"),
    ];
    const planned = plan({ ...declaration, dialect: Dialect.Kubernetes, bypasses });
    for (const { name } of planned.namespaces) {
      const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      assert.equal((await call("POST", "/api/v1/namespaces", namespace)).status, 201);
    }
    for (const { object } of planned.documents) await create(object);
  });

  after(async () => {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const editors = ["acme-admins"];

  it("S2-22: lets the tenant's editors write policies of their own, in their namespaces", async () => {
    assert.equal((await call("POST", policies("acme-web"), networkPolicy("own"), editors)).status, 201);
    const change = { spec: { podSelector: {} } };
    assert.equal((await call("PATCH", policies("acme-web", "own"), change, editors)).status, 200);
    assert.equal((await call("DELETE", policies("acme-web", "own"), undefined, editors)).status, 200);
  });

  it("S2-05, S2-22: keeps them from the policies that the declaration made, however they try", async () => {
    const baseline = policies("acme-web", "default-deny-all");
    // the API server takes new admission policies into account after a moment; until then nothing is really deleted
    let answer = await call("DELETE", `${baseline}?dryRun=All`, undefined, editors);
    for (let waited = 0; answer.status === 200 && waited < 100; waited += 1) {
      await sleep(100);
      answer = await call("DELETE", `${baseline}?dryRun=All`, undefined, editors);
    }
    for (const [method, body] of [
      ["DELETE", undefined],
      ["PATCH", { spec: { policyTypes: ["Ingress"] } }],
      ["PATCH", { metadata: { labels: { "app.kubernetes.io/managed-by": null } } }],
    ] as const) {
      const refused = await call(method, baseline, body, editors);
      assert.ok(refused.status === 403 || refused.status === 422, `${method}: ${refused.status} ${refused.body}`);
      assert.match(refused.body, /part of the tenant's baseline/);
    }
    assert.equal((await call("GET", baseline)).status, 200);
  });

  it("S2-22: keeps them out of other tenants, and everybody else out of theirs", async () => {
    const other = await call("POST", policies("globex-web"), networkPolicy("own"), editors);
    assert.equal(other.status, 403, other.body);
    const stranger = await call("POST", policies("acme-web"), networkPolicy("own"), ["strangers"]);
    assert.equal(stranger.status, 403, stranger.body);
    const role = "/apis/rbac.authorization.k8s.io/v1/namespaces/acme-web/roles/network-policy-editors";
    assert.equal((await call("DELETE", role, undefined, editors)).status, 403);
  });

  it("S3-10: lets only those whom a bypass is granted to put its label on a pod, in whatever way", async () => {
    const administrators = ["system:masters"];
    const granted = [...administrators, "sre"];
    const label = (value: string | null): object => ({ metadata: { labels: { [bypassLabel]: value } } });
    // the default service account is made by a controller
    let made = await call("POST", pods(), pod("web-1", { app: "web" }), administrators);
    for (let waited = 0; made.status === 403 && waited < 100; waited += 1) {
      await sleep(100);
      made = await call("POST", pods(), pod("web-1", { app: "web" }), administrators);
    }
    assert.equal(made.status, 201, made.body);
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: "web-1", ...(label("2026-12-01") as { metadata: object }).metadata },
      target: { apiVersion: "v1", kind: "Node", name: "node-1" },
    };
    for (const [what, method, at, body] of [
      ["a new pod", "POST", pods(), pod("web-2", { app: "web", [bypassLabel]: "2026-12-01" })],
      ["a running pod", "PATCH", pods("web-1"), label("2026-12-01")],
      ["its status", "PATCH", pods("web-1", "status"), label("2026-12-01")],
      ["its binding to a node", "POST", pods("web-1", "binding"), binding],
      ["an empty label", "PATCH", pods("web-1"), label("")],
    ] as const) {
      const refused = await call(method, at, body, administrators);
      assert.equal(refused.status, 422, `${what}: ${refused.status} ${refused.body}`);
      assert.match(refused.body, /exempts a pod from its policies/, what);
    }
    assert.equal((await call("PATCH", pods("web-1"), label("2026-12-01"), granted)).status, 200);
    // others may change the pod, and take the label away, but not move its end
    const change = { metadata: { labels: { "example.com/note": "seen" } } };
    assert.equal((await call("PATCH", pods("web-1"), change, administrators)).status, 200);
    assert.equal((await call("PATCH", pods("web-1"), label("2099-01-01"), administrators)).status, 422);
    assert.equal((await call("PATCH", pods("web-1"), label(null), administrators)).status, 200);
  });

  it("lets whoever deploys the declaration change what it made", async () => {
    assert.equal((await call("DELETE", policies("acme-web", "default-deny-all"))).status, 200);
  });
});
