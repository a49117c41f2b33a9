import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, namespace, tcp, timerLabel, workload } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import type { Ran } from "../cli/command";
import { finished, start } from "../cli/command";
import { dropOwners } from "./drops-owners";
import { onCall, OnCall, stated } from "./on-call";
import { Plane, placeOf } from "./plane";

const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: [namespace("shop"), namespace("tools")],
  workloads: [
    workload("shop/web", { ports: [tcp(80)] }),
    workload("shop/api", { ports: [tcp(80)] }),
    workload("tools/agent", { ports: [tcp(80)] }),
  ],
  flows: [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")],
  breakGlass: [
    { name: "nights", grantedTo: [onCall], workloads: ["shop/api"], maxDuration: "1h", reason: "nights", owner: "ops" },
    { name: "days", grantedTo: [onCall], namespaces: ["tools"], maxDuration: "1h", reason: "days", owner: "ops" },
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

/** A pod, as the API server has it. */
interface Made {
  readonly metadata: {
    readonly name: string;
    readonly ownerReferences?: readonly { readonly kind: string; readonly controller?: boolean }[];
  };
  readonly spec: { readonly activeDeadlineSeconds?: number };
  readonly status?: { readonly phase?: string };
}

/** An EndpointSlice. */
interface Slice {
  readonly endpoints?: readonly {
    readonly conditions: { readonly ready?: boolean };
    readonly targetRef: { readonly name: string };
  }[];
}

describe("cluster-security bypass, on a real API server and real controllers", () => {
  let plane: Plane;
  let folder: string;
  let people: OnCall;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-bypass-"));
    plane = await Plane.start({ node: true });
    await plane.deploy(declaration);
    for (const app of ["api", "web"]) await plane.create(deploymentOf(app));
    people = await OnCall.on(plane, folder, ["--bypass", "shop,tools"]);
    await people.add("bob");
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
  const bypass = (args: readonly string[], name?: string): Promise<Ran> => people.bypass(args, name);
  const open = (target: string, time: string, ...more: string[]): Promise<Ran> => people.open(target, time, ...more);

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
      [["shop/api", "30m", "--grant", "weekends"], /there is no grant "weekends"/],
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

  describe("--debug-pod", () => {
    const podsOfTimer = async (home: string): Promise<Made[]> =>
      (await itemsOf(
        `/api/v1/namespaces/${home}/pods?labelSelector=${encodeURIComponent(timerLabel)}`,
      )) as unknown as Made[];

    const createService = async (namespace: string, name: string, spec: object): Promise<KubeObject> => {
      const service: KubeObject = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name, namespace },
        spec: { ports: [{ port: 80 }], ...spec },
      };
      await plane.create(service);
      return service;
    };

    it("S3-29: opens a pod of its own that no Service sends to, and that is gone at the end though nobody does anything", async () => {
      const service = await createService("shop", "api", { selector: { app: "api" } });
      const ready = async (): Promise<string[]> => {
        const slices = (await itemsOf(
          "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dapi",
        )) as unknown as Slice[];
        const all = slices.flatMap(({ endpoints }) => endpoints ?? []);
        return all.filter(({ conditions }) => conditions.ready).map(({ targetRef }) => targetRef.name);
      };
      await plane.until("the endpoints", async () => (await ready()).length === 2);
      const before = await ready();
      const opened = await open("shop/api", "30s", "--debug-pod");
      assert.equal(opened.code, 0, opened.stderr);
      assert.match(opened.stderr, /and Pod break-glass-nights-\w+, a copy of the pods of shop\/api/);
      assert.match(opened.stderr, /shop\/api: selects it by labels that policies know it by\. It is never ready/);
      assert.match(opened.stdout, /opened +shop\/break-glass-nights-\w+\[Pod\] +\S+/);
      assert.doesNotMatch(opened.stdout, /shop\/api\[Deployment\] +0\.0/);
      const [pod, ...others] = await podsOfTimer("shop");
      assert.ok(pod !== undefined && others.length === 0);
      assert.deepEqual(
        pod.metadata.ownerReferences?.map(({ kind, controller }) => [kind, controller]),
        [["Job", undefined]],
      );
      assert.equal(pod.spec.activeDeadlineSeconds, 30);
      await plane.until("the pod", async () => (await podsOfTimer("shop"))[0]?.status?.phase === "Running");
      assert.deepEqual(await ready(), before);
      const [one] = await listed();
      assert.deepEqual([one?.state, one?.pods], ["open", [pod.metadata.name]]);
      const ends = Date.parse(one?.until ?? "");
      await plane.until("the end", async () => (await parts()).pods === 0, Math.max(0, ends - Date.now()) + 15_000);
      await plane.until("the end of everything", async () => (await listed()).length === 0);
      assert.deepEqual((await podsWith("app=api")).map(({ metadata }) => metadata?.name).sort(), before.sort());
      await plane.call("DELETE", placeOf(service, "api"));
    });

    it("S3-29: is not adopted by the controller of a DaemonSet, loses what Services select by, and goes when the bypass is closed", async () => {
      const labels = { app: "agent", track: "stable" };
      const containers = [{ name: "main", image: "main" }];
      await plane.create({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "agent", namespace: "tools" },
        spec: { selector: { matchLabels: { app: "agent" } }, template: { metadata: { labels }, spec: { containers } } },
      });
      await createService("tools", "agent", { selector: { track: "stable" } });
      const agents = (): Promise<KubeObject[]> => itemsOf("/api/v1/namespaces/tools/pods?labelSelector=app%3Dagent");
      await plane.until("the DaemonSet's pod", async () => (await agents()).length === 1);
      const [own] = await agents();
      const opened = await open("tools/agent", "30m", "--debug-pod");
      assert.equal(opened.code, 0, opened.stderr);
      assert.match(opened.stderr, /It has no label track, so that no Service selects it/);
      await plane.until("the pod", async () => (await podsOfTimer("tools"))[0]?.status?.phase === "Running");
      const [pod] = await podsOfTimer("tools");
      assert.deepEqual(
        pod?.metadata.ownerReferences?.map(({ kind, controller }) => [kind, controller]),
        [
          ["Job", undefined],
          ["NetworkPolicy", true],
        ],
      );
      const names = (await agents()).map(({ metadata }) => metadata?.name).sort();
      assert.deepEqual(names, [own?.metadata?.name, pod?.metadata.name].sort());
      const closed = await bypass(["close", "tools/agent", "--context", "prod"]);
      assert.equal(closed.code, 0, closed.stderr);
      await plane.until("the end of the pod", async () => (await podsOfTimer("tools")).length === 0);
      assert.deepEqual(
        (await agents()).map(({ metadata }) => metadata?.name),
        [own?.metadata?.name],
      );
    });

    it("S3-29: refuses a copy that a Service would send to all the same, and makes nothing", async () => {
      const service = await createService("shop", "peers", {
        clusterIP: "None",
        selector: { app: "api" },
        publishNotReadyAddresses: true,
      });
      const refused = await open("shop/api", "30m", "--debug-pod");
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /shop\/peers would send production traffic.*Open a running pod with --pod/);
      assert.deepEqual(await parts(), nothing);
      await plane.call("DELETE", placeOf(service, "peers"));
    });
  });

  it("S3-29: opens nothing where the API server drops owners, though its guard is gone, too", async () => {
    const binding =
      "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/protect-break-glass-bypasses-in-shop-binding";
    const { body } = await plane.call("GET", binding);
    await plane.call("DELETE", binding);
    const probe: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "probe", namespace: "shop" },
      spec: { podSelector: { matchLabels: { app: "none" } } },
    };
    const kind = { group: "networking.k8s.io", version: "v1", resource: "networkpolicies" };
    const keep = await dropOwners((method, at, object) => plane.call(method, at, object), kind, {
      collection: placeOf(probe),
      object: probe as { metadata: object },
    });
    try {
      const opened = await open("shop/api", "30m");
      assert.equal(opened.code, 4, opened.stderr);
      assert.match(
        opened.stderr,
        /does not keep the owner of NetworkPolicy shop\/break-glass-nights-\w+.*removed again/,
      );
      assert.deepEqual(await parts(), nothing);
    } finally {
      await keep();
      const { metadata, ...rest } = JSON.parse(body) as KubeObject;
      await plane.create({ ...rest, metadata: { name: metadata?.name ?? "", labels: metadata?.labels ?? {} } });
    }
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
      const child = start(["bypass", "open", "shop/api", "--for", "30m", ...stated, "--yes"], {
        env: people.env("eve"),
      });
      const end = finished(child);
      await plane.until("the timer", async () => (await parts()).jobs === 1);
      child.kill("SIGINT");
      const ended = await end;
      assert.equal(ended.code, 130, ended.stderr);
      assert.match(ended.stderr, /SIGINT: .*nothing was opened/);
      assert.deepEqual(await parts(), nothing);
    });
  });
});
