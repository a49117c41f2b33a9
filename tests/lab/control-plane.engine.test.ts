import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ApiClient, ControlPlane } from "../../lab/control-plane/index";
import {
  apiClient,
  attachControlPlane,
  ControlPlaneError,
  controlPlaneStatus,
  startControlPlane,
  stopControlPlane,
} from "../../lab/control-plane/index";
import type { ProcessIdentity } from "../../lab/control-plane/identity";
import { identify, isAlive, waitForEnd } from "../../lab/control-plane/identity";
import { processesOf, readState, writeState } from "../../lab/control-plane/state";
import { installCrds } from "../../lab/crds/index";
import type { ProvidedTools } from "../../lab/toolchain/index";
import { provideTools } from "../../lab/toolchain/index";
import { temporaryFolder } from "./support/folders";

let tools: ProvidedTools<"etcd" | "kube-apiserver" | "kube-controller-manager">;
before(async function () {
  this.timeout(0);
  tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
});

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 600_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function status(client: ApiClient, url: string): Promise<number> {
  return (await client.call("GET", url)).status;
}

async function create(client: ApiClient, url: string, object: Record<string, unknown>): Promise<void> {
  const response = await client.call("POST", url, object);
  assert.equal(response.status, 201, JSON.stringify(response.body));
}

const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "kept" }, data: { answer: "42" } };

