import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadAll } from "js-yaml";
import { stringify } from "yaml";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, namespace, tcp, timerLabel, workload } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import type { Ran } from "../cli/command";
import { finished, run, start } from "../cli/command";
import { Plane, placeOf } from "./plane";

const onCall = "system:serviceaccounts:oncall";

const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web", { ports: [tcp(80)] }), workload("shop/api", { ports: [tcp(80)] })],
  flows: [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")],
  breakGlass: [
    { name: "nights", grantedTo: [onCall], workloads: ["shop/api"], maxDuration: "1h", reason: "nights", owner: "ops" },
  ],
};

interface Listed {
  readonly timer: string;
  readonly of: string;
  readonly state: string;
  readonly until: string;
  readonly requester: string;
  readonly policies: readonly string[];
  readonly pods: readonly string[];
}

describe("cluster-security bypass, on a real API server and real controllers", () => {
  let plane: Plane;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-bypass-"));
    plane = await Plane.start();
    await plane.deploy(declaration);
    for (const app of ["api", "web"]) await plane.create(deploymentOf(app));
    await plane.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "oncall" } });
    // exactly the role that the command line prints: what it lacks, the tests lack
    const printed = await run(["rbac", "--bypass", "shop", "--service-account", "oncall/eve", "--name", "oncall"]);
    assert.equal(printed.code, 0, printed.stderr);
    for (const object of loadAll(printed.stdout) as KubeObject[]) await plane.create(object);
    for (const name of ["eve", "bob"]) await kubeconfigOf(name);
    await plane.until("the pods", async () => (await podsWith("app=api")).length === 2);
  });

  after(async () => {
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function deploymentOf(app: string): KubeObject {
    const spec = { containers: [{ name: "main", image: "main", ports: [{ containerPort: 80 }] }] };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: app, namespace: "shop" },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app } },
        template: { metadata: { labels: { app } }, spec },
      },
    };
  }

  /** A kubeconfig with the token of a service account; only eve is bound to the role. */
  async function kubeconfigOf(name: string): Promise<void> {
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "oncall" } };
    await plane.create(account);
    const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
    const { body } = await plane.call("POST", `${placeOf(account, name)}/token`, request);
    const { token } = (JSON.parse(body) as { status: { token: string } }).status;
    const { server, certificateAuthority } = plane.controlPlane;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "lab", cluster: { server, "certificate-authority": certificateAuthority } }],
      users: [{ name, user: { token } }],
      contexts: [{ name: "prod", context: { cluster: "lab", user: name } }],
    };
    writeFileSync(path.join(folder, name), stringify(config), { mode: 0o600 });
  }

  async function itemsOf(at: string): Promise<KubeObject[]> {
    const { status, body } = await plane.call("GET", at);
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { items: KubeObject[] }).items;
  }

  const podsWith = (selector: string): Promise<KubeObject[]> =>
    itemsOf(`/api/v1/namespaces/shop/pods?labelSelector=${encodeURIComponent(selector)}`);

  /** Jobs, policies and pods that are part of a bypass. */
  async function parts(): Promise<{ jobs: number; policies: number; pods: number }> {
    const selector = `labelSelector=${encodeURIComponent(timerLabel)}`;
    const [jobs, policies, pods] = await Promise.all([
      itemsOf(`/apis/batch/v1/namespaces/shop/jobs?${selector}`),
      itemsOf(`/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies?${selector}`),
      itemsOf(`/api/v1/namespaces/shop/pods?${selector}`),
    ]);
    return { jobs: jobs.length, policies: policies.length, pods: pods.length };
  }

  const nothing = { jobs: 0, policies: 0, pods: 0 };
  const as = (name: string): Record<string, string> => ({ KUBECONFIG: path.join(folder, name) });
  const stated = ["--owner", "shop", "--reason", "incident 7", "--context", "prod", "--cni", "kubernetes"];
  const bypass = (args: readonly string[], name = "eve"): Promise<Ran> => run(["bypass", ...args], { env: as(name) });
  const open = (target: string, time: string, ...more: string[]): Promise<Ran> =>
    bypass(["open", target, "--for", time, ...stated, "--yes", ...more]);

  async function listed(): Promise<Listed[]> {
    const { stdout, stderr, code } = await bypass(["list", "--context", "prod", "-n", "shop", "--format", "json"]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Listed[];
  }

  it("S3-29: opens nothing without consent, and shows the paths that would open", async () => {
    const asked = await bypass(["open", "shop/api", "--for", "30m", ...stated]);
    assert.equal(asked.code, 2, asked.stderr);
    assert.match(asked.stderr, /add --yes/);
    assert.match(asked.stdout, /opened +shop\/api\[Deployment\] +\S+.* All Connections/);
    assert.doesNotMatch(asked.stdout, /closed/);
    assert.deepEqual(await parts(), nothing);
  });

  it("S2-21, S3-29: opens, lists and closes, with the role that it prints", async () => {
    const opened = await open("shop/api", "30m");
    assert.equal(opened.code, 0, opened.stderr);
    assert.match(opened.stderr, /open until \d{4}-/);
    assert.deepEqual(await parts(), { jobs: 1, policies: 1, pods: 2 });
    const [one] = await listed();
    assert.deepEqual(
      [one?.of, one?.state, one?.requester, one?.pods.length],
      ["shop/api", "open", "system:serviceaccount:oncall:eve", 2],
    );
    const closed = await bypass(["close", "shop/api", "--context", "prod"]);
    assert.equal(closed.code, 0, closed.stderr);
    assert.deepEqual(await parts(), nothing);
    assert.equal((await bypass(["close", "shop/api", "--context", "prod"])).code, 1);
    assert.deepEqual(await listed(), []);
  });

  it("S3-29: opens single pods, and closes by the timer's name", async () => {
    const [first] = await podsWith("app=api");
    const name = first?.metadata?.name ?? "";
    const opened = await open("shop/api", "30m", "--pod", name);
    assert.equal(opened.code, 0, opened.stderr);
    const [one] = await listed();
    assert.deepEqual(one?.pods, [name]);
    const closed = await bypass(["close", `shop/${one?.timer}`, "--context", "prod"]);
    assert.equal(closed.code, 0, closed.stderr);
    assert.deepEqual(await parts(), nothing);
    const other = await open("shop/api", "30m", "--pod", "web-1");
    assert.equal(other.code, 2, other.stderr);
  });

  it("S3-29: is over at its end, though nobody does anything; what is left opens nothing", async () => {
    const opened = await open("shop/api", "8s");
    assert.equal(opened.code, 0, opened.stderr);
    const [one] = await listed();
    const ends = Date.parse(one?.until ?? "");
    await plane.until("the end", async () => (await parts()).policies === 0, ends - Date.now() + 15_000);
    await plane.until("the end of the timer", async () => (await parts()).jobs === 0);
    const [left] = await listed();
    assert.deepEqual([left?.state, left?.policies], ["closed", []]);
    assert.equal((await bypass(["close", `shop/${one?.timer}`, "--context", "prod"])).code, 0);
    assert.deepEqual(await parts(), nothing);
  });

  it("S3-29: refuses what is not granted, and says what is", async () => {
    for (const [args, why] of [
      [["shop/web", "30m"], /no grant is for shop\/web: nights is for api, at most 1h/],
      [["shop", "30m"], /no grant is for namespace shop/],
      [["shop/api", "2h"], /longer than is granted: nights is for api, at most 1h/],
      [["oncall/api", "30m"], /nothing is granted in namespace oncall/],
      [["shop/api", "30m", "--grant", "days"], /there is no grant "days"/],
    ] as const) {
      const [target, time, ...more] = args;
      const refused = await open(target, time, ...more);
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, why);
    }
    for (const [target, time] of [
      ["shop/api/x", "30m"],
      ["shop/api", "soon"],
    ] as const) {
      assert.equal((await open(target, time)).code, 2);
    }
    assert.deepEqual(await parts(), nothing);
  });

  it("S3-29: leaves nothing to somebody without the role, and touches no cluster that is not named", async () => {
    const bob = await bypass(["open", "shop/api", "--for", "30m", ...stated, "--yes"], "bob");
    assert.equal(bob.code, 4, bob.stderr);
    assert.match(bob.stderr, /403/);
    const list = await bypass(["list", "--context", "prod"], "bob");
    assert.equal(list.code, 4, list.stdout);
    const unnamed = await bypass(["open", "shop/api", "--for", "30m", "--owner", "a", "--reason", "b", "--yes"]);
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.stderr, /--context/);
    const unknown = await bypass(["list", "--context", "staging"]);
    assert.equal(unknown.code, 4);
    assert.match(unknown.stderr, /no context "staging"/);
    assert.deepEqual(await parts(), nothing);
  });

  describe("where no controller runs", () => {
    before(() => plane.controlPlane.stopControllers());
    after(() => plane.controlPlane.startControllers());

    it("S3-29: opens nothing, because nothing would end it, and removes the timer", async () => {
      const opened = await open("shop/api", "30m", "--start-timeout", "2");
      assert.equal(opened.code, 4, opened.stderr);
      assert.match(opened.stderr, /does not run .*nothing was opened/);
      assert.deepEqual(await parts(), nothing);
    });

    it("S3-29: removes what it made when it is interrupted", async () => {
      const child = start(["bypass", "open", "shop/api", "--for", "30m", ...stated, "--yes"], { env: as("eve") });
      const end = finished(child);
      await plane.until("the timer", async () => (await parts()).jobs === 1);
      child.kill("SIGINT");
      const ended = await end;
      assert.equal(ended.code, 4, ended.stderr);
      assert.match(ended.stderr, /SIGINT: nothing was opened/);
      assert.deepEqual(await parts(), nothing);
    });
  });
});
