import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { ApiClient, connect, readLiveObjects, withoutOwned, type Connection } from "../../sdk/cluster/index";

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

  void sleep;
  void writeFileSync;
});

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await done()) return;
    await sleep(100);
  }
  throw new Error("it did not come about within 30 s");
}
