import assert from "node:assert/strict";
import { withoutOwned } from "../../sdk/cluster/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";

function owned(kind: string, name: string, apiVersion = "apps/v1"): unknown[] {
  return [{ apiVersion, kind, name, controller: true, uid: "1" }];
}

function pod(name: string, labels: Record<string, string>, owners?: unknown[], status: unknown = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels, ...(owners ? { ownerReferences: owners } : {}) },
    spec: { containers: [{ name: "main" }], serviceAccountName: "default" },
    status,
  };
}

function controller(kind: string, name: string, owners?: unknown[], apiVersion = "apps/v1"): KubeObject {
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: "shop", ...(owners ? { ownerReferences: owners } : {}) },
    spec: { replicas: 1, template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "main" }] } } },
  };
}

function named(objects: readonly KubeObject[]): string[] {
  const sourced: SourcedObject[] = objects.map((object) => ({ object }));
  return withoutOwned(sourced).map(({ object }) => `${object.kind}/${object.metadata?.name}`);
}

describe("owners: each workload once", () => {
  const hash = { app: "web", "pod-template-hash": "abc" };

  it("Deployment, ReplicaSet and pods are the Deployment", () => {
    const objects = [
      controller("Deployment", "web"),
      controller("ReplicaSet", "web-abc", owned("Deployment", "web")),
      controller("ReplicaSet", "web-old", owned("Deployment", "web")),
      pod("web-abc-1", hash, owned("ReplicaSet", "web-abc")),
      pod("web-abc-2", hash, owned("ReplicaSet", "web-abc")),
    ];
    assert.deepEqual(named(objects), ["Deployment/web"]);
  });

  it("also where the ReplicaSets were not listed", () => {
    const objects = [controller("Deployment", "web"), pod("web-abc-1", hash, owned("ReplicaSet", "web-abc"))];
    assert.deepEqual(named(objects), ["Deployment/web"]);
  });

  it("CronJob, Job and pods are the CronJob, and pods that have ended count for nothing", () => {
    const objects = [
      {
        apiVersion: "batch/v1",
        kind: "CronJob",
        metadata: { name: "backup", namespace: "shop" },
        spec: {
          jobTemplate: { spec: { template: { metadata: { labels: { app: "backup" } }, spec: { containers: [] } } } },
        },
      },
      controller("Job", "backup-1", owned("CronJob", "backup", "batch/v1"), "batch/v1"),
      pod("backup-1-x", { app: "other" }, owned("Job", "backup-1", "batch/v1"), { phase: "Succeeded" }),
    ];
    assert.deepEqual(named(objects), ["CronJob/backup"]);
    const [result] = withoutOwned(objects.map((object) => ({ object })));
    assert.deepEqual(result?.object, objects[0]);
  });

  it("the controller gets the labels its pods really have, some value where they differ, and their addresses", () => {
    const objects = [
      controller("Deployment", "web"),
      pod("web-abc-1", { ...hash, injected: "true" }, owned("ReplicaSet", "web-abc"), { podIP: "10.0.0.1" }),
      pod("web-abc-2", { ...hash, injected: "true" }, owned("ReplicaSet", "web-abc"), {
        podIP: "10.0.0.2",
        podIPs: [{ ip: "10.0.0.2" }, { ip: "fd00::2" }],
      }),
    ];
    const [result] = withoutOwned(objects.map((object) => ({ object })));
    const spec = result?.object.spec as { template: { metadata: { labels: unknown } } };
    assert.deepEqual(spec.template.metadata.labels, { ...hash, injected: "true" });
    assert.deepEqual(result?.object["status"], {
      podIPs: [{ ip: "10.0.0.1" }, { ip: "10.0.0.2" }, { ip: "fd00::2" }],
      pods: [
        { name: "web-abc-1", addresses: ["10.0.0.1"], labels: { "pod-template-hash": "abc" } },
        { name: "web-abc-2", addresses: ["10.0.0.2", "fd00::2"], labels: { "pod-template-hash": "abc" } },
      ],
    });
  });

  it("the controller's pods are those nearest to its template, in whatever order they come", () => {
    const [alike, marked] = ["web-abc-1", "web-abc-2"].map((name, index) =>
      pod(name, index === 0 ? hash : { ...hash, quarantine: "true" }, owned("ReplicaSet", "web-abc")),
    );
    for (const pods of [
      [alike, marked],
      [marked, alike],
    ]) {
      const objects = [controller("Deployment", "web"), ...pods.filter((each) => each !== undefined)];
      assert.deepEqual(named(objects), ["Deployment/web", "Pod/web-abc-2"]);
    }
  });

  it("a pod that differs from its siblings stays a pod", () => {
    const objects = [
      controller("StatefulSet", "db"),
      pod("db-0", { app: "db" }, owned("StatefulSet", "db")),
      pod("db-1", { app: "db" }, owned("StatefulSet", "db")),
      pod("db-2", { app: "db", debug: "true" }, owned("StatefulSet", "db")),
    ];
    assert.deepEqual(named(objects), ["StatefulSet/db", "Pod/db-2"]);
  });

  it("pods of a controller that is not there are one workload in its name", () => {
    const objects = [
      pod("pg-1", { app: "pg" }, owned("Cluster", "pg", "postgresql.cnpg.io/v1")),
      pod("pg-2", { app: "pg" }, owned("Cluster", "pg", "postgresql.cnpg.io/v1")),
    ];
    assert.deepEqual(named(objects), ["Cluster/pg"]);
  });

  it("a Deployment that an operator's resource owns is the workload", () => {
    const operator: KubeObject = {
      apiVersion: "example.com/v1",
      kind: "App",
      metadata: { name: "app", namespace: "shop" },
      spec: {},
    };
    const objects = [
      operator,
      controller("Deployment", "web", owned("App", "app", "example.com/v1")),
      controller("ReplicaSet", "web-abc", owned("Deployment", "web")),
      pod("web-abc-1", hash, owned("ReplicaSet", "web-abc")),
    ];
    assert.deepEqual(named(objects), ["App/app", "Deployment/web"]);
  });

  it("static pods, single pods and policies stay as they are", () => {
    const policy: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "p", namespace: "shop" },
    };
    const objects = [policy, pod("etcd", {}, owned("Node", "node-1", "v1")), pod("single", {})];
    assert.deepEqual(named(objects), ["NetworkPolicy/p", "Pod/etcd", "Pod/single"]);
  });

  it("a circle of owners ends, and loses nothing", () => {
    const objects = [
      controller("ReplicaSet", "a", owned("ReplicaSet", "b")),
      controller("ReplicaSet", "b", owned("ReplicaSet", "a")),
      pod("p", {}, owned("ReplicaSet", "a")),
    ];
    assert.deepEqual(named(objects), ["ReplicaSet/a", "ReplicaSet/b", "Pod/p"]);
  });
});
