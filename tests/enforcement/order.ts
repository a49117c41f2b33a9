/** Whether a stack's order closes before it opens, seen by probes that go on while a real engine changes the cluster. */
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import type { Probe } from "../../sdk/cluster/index";
import type { ExamplesLab } from "../../lab/whole-way/index";
import type { LiveReport } from "../../lab/whole-way/live-probes";
import { LiveProbes } from "../../lab/whole-way/live-probes";
import { openStack, operate } from "../engine/automation";

/** Order, and whether probing would see a wrong one: a deny-all before and after the workloads that it is about. */
export function orderSuite(opened: () => ExamplesLab): void {
  describe("the probing while a stack changes", () => {
    const workload = (name: string): Probe["source"] => ({ kind: "workload", id: `order/${name}[Deployment]` });
    const undeclared: Probe = {
      group: "undeclared",
      source: workload("one"),
      destination: workload("two"),
      protocol: "TCP",
      port: 8080,
      expected: "denied",
      computed: "denied",
      reason: "nobody declared it",
    };

    /** A deny-all and two workloads, one before the other. */
    function program(first: "deny" | "workloads"): () => Promise<Record<string, never>> {
      return () => {
        const home = new k8s.core.v1.Namespace("order", { metadata: { name: "order" } });
        let last: pulumi.Resource[] = [home];
        const deny = (): void => {
          const spec = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
          const metadata = { name: "default-deny-all", namespace: "order" };
          last = [new k8s.networking.v1.NetworkPolicy("deny", { metadata, spec }, { dependsOn: last })];
        };
        const workloads = (): void => {
          last = ["one", "two"].map((name) => {
            const labels = { app: name };
            const containers = [{ name, image: name, ports: [{ containerPort: 8080 }] }];
            const template = { metadata: { labels }, spec: { containers } };
            return new k8s.apps.v1.Deployment(
              name,
              { metadata: { name, namespace: "order" }, spec: { selector: { matchLabels: labels }, template } },
              { dependsOn: last },
            );
          });
        };
        // what stands between the two in a larger stack: a Job takes a while to complete, a namespace to be deleted
        const pause = (): void => {
          last = [new k8s.core.v1.Namespace("between", { metadata: { name: "order-between" } }, { dependsOn: last })];
          const containers = [{ name: "pause", image: "pause" }];
          const spec = { template: { spec: { restartPolicy: "Never", containers } } };
          const metadata = { name: "pause", namespace: "order-between" };
          last = [new k8s.batch.v1.Job("pause", { metadata, spec }, { dependsOn: last })];
        };
        for (const next of first === "deny" ? [deny, pause, workloads] : [workloads, pause, deny]) next();
        return Promise.resolve({});
      };
    }

    async function probedThrough(first: "deny" | "workloads"): Promise<{ up: LiveReport; destroy: LiveReport }> {
      const { lab, cluster } = opened();
      const stack = await openStack({ project: `order-${first}`, stack: "test", lab, program: program(first) });
      const during = async (verb: "up" | "destroy"): Promise<LiveReport> => {
        const probes = new LiveProbes(cluster, [undeclared], { interval: 20, silence: 200 });
        const operation = await operate(stack, verb);
        // what has just come about is probed too
        if (verb === "up") await new Promise((resolve) => setTimeout(resolve, 1000));
        const report = await probes.stop();
        assert.equal(operation.error, undefined, operation.output);
        return report;
      };
      const up = await during("up");
      const destroy = await during("destroy");
      await cluster.untilEmpty();
      return { up, destroy };
    }

    it("S0-14: sees no pass where the deny stands before the workloads and after them", async function () {
      this.timeout(300_000);
      const { up, destroy } = await probedThrough("deny");
      assert.ok(up.undeclared > 0 && destroy.undeclared > 0, `${up.undeclared} and ${destroy.undeclared} probes count`);
      assert.deepEqual([...up.violations, ...destroy.violations], []);
    });

    it("S0-14: sees the passes where the deny comes last and goes first", async function () {
      this.timeout(300_000);
      const { up, destroy } = await probedThrough("workloads");
      for (const [when, { violations, undeclared: count }] of Object.entries({ up, destroy })) {
        const seen = violations[0]?.what ?? `none of ${count} probes during ${when}`;
        assert.match(seen, /^order\/one\[Deployment\] → order\/two\[Deployment\] TCP 8080 passes/);
      }
    });
  });
}
