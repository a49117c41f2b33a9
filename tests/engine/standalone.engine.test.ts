import assert from "node:assert/strict";
import type { Stack } from "@pulumi/pulumi/automation";
import { deploy } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import type { TrafficSet } from "../../sdk/reachability/index";
import { EgressPolicy, Tenant, flow, namespace, tcp, workload } from "../../sdk/index";
import { allowedIn } from "./allowed";
import type { Operation } from "./automation";
import { finished, openStack, operate } from "./automation";
import { liveObjects, sharedLab } from "./shared-lab";

const home = "alone-web";
const [web, api] = [workload(`${home}/web`), workload(`${home}/api`, { ports: [tcp(8080), tcp(9090)] })];
const pod = (name: string): string => `${home}/${name}[Deployment]`;
const outside = "198.51.100.10";

describe("a Tenant and an EgressPolicy on their own, on a real engine and a real API server", () => {
  let lab: Lab;
  let stack: Stack;
  let created: Operation;
  let destroyed: Operation | undefined;
  let port = 8080;
  let range = "198.51.100.0/24";

  before(async () => {
    lab = await sharedLab();
    stack = await openStack({
      project: "standalone",
      stack: "test",
      lab,
      program: async () => {
        const tenant = new Tenant("alone", {
          tenant: { name: "acme", namespaces: [home] },
          namespaces: [namespace(home)],
          workloads: [web, api],
          flows: [flow("web").to("api").on(tcp(port)).because("pages show data").ownedBy("web")],
        });
        const egress = new EgressPolicy(
          "partners",
          {
            namespace: home,
            workloads: [web],
            ranges: [{ cidr: range, ports: [tcp(443)], reason: "customers pay", owner: "web" }],
          },
          { dependsOn: [tenant] },
        );
        for (const one of [web, api]) deploy(one, { dependsOn: [tenant, egress] });
      },
    });
    created = await operate(stack, "up");
  });

  after(async () => {
    destroyed ??= await operate(stack, "destroy");
  });

  /** What is open at either end of the namespace's pods, as `source → destination`. */
  async function open(): Promise<Record<string, string>> {
    const { pairs } = allowedIn(await liveObjects(lab), [home]);
    const about = ([pair]: [string, TrafficSet]): boolean => pair.includes(home);
    return Object.fromEntries([...pairs].filter(about).map(([pair, traffic]) => [pair, traffic.toString()]));
  }

  it("S2-01, S2-05 open what they declare, within the namespace and to the outside, and nothing else", async () => {
    assert.equal(created.error, undefined);
    assert.deepEqual(await open(), {
      [`${pod("web")} → ${pod("api")}`]: "TCP 8080",
      [`${pod("web")} → ${outside}`]: "TCP 443",
    });
  });

  it("are changed in place, each by its own arguments, and nothing undeclared opens", async () => {
    port = 9090;
    range = "203.0.113.0/24";
    const changed = await operate(stack, "up");
    assert.equal(changed.error, undefined);
    const steps = finished(changed).filter(({ op, type }) => op !== "same" && type.startsWith("kubernetes:"));
    assert.deepEqual([...new Set(steps.map(({ op }) => op))], ["update"]);
    assert.ok(
      steps.some(({ name }) => name.startsWith("partners-")) && steps.some(({ name }) => name.startsWith("alone-")),
    );
    assert.deepEqual(await open(), { [`${pod("web")} → ${pod("api")}`]: "TCP 9090" });
  });

  it("are destroyed backwards: workloads, the way out, the tenant's baseline, what it allows, the namespace", async () => {
    destroyed = await operate(stack, "destroy");
    assert.equal(destroyed.error, undefined);
    const gone = finished(destroyed).filter(({ op }) => op === "delete");
    const at = (name: RegExp): number[] => gone.flatMap((step, index) => (name.test(step.name) ? [index] : []));
    const order = [
      gone.flatMap(({ type }, index) => (type === "kubernetes:apps/v1:Deployment" ? [index] : [])),
      at(/^partners-/).filter((index) => gone[index]?.type.startsWith("kubernetes:")),
      at(/^alone-.*\/tenant-baseline$/),
      at(/^alone-alone-web\/allow-/),
      at(/^alone-alone-web$/),
    ];
    for (const [index, group] of order.entries()) {
      assert.ok(group.length > 0, `group ${index}: ${gone.map(({ name }) => name).join(", ")}`);
      const next = order[index + 1];
      if (next !== undefined) assert.ok(Math.max(...group) < Math.min(...next), `group ${index} before the next`);
    }
    const left = (await liveObjects(lab)).filter(({ object }) => object.metadata?.namespace === home);
    assert.deepEqual(left, []);
  });
});
