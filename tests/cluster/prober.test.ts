/** The prober's own program, run as a pod would run it, against real sockets of this machine. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { KubeObject } from "../../sdk/reachability/index";
import { controllerLabels } from "../../sdk/reachability/model/controller-label-keys";
import { proberState } from "../../sdk/cluster/prober/pod-state";
import { canaryPolicy, neverReady, proberJob } from "../../sdk/cluster/prober/pods";
import type { ProberSettings, ProberTask } from "../../sdk/cluster/prober/protocol";
import { readReport, reportLimit, tasksPerProber } from "../../sdk/cluster/prober/protocol";
import { listeningScript, proberScript } from "../../sdk/cluster/prober/script";

const settings = (more: Partial<ProberSettings>): ProberSettings => ({
  listen: [],
  probes: [],
  timeout: 700,
  settle: 0,
  parallel: 8,
  deadline: 30,
  name: "kubernetes.default.svc.cluster.local",
  ...more,
});

describe("the prober", () => {
  let folder: string;
  const children = new Set<ChildProcess>();

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-prober-"));
  });

  after(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  let count = 0;

  function start(told: ProberSettings): { child: ChildProcess; report: () => string } {
    const file = path.join(folder, `report-${++count}`);
    const child = spawn(process.execPath, ["-e", proberScript], {
      env: { CLUSTER_SECURITY_PROBER: JSON.stringify(told), CLUSTER_SECURITY_REPORT: file },
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return { child, report: () => readFileSync(file, "utf8") };
  }

  async function ended(told: ProberSettings): Promise<{ code: number | null; report: string }> {
    const { child, report } = start(told);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, report: report() };
  }

  /** A port that nobody listens on: one that was just given back. */
  async function closedPort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
  }

  /** A server that accepts and never says a word. */
  async function silent(): Promise<{ port: number; close: () => void }> {
    const server = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
  }

  async function tried(tasks: readonly ProberTask[], more: Partial<ProberSettings> = {}): Promise<string[]> {
    const { code, report } = await ended(settings({ probes: tasks, ...more }));
    assert.equal(code, 0, report);
    return readReport(report, tasks.length).map(({ outcome }) => outcome);
  }

  it("tells connected, blocked and refused apart, over TCP and UDP, against its own listener", async () => {
    const [tcpPort, udpPort, ready, closed] = [
      await closedPort(),
      await closedPort(),
      await closedPort(),
      await closedPort(),
    ];
    const { child } = start(
      settings({
        listen: [
          ["TCP", tcpPort],
          ["UDP", udpPort],
        ],
        ready,
      }),
    );
    await once(child.stdout ?? assert.fail("no output"), "data");
    const quiet = await silent();
    const outcomes = await tried([
      ["tcp", "127.0.0.1", tcpPort, "c"],
      ["udp", "127.0.0.1", udpPort, "c"],
      ["connect", "127.0.0.1", tcpPort, "c"],
      ["tcp", "127.0.0.1", closed, "b"],
      ["udp", "127.0.0.1", closed, "b"],
      // it accepts, but what was sent does not come back: silence
      ["tcp", "127.0.0.1", quiet.port, "c"],
    ]);
    assert.deepEqual(outcomes, ["connected", "connected", "connected", "refused", "refused", "blocked"]);
    quiet.close();
    const readiness = spawn(process.execPath, ["-e", listeningScript(ready)]);
    assert.deepEqual(await once(readiness, "exit"), [0, null]);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null], "it ends when it is asked to");
    const after = spawn(process.execPath, ["-e", listeningScript(ready)]);
    assert.deepEqual(await once(after, "exit"), [1, null]);
  });

  it("a connection that is closed without the answer proves nothing", async () => {
    const server = createServer((socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(await tried([["tcp", "127.0.0.1", port, "b"]]), ["failed"]);
    server.close();
  });

  it("asks name servers: an answer, no such name, a refusal, silence", async () => {
    const outcomes: string[] = [];
    for (const code of [0, 3, 5, 2, undefined]) {
      const socket = createSocket("udp4");
      socket.on("message", (query, from) => {
        if (code === undefined) return;
        const reply = Buffer.from(query);
        reply[2] = 0x81;
        reply[3] = 0x80 | code;
        socket.send(reply, from.port, from.address);
      });
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      outcomes.push(...(await tried([["dns", "127.0.0.1", socket.address().port, "c"]])));
      socket.close();
    }
    assert.deepEqual(outcomes, ["connected", "connected", "blocked", "failed", "blocked"]);
  });

  it("tries again what is not as wanted, and says so", async () => {
    const port = await closedPort();
    const { child, report } = start(settings({ probes: [["connect", "127.0.0.1", port, "c"]], settle: 20_000 }));
    await once(child.stdout ?? assert.fail("no output"), "data");
    // time for the first attempts to be refused
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const server = createServer().listen(port, "127.0.0.1");
    await once(child, "close");
    server.close();
    const [outcome] = readReport(report(), 1);
    assert.equal(outcome?.outcome, "connected");
    assert.match(outcome?.detail ?? "", /^after \d+ attempts$/);
  });

  it("a block that must be counts only after the first moments, in which nobody may know the pod's way", async () => {
    const quiet = await silent();
    const { child, report } = start(settings({ probes: [["tcp", "127.0.0.1", quiet.port, "b"]], settle: 6000 }));
    await once(child.stdout ?? assert.fail("no output"), "data");
    // the first attempt hears nothing; from then on the way is known
    await new Promise((resolve) => setTimeout(resolve, 400));
    quiet.close();
    const echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
    echo.listen(quiet.port, "127.0.0.1");
    await once(child, "close");
    echo.close();
    const [outcome] = readReport(report(), 1);
    assert.equal(outcome?.outcome, "connected");
    assert.match(outcome?.detail ?? "", /^after \d+ attempts$/);
  });

  it("a block that stays is told without attempts", async () => {
    const quiet = await silent();
    const { report } = await ended(settings({ probes: [["tcp", "127.0.0.1", quiet.port, "b"]], settle: 3000 }));
    assert.deepEqual(readReport(report, 1), [{ outcome: "blocked" }]);
    quiet.close();
  });

  it("a report of as many probes as one pod takes fits into a termination message", async () => {
    const port = await closedPort();
    const tasks = Array.from({ length: tasksPerProber }, (): ProberTask => ["connect", "127.0.0.1", port, "b"]);
    const { code, report } = await ended(settings({ probes: tasks, parallel: 64 }));
    assert.equal(code, 0);
    assert.ok(report.length <= reportLimit, `${report.length} bytes`);
    assert.ok(readReport(report, tasks.length).every(({ outcome }) => outcome === "refused"));
  });

  it("S4-20: as a canary it fails and says what that means", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const complaint = "a deny-all does not block";
    const probes: ProberTask[] = [["connect", "127.0.0.1", port, "b"]];
    const open = await ended(settings({ probes, complaint }));
    assert.deepEqual([open.code, open.report], [1, "a deny-all does not block (connected)"]);
    const asItMust = await ended(settings({ probes: [["connect", "127.0.0.1", port, "c"]], complaint }));
    assert.deepEqual([asItMust.code, asItMust.report], [0, "as it must be"]);
    server.close();
  });

  it("S4-20: an enforcer that rejects in place of dropping blocks too, at a listener of the prober's own only", async () => {
    const port = await closedPort();
    const told = (way: ProberTask[0]): ProberSettings =>
      settings({ probes: [[way, "127.0.0.1", port, "b"]], complaint: "not enforced" });
    assert.equal((await ended(told("tcp"))).code, 0);
    assert.equal((await ended(told("udp"))).code, 0);
    assert.deepEqual((await ended(told("connect"))).code, 1, "elsewhere it may come from the other end");
  });

  it("a port that it cannot open is an error, and no listener", async () => {
    const server = createServer().listen(0);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, report } = await ended(settings({ listen: [["TCP", port]] }));
    assert.equal(code, 3);
    assert.match(report, /EADDRINUSE/);
    server.close();
  });

  it("what a report does not say has failed", () => {
    for (const text of ["", "{}", "null", "[]", '{"outcomes":"c"}', '{"outcomes":"cx"}', '{"outcomes":7}', "ccc"]) {
      const outcomes = readReport(text, 2);
      assert.equal(outcomes.length, 2);
      assert.ok(
        outcomes.some(({ outcome }) => outcome === "failed"),
        text,
      );
    }
    // a report about more or fewer probes is about others: none of its letters proves anything
    for (const letters of ["c", "cc", "cccc", "ccccc"]) {
      const outcomes = readReport(JSON.stringify({ outcomes: letters }), 3);
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        ["failed", "failed", "failed"],
        letters,
      );
    }
    assert.deepEqual(readReport('{"error":"EACCES"}', 1), [{ outcome: "failed", detail: "EACCES" }]);
  });
});