describe("control plane: a running one", function () {
  const dataDir = path.join(temporaryFolder(), "data");
  let controlPlane: ControlPlane;
  let client: ApiClient;
  before(async () => {
    controlPlane = await startControlPlane({ dataDir, tools });
    client = apiClient(controlPlane);
  });
  after(async () => {
    client?.close();
    await controlPlane?.stop();
  });

  it("is the server of its kubeconfig, with a token and absolute paths, for this user only", () => {
    const text = readFileSync(controlPlane.kubeconfigPath, "utf8");
    assert.ok(text.includes(`server: ${controlPlane.server}`));
    assert.ok(text.includes(controlPlane.token));
    assert.ok(text.includes(`certificate-authority: ${path.join(dataDir, "certificates")}`));
    assert.ok(path.isAbsolute(controlPlane.kubeconfigPath));
    assert.match(controlPlane.server, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(statSync(dataDir).mode & 0o077, 0);
    for (const file of ["kubeconfig", "tokens.csv", "service-accounts.key", "controller-manager.kubeconfig"]) {
      assert.equal(statSync(path.join(dataDir, file)).mode & 0o077, 0, file);
    }
  });

  it("lets nobody in without the token, and judges others by RBAC", async () => {
    for (const token of ["", "wrong"]) {
      const stranger = apiClient({ ...controlPlane, token });
      assert.equal(await status(stranger, "/api/v1/namespaces"), 401);
      assert.equal(await status(stranger, "/readyz"), 401);
      stranger.close();
    }
    const response = await client.call("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    const { token } = (response.body as { status: { token: string } }).status;
    const pod = apiClient({ ...controlPlane, token });
    assert.equal(await status(pod, "/api/v1/namespaces/default/secrets"), 403);
    pod.close();
  });

  it("shows its token on no command line, in no log and in no printed handle", function () {
    if (process.platform !== "linux") this.skip();
    const secrets = readFileSync(path.join(dataDir, "tokens.csv"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(",")[0] ?? "");
    assert.equal(secrets.length, 2);
    const state = readState(dataDir);
    assert.ok(state);
    const texts = processesOf(state).flatMap(({ pid }) => [
      readFileSync(`/proc/${pid}/cmdline`, "utf8"),
      readFileSync(`/proc/${pid}/environ`, "utf8"),
    ]);
    const logs = path.join(dataDir, "logs");
    for (const log of readdirSync(logs)) texts.push(readFileSync(path.join(logs, log), "utf8"));
    texts.push(JSON.stringify(controlPlane));
    assert.ok(
      texts.some((text) => text.includes("--token-auth-file=")),
      "the command lines were read",
    );
    for (const secret of secrets) {
      assert.ok(secret.length >= 64);
      assert.ok(texts.every((text) => !text.includes(secret)));
    }
  });

  it("reaches its store over sockets in its own folder only: nothing but the API server listens", function () {
    if (process.platform !== "linux") this.skip();
    const state = readState(dataDir);
    assert.ok(state);
    const counts = Object.entries(state.processes).map(([name, { pid }]) => [name, listeningSockets(pid).length]);
    assert.deepEqual(Object.fromEntries(counts), { etcd: 0, "kube-apiserver": 1, "kube-controller-manager": 0 });
  });

  it("has controllers that make objects real: a Deployment gets a ReplicaSet and pods, a Service an EndpointSlice", async () => {
    await create(client, "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    const labels = { app: "web" };
    await create(client, "/apis/apps/v1/namespaces/shop/deployments", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "main", image: "example.test/web:1" }] } },
      },
    });
    await create(client, "/api/v1/namespaces/shop/services", {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: { selector: labels, ports: [{ port: 80 }] },
    });
    const count = async (url: string): Promise<number> =>
      ((await client.call("GET", url)).body as { items?: unknown[] }).items?.length ?? 0;
    await until("a pod", async () => (await count("/api/v1/namespaces/shop/pods")) === 1);
    await until(
      "an EndpointSlice",
      async () => (await count("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices")) === 1,
    );
  });

  it("installs CustomResourceDefinitions that are served at once, and again without a change", async () => {
    const names = await installCrds(controlPlane, ["cilium", "cluster-network-policy"]);
    assert.ok(names.includes("ciliumnetworkpolicies.cilium.io"));
    assert.ok(names.includes("clusternetworkpolicies.policy.networking.k8s.io"));
    await create(client, "/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies", {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "deny" },
      spec: { endpointSelector: {}, ingress: [{}] },
    });
    const url = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ciliumnetworkpolicies.cilium.io";
    const version = async (): Promise<string> =>
      ((await client.call("GET", url)).body as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
    const before = await version();
    await installCrds(controlPlane, ["cilium"]);
    assert.equal(await version(), before);
  });

  it("completes the deletion of a namespace with all that it holds", async () => {
    assert.equal((await client.call("DELETE", "/api/v1/namespaces/shop")).status, 200);
    await until("the end of the namespace", async () => (await status(client, "/api/v1/namespaces/shop")) === 404);
  });

  it("stops and starts its API server alone, on the same port and data", async () => {
    await create(client, "/api/v1/namespaces/default/configmaps", configMap);
    const { server } = controlPlane;
    await controlPlane.stopApiServer();
    await assert.rejects(client.call("GET", "/readyz"), /ECONNREFUSED|socket hang up|ECONNRESET/);
    controlPlane.check();
    await controlPlane.startApiServer();
    assert.equal(controlPlane.server, server);
    assert.equal(await status(client, "/api/v1/namespaces/default/configmaps/kept"), 200);
    // the controllers come back as well
    await create(client, "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "after" } });
    await until(
      "a service account",
      async () => (await status(client, "/api/v1/namespaces/after/serviceaccounts/default")) === 200,
    );
  });

  it("refuses to run twice on one folder", async () => {
    await assert.rejects(
      startControlPlane({ dataDir, tools }),
      (error) => error instanceof ControlPlaneError && error.code === "already-running",
    );
    assert.equal(await status(client, "/readyz"), 200, "and the running one goes on");
  });

  it("leaves no process when it is stopped, and goes on with its data when it is started again", async () => {
    const state = readState(dataDir);
    assert.ok(state);
    assert.deepEqual(Object.keys(state.processes).sort(), ["etcd", "kube-apiserver", "kube-controller-manager"]);
    await controlPlane.stop();
    assert.deepEqual(processesOf(state).filter(isAlive), []);
    assert.equal(controlPlaneStatus(dataDir).running, false);
    await controlPlane.stop();
    client.close();
    controlPlane = await startControlPlane({ dataDir, tools });
    client = apiClient(controlPlane);
    assert.equal(await status(client, "/api/v1/namespaces/default/configmaps/kept"), 200);
  });

  it("starts empty when it is told to", async () => {
    await controlPlane.stop();
    client.close();
    const before = readFileSync(path.join(dataDir, "tokens.csv"), "utf8");
    controlPlane = await startControlPlane({ dataDir, tools, fresh: true });
    client = apiClient(controlPlane);
    assert.equal(await status(client, "/api/v1/namespaces/default/configmaps/kept"), 404);
    assert.notEqual(readFileSync(path.join(dataDir, "tokens.csv"), "utf8"), before);
  });
});

