import assert from "node:assert/strict";
import {
  FailedForGood,
  rolloutReadiness,
  timeoutSeconds,
  waitForReadiness,
  WaitForError,
} from "../../lab/provider/await";
import { evaluateJsonPath, JsonPathError, parseJsonPath } from "../../lab/provider/jsonpath";
import { immutablePaths } from "../../lab/provider/immutable";
import { isHandWritten, takeOver } from "../../lab/provider/ownership";
import type { Plain, PlainMap } from "../../lab/provider/properties";

const withWaitFor = (value: string): PlainMap => ({ metadata: { annotations: { "pulumi.com/waitFor": value } } });

describe("provider: when an object counts as up", () => {
  it("follows waitFor, one condition or all of several", () => {
    const status = (conditions: Plain[], phase?: string): PlainMap => ({
      status: { conditions, ...(phase ? { phase } : {}) },
    });
    const ready = { type: "Ready", status: "True" };
    const cases: [string, PlainMap, boolean][] = [
      ["condition=Ready", status([ready]), true],
      ["condition=Ready", status([{ type: "Ready", status: "False" }]), false],
      ["condition=Ready", {}, false],
      ["condition=Stalled=False", status([{ type: "Stalled", status: "False" }]), true],
      ["jsonpath={.status.phase}=Running", status([], "Running"), true],
      ["jsonpath={.status.phase}=Running", status([], "Pending"), false],
      ["jsonpath={.status.phase}", status([], "Pending"), true],
      ["jsonpath={.status.phase}", status([]), false],
      ['jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', status([ready]), true],
      ['["condition=Ready", "jsonpath={.status.phase}=Up"]', status([ready], "Up"), true],
      ['["condition=Ready", "jsonpath={.status.phase}=Up"]', status([ready], "Down"), false],
    ];
    for (const [text, object, up] of cases) {
      assert.equal(
        waitForReadiness(withWaitFor(text))?.(object) === undefined,
        up,
        `${text} of ${JSON.stringify(object)}`,
      );
    }
    assert.equal(waitForReadiness({}), undefined);
  });

  it("refuses a condition that it does not understand", () => {
    for (const text of [
      "",
      "Ready",
      "condition=",
      "jsonpath={..}",
      "jsonpath={.a[?(@.b>1)]}",
      "[]",
      '["x"]',
      "[1]",
      "[oops",
    ]) {
      assert.throws(() => waitForReadiness(withWaitFor(text)), WaitForError, text);
    }
  });

  it("follows rollouts", () => {
    const deployment = rolloutReadiness({ apiVersion: "apps/v1", kind: "Deployment" });
    assert.ok(deployment);
    const make = (status: PlainMap): PlainMap => ({ metadata: { generation: 2 }, spec: { replicas: 2 }, status });
    const done = { observedGeneration: 2, updatedReplicas: 2, replicas: 2, availableReplicas: 2 };
    assert.equal(deployment(make(done)), undefined);
    for (const change of [
      { observedGeneration: 1 },
      { updatedReplicas: 1 },
      { replicas: 3 },
      { availableReplicas: 1 },
    ]) {
      assert.notEqual(deployment(make({ ...done, ...change })), undefined, JSON.stringify(change));
    }
    const job = rolloutReadiness({ apiVersion: "batch/v1", kind: "Job" });
    const failed = (reason: string): PlainMap => ({
      status: { conditions: [{ type: "Failed", status: "True", reason, message: "no" }] },
    });
    assert.throws(() => job?.(failed("BackoffLimitExceeded")), FailedForGood);
    assert.throws(() => job?.(failed("DeadlineExceeded")), FailedForGood);
    // as @pulumi/kubernetes: it waits on
    assert.equal(job?.(failed("PodFailurePolicy")), "PodFailurePolicy: no");
    assert.equal(job?.({ status: { conditions: [{ type: "Complete", status: "True" }] } }), undefined);
    assert.notEqual(job?.({}), undefined);
  });

  it("takes the longest-known wish for the timeout", () => {
    const annotated = { metadata: { annotations: { "pulumi.com/timeoutSeconds": "7" } } };
    assert.equal(timeoutSeconds(3, annotated, 300), 3);
    assert.equal(timeoutSeconds(0, annotated, 300), 7);
    assert.equal(timeoutSeconds(0, {}, 300), 300);
  });

  it("evaluates JSONPath, and knows where it ends", () => {
    const root: PlainMap = {
      a: {
        "b.c": [
          { n: "x", v: 1 },
          { n: "y", v: 2 },
        ],
      },
    };
    const value = (path: string): Plain[] => evaluateJsonPath(parseJsonPath(path), root);
    assert.deepEqual(value("{.a['b.c'][0].v}"), [1]);
    assert.deepEqual(value("{.a.b\\.c[-1].v}"), [2]);
    assert.deepEqual(value("{.a['b.c'][*].v}"), [1, 2]);
    assert.deepEqual(value(`{.a["b.c"][?(@.n=='y')].v}`), [2]);
    assert.deepEqual(value("{.a.nothing.here}"), []);
    for (const path of ["", "{}", "{.a..b}", "{range .items[*]}", "{.a[0:1]}"])
      assert.throws(() => parseJsonPath(path), JsonPathError, path);
  });
});

