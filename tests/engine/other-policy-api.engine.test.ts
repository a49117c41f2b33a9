import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, DenyScope, Dialect, flow, namespace, tcp, workload } from "../../sdk/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { deploymentOf } from "../plan/world";
import { allowedIn, growth } from "./allowed";
import type { Operation } from "./automation";
import { openStack, operate, worlds } from "./automation";
import { sharedLab } from "./shared-lab";

const home = "other-api";
const pods = ["web", "api", "db"].map((name) => workload(`${home}/${name}`, { ports: [tcp(8080)] }));

function declare(dialect: Dialect): ClusterSecurityArgs {
  return {
    dialect,
    denyScope: DenyScope.DeclaredNamespaces,
    namespaces: [namespace(home, { existing: true })],
    workloads: pods,
    flows: [
      ["web", "api"],
      ["api", "db"],
    ].map(([from = "", to = ""]) =>
      flow(`${home}/${from}`).to(`${home}/${to}`).on(tcp(8080)).because("calls").ownedBy("shop"),
    ),
  };
}

/** What others run, and the stack knows nothing of. */
const around: readonly KubeObject[] = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: home } },
  ...pods.map((pod) => deploymentOf(pod)),
];

describe("a stack that changes its policy API and is destroyed while workloads of others run, on a real engine", () => {
  let lab: Lab;
  let stack: Stack;
  let dialect = Dialect.Cilium;
  let standing = new Map<string, SourcedObject>();

  before(async () => {
    lab = await sharedLab();
    await call("POST", "/api/v1/namespaces", around[0]);
    const program = async (): Promise<void> => void new ClusterSecurity("security", declare(dialect));
    stack = await openStack({ project: "other-api", stack: "test", lab, program });
    await done(operate(stack, "up"));
  });

  after(() => call("DELETE", `/api/v1/namespaces/${home}`));

  async function call(method: "POST" | "DELETE", path: string, body?: unknown): Promise<void> {
    const client = apiClient(lab.controlPlane);
    try {
      const { status } = await client.call(method, path, body);
      assert.ok(status < 300, `${method} ${path}: ${status}`);
    } finally {
      client.close();
    }
  }

  /** Runs to its end; what passes between the pods before, after each object that was made or deleted, and at the end. */
  async function done(running: Promise<Operation>) {
    const operation = await running;
    assert.equal(operation.error, undefined, operation.output);
    const moments = [...worlds(operation, standing)];
    const last = moments.at(-1);
    const passing = (objects: ReadonlyMap<string, SourcedObject>) =>
      allowedIn([...around.map((object) => ({ object, source: {} })), ...objects.values()], [home]);
    const before = passing(standing);
    standing = new Map(last?.objects ?? standing);
    return {
      before,
      after: passing(standing),
      steps: moments.map(({ step, objects }) => ({
        name: `${step.op} ${step.type} ${step.name}`,
        now: passing(objects),
      })),
    };
  }

  /** Nodes and addresses are not the same in both APIs. */
  const isOther = (pair: string): boolean => pair.includes(".") || pair.includes("::");

  for (const [from, to] of [
    [Dialect.Cilium, Dialect.Kubernetes],
    [Dialect.Kubernetes, Dialect.Cilium],
    [Dialect.Cilium, Dialect.Kubernetes],
  ] as const) {
    it(`S3-16 changes from ${from} to ${to}: nothing opens and nothing is cut, whatever object it is stopped after`, async () => {
      assert.equal(dialect, from);
      dialect = to;
      const { before, after, steps } = await done(operate(stack, "up"));
      const names = steps.map(({ name }) => name);
      const lastCreated = names.findLastIndex((name) => name.startsWith("create"));
      const firstDeleted = names.findIndex((name) => name.startsWith("delete"));
      assert.ok(firstDeleted > lastCreated && lastCreated > 2, names.join("\n"));
      assert.deepEqual([growth(before, after, isOther), growth(after, before, isOther)], [[], []]);
      for (const { name, now } of steps) {
        assert.deepEqual([growth(before, now, isOther), growth(now, before, isOther)], [[], []], name);
      }
    });
  }

  it("S3-16 destroys NetworkPolicies without cutting a flow of the pods that go on running", async () => {
    const { before, after, steps } = await done(operate(stack, "destroy"));
    assert.ok(steps.length > 3);
    for (const { name, now } of steps) assert.deepEqual(growth(now, before), [], name);
    assert.ok([...after.pairs.values()].every((traffic) => traffic.isAll()));
  });
});
