/** How a datapath starts, refuses, ends and is cleaned up after. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { apiClient } from "../../lab/control-plane/index";
import { datapathStatus, stopDatapath } from "../../lab/datapath/index";
import { labNamespaces } from "../../lab/datapath/network";
import { machineState } from "./machine";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";

/** Starts an owner of a datapath; resolves when it says that it is ready, or has ended. */
async function owner(folder: string): Promise<{ child: ChildProcess; ready: boolean; complaint: string }> {
  const entry = path.join(__dirname, "owner.ts");
  const child = spawn(process.execPath, ["--require", require.resolve("tsx/cjs"), entry, folder], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => void (complaint += text));
  const ready = await Promise.race([
    new Promise<boolean>((resolve) => child.stdout?.once("data", () => resolve(true))),
    once(child, "exit").then(() => false),
  ]);
  return { child, ready, complaint };
}

async function untilNothingRuns(): Promise<void> {
  while (datapathStatus().running) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe("enforcement: a datapath and the machine it runs on", () => {
  const folders: string[] = [];
  const folder = (): string => {
    const made = mkdtempSync(path.join(tmpdir(), "cluster-security-lifecycle-"));
    folders.push(made);
    return made;
  };

  before(async function () {
    this.timeout(120_000);
    // there is room for one
    await closeSharedDatapath();
  });

  after(async function () {
    this.timeout(120_000);
    await closeSharedDatapath();
    for (const each of folders) rmSync(each, { recursive: true, force: true });
  });

  it("leaves the machine's network, mounts and kernel settings as they are, while it runs and after", async () => {
    const before = machineState();
    const { cluster } = await sharedDatapath();
    await cluster.addPods([{ namespace: "quiet", name: "one" }]);
    assert.deepEqual(machineState(), before, "while it runs");
    await closeSharedDatapath();
    assert.deepEqual(machineState(), before, "after it has ended");
    assert.deepEqual(labNamespaces(), []);
    assert.equal(existsSync("/run/cilium"), false, "nothing is left behind");
  });

  it("what controllers make becomes real: a Deployment answers, a Job ends, a Service resolves and forwards", async () => {
    const { cluster, controlPlane } = await sharedDatapath();
    const client = apiClient(controlPlane);
    try {
      await cluster.namespace("made");
      const labels = { app: "web" };
      const containers = [{ name: "web", image: "web", ports: [{ containerPort: 8080 }] }];
      const deployment = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        spec: {
          replicas: 2,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers } },
        },
      };
      const job = {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "once" },
        spec: { template: { spec: { restartPolicy: "Never", containers: [{ name: "once", image: "once" }] } } },
      };
      const service = {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web" },
        spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
      };
      await client.call("POST", "/apis/apps/v1/namespaces/made/deployments", deployment);
      await client.call("POST", "/apis/batch/v1/namespaces/made/jobs", job);
      const made = await client.call("POST", "/api/v1/namespaces/made/services", service);
      const { clusterIP } = (made.body as { spec: { clusterIP: string } }).spec;
      const available = async (): Promise<boolean> => {
        const { body } = await client.call("GET", "/apis/apps/v1/namespaces/made/deployments/web");
        return (body as { status?: { availableReplicas?: number } }).status?.availableReplicas === 2;
      };
      const complete = async (): Promise<boolean> => {
        const { body } = await client.call("GET", "/apis/batch/v1/namespaces/made/jobs/once");
        return (body as { status?: { succeeded?: number } }).status?.succeeded === 1;
      };
      while (!(await available()) || !(await complete())) await new Promise((resolve) => setTimeout(resolve, 100));

      await cluster.addPods([{ namespace: "made", name: "client" }]);
      const ask = { from: "made/client", to: "service:10.96.0.10", port: 53, protocol: "dns" } as const;
      const answered = async (): Promise<readonly string[]> =>
        (await cluster.probe([{ ...ask, name: "web.made.svc.cluster.local" }]))[0]?.answers ?? [];
      while ((await answered()).length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
      assert.deepEqual(await answered(), [clusterIP]);
      const through = { from: "made/client", to: `service:${clusterIP}`, port: 80, protocol: "tcp" } as const;
      assert.equal((await cluster.probe([through]))[0]?.verdict, "allowed");

      await cluster.removeNamespaces(["made"]);
      const left = (await cluster.pods()).filter(({ namespace }) => namespace === "made");
      assert.deepEqual(left, []);
    } finally {
      client.close();
    }
  });

  it("refuses to run twice on a machine, and says where the other one runs", async () => {
    await sharedDatapath();
    const second = await owner(folder());
    assert.equal(second.ready, false);
    assert.match(second.complaint, /a datapath runs on this machine already \(for .+\); npm run lab -- down ends it/);
    await closeSharedDatapath();
  });

  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    it(`ends with its owner, ended by ${signal}; the next start cleans up what is left and works`, async () => {
      const first = await owner(folder());
      assert.equal(first.ready, true, first.complaint);
      first.child.kill(signal);
      await once(first.child, "exit");
      await untilNothingRuns();
      const { cluster } = await sharedDatapath();
      await cluster.addPods([{ namespace: "again", name: "one" }]);
      assert.equal(labNamespaces().filter((name) => name.startsWith("cslab-node")).length, 1);
      await closeSharedDatapath();
      assert.deepEqual(labNamespaces(), []);
    });
  }

  it("what a killed one left is removed by `down` too", async () => {
    const where = folder();
    const first = await owner(where);
    assert.equal(first.ready, true, first.complaint);
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    await untilNothingRuns();
    assert.equal(await stopDatapath(path.join(where, "another")), false, "not that of another lab");
    assert.equal(await stopDatapath(path.join(where, "datapath")), true);
    assert.deepEqual(labNamespaces(), []);
    assert.deepEqual(readdirSync("/run/cluster-security-lab"), []);
  });
});