describe("control plane: crashes", function () {
  const root = temporaryFolder();
  const owners: ChildProcess[] = [];
  const folders: string[] = [];
  after(async () => {
    for (const owner of owners) owner.kill("SIGKILL");
    for (const folder of folders) await stopControlPlane(folder);
  });

  function newFolder(name: string): string {
    const folder = path.join(root, name);
    folders.push(folder);
    return folder;
  }

  function startOwner(dataDir: string, ...args: string[]): ChildProcess {
    const owner = spawn(
      process.execPath,
      ["--require", require.resolve("tsx/cjs"), path.join(__dirname, "support", "owner.ts"), dataDir, ...args],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    owners.push(owner);
    return owner;
  }

  async function ready(owner: ChildProcess): Promise<void> {
    assert.ok(owner.stdout);
    await Promise.race([
      once(owner.stdout, "data"),
      once(owner, "exit").then(() => assert.fail("it ended before it was ready")),
    ]);
  }

  it("its owner is killed: nothing is left running, and the next start goes on with the data", async () => {
    const dataDir = newFolder("owner-killed");
    const owner = startOwner(dataDir);
    await ready(owner);
    const state = readState(dataDir);
    assert.ok(state);
    const all = processesOf(state);
    assert.equal(all.length, 4);
    assert.ok(all.every(isAlive));
    const before = apiClient(accessOf(dataDir));
    await create(before, "/api/v1/namespaces/default/configmaps", configMap);
    before.close();
    owner.kill("SIGKILL");
    assert.ok(await waitForEnd(all, 300_000), "all processes end");
    const again = await startControlPlane({ dataDir, tools });
    const client = apiClient(again);
    assert.equal(await status(client, "/api/v1/namespaces/default/configmaps/kept"), 200);
    client.close();
    await again.stop();
  });

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    it(`its owner gets ${signal} in the middle of the start: nothing is left running`, async () => {
      const dataDir = newFolder(`early-${signal}`);
      const owner = startOwner(dataDir);
      let seen: ProcessIdentity[] = [];
      await until("the first process", () => {
        const state = readState(dataDir);
        if (state) seen = processesOf(state);
        return seen.length >= 2;
      });
      owner.kill(signal);
      await once(owner, "exit");
      const state = readState(dataDir);
      if (state) seen.push(...processesOf(state));
      assert.ok(await waitForEnd(seen, 300_000), "all processes end");
      await until("the end of the record", () => readState(dataDir) === undefined);
    });
  }

  it("its supervisor is killed too: the next start ends what is left and goes on", async () => {
    const dataDir = newFolder("supervisor-killed");
    const first = await startControlPlane({ dataDir, tools });
    const state = readState(dataDir);
    assert.ok(state);
    process.kill(state.supervisor.pid, "SIGKILL");
    assert.ok(await waitForEnd([state.supervisor], 10_000));
    await until("the handle's knowledge of it", () => {
      try {
        first.check();
        return false;
      } catch {
        return true;
      }
    });
    await assert.rejects(first.stopApiServer(), ControlPlaneError);
    const second = await startControlPlane({ dataDir, tools });
    assert.deepEqual(processesOf(state).filter(isAlive), [], "no process of the first is left");
    await first.stop();
    await second.stop();
  });

  it("a recorded number that now belongs to another process is left alone", async () => {
    const dataDir = newFolder("recycled");
    const bystander = spawn("/bin/sleep", ["300"], { stdio: "ignore" });
    owners.push(bystander);
    const identity = identify(bystander.pid ?? 0);
    assert.ok(identity);
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(path.join(dataDir, ".cluster-security-lab"), "");
    const earlier = { pid: identity.pid, start: "of an earlier process" };
    writeState(dataDir, { supervisor: earlier, processes: { etcd: earlier } });
    assert.equal(await stopControlPlane(dataDir), false);
    writeState(dataDir, { supervisor: earlier, processes: { etcd: earlier } });
    const controlPlane = await startControlPlane({ dataDir, tools });
    await controlPlane.stop();
    assert.ok(isAlive(identity));
  });

  it("one of its programs ends by itself: all others follow, and the handle says which and where its log is", async () => {
    const dataDir = newFolder("etcd-ends");
    const controlPlane = await startControlPlane({ dataDir, tools });
    const state = readState(dataDir);
    assert.ok(state?.processes.etcd);
    process.kill(state.processes.etcd.pid, "SIGKILL");
    assert.ok(await waitForEnd(processesOf(state), 300_000));
    assert.throws(() => controlPlane.check(), /etcd ended by itself .*etcd\.log/);
    await controlPlane.stop();
  });

  it("detached it outlives its owner, can be taken over, and is ended from outside", async () => {
    const dataDir = newFolder("detached");
    const owner = startOwner(dataDir, "detach");
    await ready(owner);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    const found = controlPlaneStatus(dataDir);
    assert.equal(found.detached, true);
    const attached = attachControlPlane(dataDir);
    assert.equal(attached.server, found.server);
    const client = apiClient(attached);
    assert.equal(await status(client, "/readyz"), 200);
    client.close();
    await assert.rejects(attached.stopApiServer(), /only the process that started/);
    await assert.rejects(startControlPlane({ dataDir, tools }), /already/);
    const state = readState(dataDir);
    assert.ok(state);
    assert.equal(await stopControlPlane(dataDir), true);
    assert.deepEqual(processesOf(state).filter(isAlive), []);
    assert.equal(await stopControlPlane(dataDir), false);
  });

  it("a folder with somebody's files is refused and left as it is", async () => {
    const folder = path.join(root, "theirs");
    mkdirSync(folder);
    writeFileSync(path.join(folder, "thesis.txt"), "words");
    await assert.rejects(
      startControlPlane({ dataDir: folder, tools, fresh: true }),
      (error) => error instanceof ControlPlaneError && error.code === "foreign-folder",
    );
    assert.deepEqual(readdirSync(folder), ["thesis.txt"]);
  });

  it("a program that cannot start is named with its log, and nothing is left running", async () => {
    const dataDir = newFolder("broken");
    const server = { ...tools["kube-apiserver"], path: "/bin/false" };
    await assert.rejects(
      startControlPlane({ dataDir, tools: { ...tools, "kube-apiserver": server } }),
      /kube-apiserver ended by itself \(code 1\).*kube-apiserver\.log/,
    );
    assert.equal(readState(dataDir), undefined);
  });
});

