/** What a declaration opens for a time, and what it wants to see again, under the pack. */
import assert from "node:assert/strict";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource, TestRun } from "../../policypack/testing";
import { runPolicies } from "../../policypack/testing";
import type { ClusterSecurityDeclaration } from "../../sdk/plan";
import { bypass, Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/plan";

/** The pack asks the clock, so these days are counted from it: `YYYY-MM-DD`. */
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

const lastDay = inDays(14);

function declarationIn(dialect: Dialect, reviewBy: string): ClusterSecurityDeclaration {
  return {
    dialect,
    reviewBy,
    namespaces: [namespace("shop")],
    workloads: [workload("shop/web", { ports: [tcp(80)] }), workload("shop/api", { ports: [tcp(80)] })],
    flows: [flow("web").to("api").on(tcp(80)).because("pages show products").ownedBy("web")],
    bypasses: [bypass("shop/api").because("incident 7").ownedBy("platform").until(lastDay).grantedTo("sre")],
  };
}

function resource(object: { apiVersion: string; kind: string; metadata: { name: string } }): TestResource {
  const { apiVersion, kind, metadata } = object;
  const group = apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`;
  return { type: `kubernetes:${group}:${kind}`, name: `${kind}-${metadata.name}`, props: { ...object } };
}

/** A program with the planned objects in their order, the workload, and the pod that somebody debugs. */
function stackOf(declaration: ClusterSecurityDeclaration): TestResource[] {
  const { namespaces, documents } = plan(declaration);
  const pod = (name: string, labels: Readonly<Record<string, string>>): TestResource =>
    resource({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "shop", labels: { app: "api", ...labels } } as { name: string },
      ...{ spec: { containers: [{ name: "api", image: "registry.example/api:1" }] } },
    });
  return [
    ...namespaces.map(({ name }) => resource({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...documents.map(({ object }) => resource(object)),
    pod("api-1", {}),
    pod("api-2", { "policy-bypass.pulumi-cluster-security/until": lastDay }),
  ];
}

const stopping = ({ violations }: TestRun) => violations.filter(({ level }) => level === "mandatory");

for (const dialect of Object.values(Dialect)) {
  describe(`declared for a time, under the pack: ${dialect}`, () => {
    const args =
      dialect === Dialect.ClusterNetworkPolicy || dialect === Dialect.Kubernetes ? {} : { enforcer: dialect };

    for (const operation of ["preview", "update"] as const) {
      it(`S3-10: a bypass is shown with its last day and stops no ${operation}`, async () => {
        const stack = stackOf(declarationIn(dialect, inDays(60)));
        const result = await runPolicies(clusterSecurityPolicies(args), stack, { operation });
        assert.deepEqual(stopping(result), []);
        const shown = result.violations.filter(({ message }) => message.startsWith("bypass-undocumented"));
        assert.ok(
          shown.some(({ message }) => message.includes(`is a bypass until ${lastDay}`)),
          JSON.stringify(result.violations, undefined, 1),
        );
      });
    }

    it("S1-23, S4-16: a review that is overdue is shown, and one that is not is not", async () => {
      const overdue = async (reviewBy: string): Promise<TestRun> =>
        runPolicies(clusterSecurityPolicies(args), stackOf(declarationIn(dialect, reviewBy)), { operation: "update" });
      const late = await overdue(inDays(-1));
      assert.ok(late.violations.some(({ message }) => message.startsWith("review-overdue")));
      assert.deepEqual(stopping(late), []);
      assert.ok(!(await overdue(inDays(60))).violations.some(({ message }) => message.startsWith("review-overdue")));
    });
  });
}