describe("the prober's Job", () => {
  const standsFor = {
    namespace: "shop",
    labels: { app: "web", "pod-template-hash": "abc", "batch.kubernetes.io/job-name": "x" },
    serviceAccount: "web",
    ports: [
      { name: "http", port: 80, protocol: "TCP" as const },
      { name: "http", port: 81, protocol: "TCP" as const },
    ],
  };
  const job = proberJob(
    "12ab",
    "cluster-security-12ab-listen-1",
    standsFor,
    { image: "n" },
    settings({ deadline: 100 }),
  );
  const spec = job.spec as {
    activeDeadlineSeconds: number;
    ttlSecondsAfterFinished: number;
    template: KubeObject & { spec: Record<string, unknown> };
  };

  it("looks like the workload to policies, and like nobody's to controllers and Services", () => {
    assert.deepEqual(spec.template.metadata?.labels, { app: "web" });
    for (const label of controllerLabels) assert.ok(!(label in (spec.template.metadata?.labels ?? {})));
    assert.equal(spec.template.spec["serviceAccountName"], "web");
    assert.deepEqual(spec.template.spec["readinessGates"], [{ conditionType: neverReady }]);
    const [container] = spec.template.spec["containers"] as { ports: unknown }[];
    assert.deepEqual(container?.ports, [
      { name: "http", containerPort: 80, protocol: "TCP" },
      { containerPort: 81, protocol: "TCP" },
    ]);
  });

  it("ends by itself and goes by itself", () => {
    assert.ok(spec.activeDeadlineSeconds > 100);
    assert.ok(spec.ttlSecondsAfterFinished <= 300);
    assert.equal((job.spec as { backoffLimit: number }).backoffLimit, 0);
  });

  it("keeps to the Pod Security Standard restricted, without a token", () => {
    const pod = spec.template.spec;
    assert.equal(pod["automountServiceAccountToken"], false);
    assert.deepEqual((pod["securityContext"] as Record<string, unknown>)["runAsNonRoot"], true);
    const [container] = pod["containers"] as { securityContext: Record<string, unknown> }[];
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("the canary's two policies differ in their rules alone", () => {
    assert.deepEqual(canaryPolicy("n", "deny-all").spec, { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    assert.deepEqual(canaryPolicy("n", "allow-all").spec, {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{}],
      egress: [{}],
    });
  });
});

describe("what a prober's pod is doing", () => {
  const container = (state: object, ready = false): object => ({
    containerStatuses: [{ name: "prober", ready, state }],
  });
  const table: readonly (readonly [what: string, status: object, state: string, why?: RegExp])[] = [
    ["nothing is known", {}, "starting"],
    ["it runs, its ports are not open", { podIP: "10.0.0.1", ...container({ running: {} }) }, "starting"],
    ["it listens", { podIP: "10.0.0.1", ...container({ running: {} }, true) }, "listening"],
    ["it has ended", container({ terminated: { exitCode: 0, message: "{}" } }), "ended"],
    ["it has ended without a word", container({ terminated: { exitCode: 0 } }), "failed"],
    ["it failed", container({ terminated: { exitCode: 3, message: "EACCES" } }), "failed", /exit code 3: EACCES/],
    [
      "no image",
      container({ waiting: { reason: "ImagePullBackOff", message: "no such image" } }),
      "failed",
      /no such image/,
    ],
    ["it pulls", container({ waiting: { reason: "ContainerCreating" } }), "starting", /ContainerCreating/],
    ["evicted", { phase: "Failed", reason: "Evicted", message: "low on memory" }, "failed", /Evicted: low on memory/],
    [
      "no node",
      { conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes" }] },
      "starting",
      /no node takes it: Unschedulable: 0\/3 nodes/,
    ],
    [
      "a sidecar runs on",
      {
        phase: "Running",
        containerStatuses: [
          { name: "istio-proxy", ready: true, state: { running: {} } },
          { name: "prober", state: { terminated: { exitCode: 0, message: "{}" } } },
        ],
      },
      "ended",
    ],
  ];
  for (const [what, status, state, why] of table) {
    it(`${what}: ${state}`, () => {
      const found = proberState({ status });
      assert.equal(found.state, state);
      if (why) assert.match(("why" in found ? found.why : undefined) ?? "", why);
    });
  }
  it("deleted: failed", () => {
    assert.equal(proberState({ metadata: { deletionTimestamp: "now" }, status: {} }).state, "failed");
  });
});