describe("control plane: without kube-controller-manager", function () {
  const dataDir = path.join(temporaryFolder(), "data");

  it("the lab itself completes the deletion of namespaces", async () => {
    const controlPlane = await startControlPlane({
      dataDir,
      tools: { etcd: tools.etcd, "kube-apiserver": tools["kube-apiserver"] },
    });
    const client = apiClient(controlPlane);
    try {
      assert.equal(controlPlane.hasControllerManager, false);
      await create(client, "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
      await create(client, "/api/v1/namespaces/shop/configmaps", configMap);
      await create(client, "/api/v1/namespaces/shop/pods", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "web" },
        spec: { containers: [{ name: "main", image: "example.test/web:1" }] },
      });
      assert.equal((await client.call("DELETE", "/api/v1/namespaces/shop")).status, 200);
      await until("the end of the namespace", async () => (await status(client, "/api/v1/namespaces/shop")) === 404);
    } finally {
      client.close();
      await controlPlane.stop();
    }
  });
});

/** The administrator's access to a control plane that another process holds. */
function accessOf(dataDir: string): { server: string; certificateAuthority: string; token: string } {
  const { server, certificateAuthority, token } = attachControlPlane(dataDir);
  return { server, certificateAuthority, token };
}

/** TCP sockets on which a process listens (proc(5): state 0A in /proc/net/tcp). */
function listeningSockets(pid: number): string[] {
  const open = readdirSync(`/proc/${pid}/fd`).map((descriptor) => targetOf(`/proc/${pid}/fd/${descriptor}`));
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/net/${table}`, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A")
    .map((fields) => `socket:[${fields[9]}]`)
    .filter((socket) => open.includes(socket));
}

function targetOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
