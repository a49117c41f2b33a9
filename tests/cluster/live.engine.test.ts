import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  apiClient,
  startControlPlane,
  type ApiClient as LabClient,
  type ControlPlane,
} from "../../lab/control-plane/index";
import { labContext } from "../../lab/control-plane/index";
import { provideTools } from "../../lab/toolchain/index";
import { run } from "../cli/command";
import {
  ApiClient,
  connect,
  readingRole,
  readLiveObjects,
  withoutOwned,
  type Connection,
} from "../../sdk/cluster/index";

/** Objects in the cluster: more pods than fit into one page, a Deployment with its ReplicaSet and pods, policies. */
const loosePods = 130;
const pageSize = 40;

/** Counts requests by path, the query included. */
class RecordingClient extends ApiClient {
  readonly paths: string[] = [];
  constructor(connection: Connection) {
    super(connection);
  }
  override get(requested: string): Promise<unknown> {
    this.paths.push(requested);
    return super.get(requested);
  }
}

describe("live cluster, against a real API server", () => {
  let folder: string;
  let plane: ControlPlane;
  let admin: LabClient;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-live-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "control-plane"), tools, fresh: true });
    admin = apiClient(plane);
    await fill(admin);
  });

  after(async () => {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function create(at: string, body: unknown): Promise<void> {
    const answer = await admin.call("POST", at, body);
    assert.ok(answer.status < 300, `POST ${at}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  async function fill(client: LabClient): Promise<void> {
    for (const name of ["shop", "many"]) {
      await create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
    // pods are refused until the controller manager has made the namespace's default service account
    for (const name of ["shop", "many"]) {
      await until(
        async () => (await client.call("GET", `/api/v1/namespaces/${name}/serviceaccounts/default`)).status === 200,
      );
    }
    const template = {
      metadata: { labels: { app: "web" } },
      spec: {
        containers: [{ name: "web", image: "example.com/web:1", ports: [{ name: "http", containerPort: 8080 }] }],
      },
    };
    await create("/apis/apps/v1/namespaces/shop/deployments", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template },
    });
    await create("/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies", {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-all" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
    for (let index = 0; index < loosePods; index++) {
      await create("/api/v1/namespaces/many/pods", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `pod-${String(index).padStart(3, "0")}`, labels: { app: "many" } },
        spec: { containers: [{ name: "main", image: "example.com/main:1" }] },
      });
    }
    await until(async () => {
      const pods = await client.call("GET", "/api/v1/namespaces/shop/pods");
      return ((pods.body as { items?: unknown[] }).items ?? []).length === 2;
    });
  }

  function connection(): Promise<Connection> {
    return connect({ context: labContext, kubeconfig: plane.kubeconfigPath });
  }

  it("reads every object once, in pages", async () => {
    const client = new RecordingClient(await connection());
    const { objects, problems } = await readLiveObjects(client, { cluster: labContext, pageSize });
    assert.deepEqual(problems, []);
    const pods = objects.filter(({ object }) => object.kind === "Pod").map(({ object }) => object.metadata?.name);
    assert.equal(new Set(pods).size, pods.length);
    assert.equal(pods.length, loosePods + 2);
    const pages = client.paths.filter((each) => each.startsWith("/api/v1/pods?"));
    assert.equal(pages.length, Math.ceil((loosePods + 2) / pageSize));
    assert.ok(pages.slice(1).every((each) => each.includes("continue=")));
    assert.ok(objects.every(({ object }) => object.metadata?.["managedFields"] === undefined));
  });
  it("leaves one workload of Deployment, ReplicaSet and pods", async () => {
    const { objects } = await readLiveObjects(new ApiClient(await connection()), { cluster: labContext });
    const kinds = objects
      .filter(({ object }) => object.metadata?.namespace === "shop")
      .map(({ object }) => object.kind);
    assert.ok(kinds.includes("ReplicaSet") && kinds.includes("Pod"), kinds.join());
    const shop = withoutOwned(objects).filter(({ object }) => object.metadata?.namespace === "shop");
    assert.deepEqual(shop.map(({ object }) => object.kind).sort(), ["Deployment", "NetworkPolicy", "ServiceAccount"]);
  });

  describe("the command line, with a role that may only read", () => {
    /** A service account with these rules, and a kubeconfig for it. */
    async function reader(name: string, rules: unknown[]): Promise<string> {
      await create("/api/v1/namespaces/default/serviceaccounts", { metadata: { name } });
      await create("/apis/rbac.authorization.k8s.io/v1/clusterroles", { metadata: { name }, rules });
      await create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        metadata: { name },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
        subjects: [{ kind: "ServiceAccount", name, namespace: "default" }],
      });
      const answer = await admin.call("POST", `/api/v1/namespaces/default/serviceaccounts/${name}/token`, {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: 3600 },
      });
      const token = (answer.body as { status: { token: string } }).status.token;
      const file = path.join(folder, `${name}.kubeconfig`);
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [
          { name: "lab", cluster: { server: plane.server, "certificate-authority": plane.certificateAuthority } },
        ],
        users: [{ name, user: { token } }],
        contexts: [{ name, context: { cluster: "lab", user: name } }],
        // Named by nobody, so never to be used.
        "current-context": name,
      };
      writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
      return file;
    }

    const mayRead = (...resources: string[]): unknown => ({ apiGroups: ["*"], resources, verbs: ["get", "list"] });
    const everything = [
      "namespaces",
      "pods",
      "nodes",
      "services",
      "serviceaccounts",
      "replicationcontrollers",
      "deployments",
      "statefulsets",
      "daemonsets",
      "replicasets",
      "jobs",
      "cronjobs",
      "endpointslices",
      "ingresses",
      "ingressclasses",
      "networkpolicies",
    ];

    it("answers as for the same objects in files, and explains", async () => {
      // what `cluster-security rbac` prints is enough, no more is asked for
      const [role] = readingRole();
      const kubeconfig = await reader("reads-all", role?.["rules"] as unknown[]);
      const live = ["--context", "reads-all", "--kubeconfig", kubeconfig];
      const matrix = await run(["matrix", ...live, "--no-external", "--format", "json", "-n", "shop"]);
      assert.equal(matrix.code, 0, matrix.stderr);
      // a default deny in shop: nothing passes to it or from it
      assert.deepEqual(JSON.parse(matrix.stdout), []);
      const many = await run(["matrix", ...live, "--no-external", "--format", "json", "-n", "many"]);
      assert.equal((JSON.parse(many.stdout) as unknown[]).length, loosePods * (loosePods - 1));
      const explained = await run(["explain", "many/pod-000", "shop/web:http", ...live]);
      assert.equal(explained.code, 0, explained.stderr);
      assert.match(explained.stdout, /DENIED[^]*NetworkPolicy shop\/default-deny-all/);
    });

    it("finds the context by $KUBECONFIG, and in diff and query as context=NAME", async () => {
      const env = { KUBECONFIG: path.join(folder, "reads-all.kubeconfig") };
      const denied = await run(["query", "many/pod-000", "shop/web:8080", "context=reads-all"], { env });
      assert.equal(denied.code, 1, denied.stderr);
    });

    it("gives no answer where it may not list policies, and says what to grant", async () => {
      const kubeconfig = await reader("reads-pods", [mayRead("namespaces", "pods")]);
      const query = [
        "query",
        "many/pod-000",
        "shop/web-none:8080",
        "--context",
        "reads-pods",
        "--kubeconfig",
        kubeconfig,
      ];
      const { code, stdout, stderr } = await run(query);
      assert.deepEqual([code, stdout], [4, ""], stderr);
      assert.match(stderr, /the role may not list networkpolicies\.networking\.k8s\.io: grant it get and list/);
      const accepted = await run(["query", "many/pod-000", "many/pod-001:80", ...query.slice(3), "--allow-problems"]);
      assert.equal(accepted.code, 3, accepted.stderr);
      assert.match(accepted.stdout, /^unknown/);
    });

    it("a detail it may not list is a problem, not an end", async () => {
      const kubeconfig = await reader("no-nodes", [mayRead(...everything.filter((each) => each !== "nodes"))]);
      const { code, stdout, stderr } = await run([
        "query",
        "many/pod-000",
        "many/pod-001:80",
        ...["--context", "no-nodes", "--kubeconfig", kubeconfig],
      ]);
      assert.equal(code, 3, stderr);
      assert.match(stdout, /^allowed/);
      assert.match(stderr, /problem: .*the role may not list nodes/);
    });

    it("touches no cluster that is not named, though there is a kubeconfig with a current context", async () => {
      const env = { KUBECONFIG: path.join(folder, "reads-all.kubeconfig") };
      const { code, stderr } = await run(["matrix"], { env });
      assert.equal(code, 2);
      assert.match(stderr, /nothing to read/);
    });

    it("names the contexts there are where it is given another", async () => {
      const env = { KUBECONFIG: path.join(folder, "reads-all.kubeconfig") };
      const { code, stderr } = await run(["matrix", "--context", "prod"], { env });
      assert.equal(code, 4);
      assert.match(stderr, /no context "prod": it has "reads-all"/);
    });

    it("a token that is refused: one sentence, no token in it", async () => {
      const file = path.join(folder, "refused.kubeconfig");
      const good = readFileSync(path.join(folder, "reads-all.kubeconfig"), "utf8");
      writeFileSync(file, good.replace(/"token":"[^"]+"/, '"token":"not-the-token"'));
      const { code, stderr } = await run(["matrix", "--context", "reads-all", "--kubeconfig", file]);
      assert.equal(code, 4, stderr);
      assert.match(stderr, /401/);
      assert.ok(!stderr.includes("not-the-token"));
      assert.doesNotMatch(stderr, /\n\s+at /);
    });

    it("a custom kind that the cluster serves is read, and inferred from", async () => {
      await create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "ciliumclusterwidenetworkpolicies.cilium.io" },
        spec: {
          group: "cilium.io",
          scope: "Cluster",
          names: {
            plural: "ciliumclusterwidenetworkpolicies",
            singular: "ciliumclusterwidenetworkpolicy",
            kind: "CiliumClusterwideNetworkPolicy",
          },
          versions: [
            {
              name: "v2",
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
            },
          ],
        },
      });
      const policies = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies";
      await until(async () => (await admin.call("GET", policies)).status === 200);
      await create(policies, {
        apiVersion: "cilium.io/v2",
        kind: "CiliumClusterwideNetworkPolicy",
        metadata: { name: "close-many" },
        spec: {
          endpointSelector: { matchLabels: { "k8s:app": "many" } },
          ingressDeny: [{ fromEntities: ["all"] }],
        },
      });
      const { code, stdout, stderr } = await run([
        ...["query", "many/pod-000", "many/pod-001:80", "--context", labContext],
        ...["--kubeconfig", plane.kubeconfigPath],
      ]);
      assert.equal(code, 1, stderr);
      assert.match(stdout, /^denied/);
      assert.match(stderr, /enforcer: cilium/);
    });

    it("a server that is gone: one sentence", async () => {
      await plane.stopApiServer();
      const { code, stderr } = await run(["matrix", "--context", labContext, "--kubeconfig", plane.kubeconfigPath]);
      assert.equal(code, 4);
      assert.match(stderr, /cannot reach the API server https:\/\/127\.0\.0\.1:\d+/);
    });
  });
});

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await done()) return;
    await sleep(100);
  }
  throw new Error("it did not come about within 30 s");
}
