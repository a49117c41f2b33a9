import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  Dialect,
  allOf,
  bypassPolicy,
  flow,
  namespace,
  plan,
  readGrants,
  tcp,
  timerJob,
  timerName,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import type { Person } from "./plane";
import { Plane, placeOf } from "./plane";

const eve: Person = { user: "eve", groups: ["system:authenticated", "system:masters", "sre"] };

/** What "at most 15 s after its end" is held to: generous where the machine is busy, short of anything that stays. */
const afterItsEnd = 15_000;

function declarationOf(dialect: Dialect, home: string): ClusterSecurityDeclaration {
  return {
    dialect,
    namespaces: [namespace(home)],
    workloads: [workload(`${home}/web`, { ports: [tcp(80)] }), workload(`${home}/api`, { ports: [tcp(80)] })],
    flows: [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")],
    breakGlass: [{ name: "oncall", grantedTo: ["sre"], ...allIn(home), reason: "nights", owner: "ops" }],
  };
}

function allIn(home: string): { namespaces: string[] } {
  return { namespaces: [allOf(home).namespace ?? ""] };
}

let count = 0;
const random = (): string => `${Date.now().toString(36)}${(count += 1).toString(36)}`;

describe("break glass on real controllers: how a bypass ends", () => {
  let plane: Plane;

  before(async () => {
    plane = await Plane.start();
    await plane.deploy(declarationOf(Dialect.Kubernetes, "shop"));
    await plane.deploy(declarationOf(Dialect.Cilium, "sea"));
  });

  after(() => plane?.stop());

  const inTime = (seconds: number): string =>
    new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");

  const statementOf = (home: string, timer: string): Parameters<typeof timerJob>[0] => {
    return { timer, namespace: home, of: `namespace ${home}`, owner: "shop", reason: "incident 7", requester: "eve" };
  };

  function policyOf(home: string, timer: string, uid: string, until = inTime(600)): KubeObject {
    const dialect = home === "sea" ? Dialect.Cilium : Dialect.Kubernetes;
    const [grants] = plan(declarationOf(dialect, home)).documents.flatMap(
      ({ object }) => readGrants(object.metadata.annotations ?? {}) ?? [],
    );
    const [policy] = grants?.grants[0]?.subjects[0]?.policies ?? [];
    return bypassPolicy(statementOf(home, timer), policy ?? assert.fail(), uid, until);
  }

  /** The timer runs, and its policy is there. */
  async function open(home: string, seconds: number): Promise<{ job: KubeObject; policy: KubeObject; ends: number }> {
    const timer = timerName("oncall", random());
    const job = await plane.create(timerJob(statementOf(home, timer), seconds), eve);
    let startTime: string | undefined;
    await plane.until("the timer's start", async () => {
      const { body } = await plane.call("GET", placeOf(job, timer));
      startTime = (JSON.parse(body) as { status: { startTime?: string } }).status.startTime;
      return startTime !== undefined;
    });
    const { uid } = job.metadata as { uid: string };
    const policy = await plane.create(policyOf(home, timer, uid), eve);
    return { job, policy, ends: Date.parse(startTime ?? "") + seconds * 1000 };
  }

  async function untilGone(policy: KubeObject, ends: number): Promise<void> {
    await plane.until(
      `the end of ${policy.metadata?.name}`,
      async () => !(await plane.exists(policy)),
      Math.max(0, ends - Date.now()) + afterItsEnd,
    );
  }

  for (const home of ["shop", "sea"]) {
    describe(home === "sea" ? "CiliumNetworkPolicy" : "NetworkPolicy", () => {
      it("S3-29: opened, and nobody does anything: it is gone with its timer, and no pod ever ran", async () => {
        const { job, policy, ends } = await open(home, 10);
        assert.ok(await plane.exists(policy));
        await untilGone(policy, ends);
        assert.ok(Date.now() >= ends - 2000, "not before its end");
        await plane.until("the end of the timer", async () => !(await plane.exists(job)));
        const { body } = await plane.call("GET", `/api/v1/namespaces/${home}/pods`);
        assert.deepEqual((JSON.parse(body) as { items: unknown[] }).items, []);
      });

      it("S2-21, S3-29: its timer deleted: it is gone", async () => {
        const { job, policy } = await open(home, 3600);
        const at = placeOf(job, job.metadata?.name);
        const options = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
        assert.equal((await plane.call("DELETE", at, options, eve)).status, 200);
        await untilGone(policy, Date.now());
      });

      it("S3-29: restored from a backup after its timer: it is gone", async () => {
        const { job, policy } = await open(home, 3600);
        const { body } = await plane.call("GET", placeOf(policy, policy.metadata?.name));
        const options = { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy: "Background" };
        await plane.call("DELETE", placeOf(job, job.metadata?.name), options, eve);
        await untilGone(policy, Date.now());
        const backup = JSON.parse(body) as KubeObject & { metadata: Record<string, unknown> };
        for (const field of ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"]) {
          delete backup.metadata[field];
        }
        await plane.create(backup, eve);
        await untilGone(policy, Date.now());
      });

      it("S3-29: owned by what is no Job of its name: it is gone", async () => {
        const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `other-${random()}` } };
        const made = await plane.call("POST", `/api/v1/namespaces/${home}/configmaps`, configMap);
        const { uid } = (JSON.parse(made.body) as { metadata: { uid: string } }).metadata;
        for (const owner of [uid, randomUUID()]) {
          const policy = await plane.create(policyOf(home, timerName("oncall", random()), owner), eve);
          await untilGone(policy, Date.now());
        }
      });
    });
  }

  it("S3-29: with neither scheduler nor image registry: it opens, and is gone at its end", async () => {
    // no pod gets a node here, and none could pull its image
    const { body: nodes } = await plane.call("GET", "/api/v1/nodes");
    assert.deepEqual((JSON.parse(nodes) as { items: unknown[] }).items, []);
    const pod = await plane.create({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "api-1", namespace: "shop", labels: { app: "api" } },
      spec: { containers: [{ name: "main", image: "none.invalid/none" }] },
    });
    const { job, policy, ends } = await open("shop", 10);
    await untilGone(policy, ends);
    await plane.until("the end of the timer", async () => !(await plane.exists(job)));
    const { body } = await plane.call("GET", placeOf(pod, "api-1"));
    const { spec, status } = JSON.parse(body) as { spec: { nodeName?: string }; status: { phase: string } };
    assert.deepEqual([spec.nodeName, status.phase], [undefined, "Pending"]);
    await plane.call("DELETE", placeOf(pod, "api-1"));
  });

  it("S3-29: its end passes while kube-controller-manager is killed: it stays until one runs, and at most 15 s longer", async () => {
    const opened = [await open("shop", 5), await open("sea", 5)];
    await plane.controlPlane.stopControllers("killed");
    await sleep(Math.max(...opened.map(({ ends }) => ends)) - Date.now() + 2000);
    for (const { policy } of opened) assert.ok(await plane.exists(policy), "the limit that the documents name");
    await plane.controlPlane.startControllers();
    for (const { policy } of opened) await untilGone(policy, Date.now());
  });
});