describe("provider: what a change means for the object", () => {
  const mutable = { configMap: false, secret: false };

  it("replaces on identity and on what the API server does not let change", () => {
    const of = (apiVersion: string, kind: string, rest: PlainMap = {}): string[] =>
      immutablePaths({ apiVersion, kind, ...rest }, mutable);
    assert.deepEqual(of("networking.k8s.io/v1", "NetworkPolicy"), ["metadata.name", "metadata.namespace"]);
    assert.deepEqual(of("cilium.io/v2", "CiliumNetworkPolicy"), ["metadata.name", "metadata.namespace"]);
    assert.ok(of("apps/v1", "Deployment").includes("spec.selector"));
    assert.ok(of("v1", "Service").includes("spec.clusterIP"));
    assert.ok(of("rbac.authorization.k8s.io/v1", "RoleBinding").includes("roleRef"));
  });

  it("replaces ConfigMaps and Secrets with new data, unless they may change in place", () => {
    const both = { configMap: true, secret: true };
    const data = (kind: string, settings: typeof mutable, rest: PlainMap = {}): boolean =>
      immutablePaths({ apiVersion: "v1", kind, ...rest }, settings).includes("data");
    for (const kind of ["ConfigMap", "Secret"]) {
      assert.equal(data(kind, mutable), true);
      assert.equal(data(kind, both), false);
      assert.equal(data(kind, both, { immutable: true }), true);
    }
  });

  it("takes over what was written by hand, and nothing else", () => {
    assert.ok(isHandWritten({ manager: "kubectl-edit", operation: "Update" }));
    assert.ok(isHandWritten({ manager: "kubectl", operation: "Apply" }));
    assert.ok(isHandWritten({ manager: "pulumi-kubernetes", operation: "Update" }));
    assert.ok(!isHandWritten({ manager: "pulumi-kubernetes-12345678", operation: "Update" }));
    assert.ok(!isHandWritten({ manager: "kubectl-scale", operation: "Update", subresource: "scale" }));
    assert.ok(!isHandWritten({ manager: "kube-controller-manager", operation: "Update" }));

    const entry = (manager: string, operation: string, fieldsV1: PlainMap): PlainMap => ({
      manager,
      operation,
      apiVersion: "v1",
      fieldsV1,
    });
    const object: PlainMap = {
      apiVersion: "v1",
      metadata: {
        managedFields: [
          entry("us", "Apply", { "f:spec": { "f:a": {} } }),
          entry("kubectl-edit", "Update", { "f:spec": { "f:b": {} } }),
          entry("controller", "Update", { "f:spec": { "f:c": {} } }),
        ],
      },
    };
    assert.deepEqual(
      takeOver(object, "us")?.map(({ manager, operation, fieldsV1 }) => ({ manager, operation, fieldsV1 })),
      [
        { manager: "controller", operation: "Update", fieldsV1: { "f:spec": { "f:c": {} } } },
        { manager: "us", operation: "Apply", fieldsV1: { "f:spec": { "f:a": {}, "f:b": {} } } },
      ],
    );
    assert.equal(takeOver({ apiVersion: "v1", metadata: { managedFields: [] } }, "us"), undefined);
  });
});
