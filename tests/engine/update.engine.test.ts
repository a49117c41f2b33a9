import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import type { Stack } from "@pulumi/pulumi/automation";
import { apiClient } from "../../lab/control-plane/index";
import type { Lab } from "../../lab/index";
import { ClusterSecurity, DeclarationError, DenyScope, flow, namespace, plan, tcp, workload } from "../../sdk/index";
import type { ClusterSecurityDeclaration } from "../../sdk/index";
import { TrafficSet } from "../../sdk/reachability/index";
import { allowedIn, growth } from "./allowed";
import type { Operation } from "./automation";
import { finished, openStack, operate, worlds } from "./automation";
import { liveObjects, sharedLab } from "./shared-lab";

const frontend = workload("moving/frontend", { ports: [tcp(3000)] });
const backend = workload("moving/backend", { ports: [tcp(8080), tcp(9090)] });

function declare(port: number): ClusterSecurityDeclaration {
  return {
    denyScope: DenyScope.DeclaredNamespaces,
    namespaces: [namespace("moving")],
    workloads: [frontend, backend],
    flows: [flow("frontend").to("backend").on(tcp(port)).because("pages show data").ownedBy("web")],
  };
}

function deployment(name: string, app: string, dependsOn: ClusterSecurity): k8s.apps.v1.Deployment {
  const labels = { app };
  return new k8s.apps.v1.Deployment(
    name,
    {
      metadata: { name: app, namespace: "moving", annotations: { "pulumi.com/skipAwait": "true" } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: app, image: "busybox:1.37" }] } },
      },
    },
    { dependsOn },
  );
}

const policiesPath = "/apis/cilium.io/v2/namespaces/moving/ciliumnetworkpolicies";

/** Writes into the cluster as kubectl would: the provider sees it as drift. */
async function byHand(lab: Lab, method: "PATCH" | "DELETE", path: string, body?: unknown): Promise<void> {
  const client = apiClient(lab.controlPlane);
  try {
    const query = method === "PATCH" ? "?fieldManager=kubectl-edit" : "";
    const answer = await client.call(method, `${path}${query}`, body, "application/merge-patch+json");
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  } finally {
    client.close();
  }
}

describe("a stack that changes, on a real engine and a real API server", () => {
  let lab: Lab;
  let stack: Stack;
  let created: Operation;
  let port = 8080;
  let componentName = "security";
  let formerName: string | undefined;

  before(async () => {
    lab = await sharedLab();
    stack = await openStack({
      project: "update",
      stack: "test",
      lab,
      program: async () => {
        const aliases = formerName === undefined ? [] : [{ name: formerName }];
        const security = new ClusterSecurity(componentName, declare(port), { aliases });
        deployment("frontend", "frontend", security);
        deployment("backend", "backend", security);
      },
    });
    created = await operate(stack, "up");
    assert.equal(created.error, undefined);
  });

  after(async () => {
    assert.equal((await operate(stack, "destroy")).error, undefined);
  });

  it("S0-15, S3-16 changes a flow's port in place: nothing is replaced, nothing undeclared opens on the way, nothing kept is cut", async () => {
    const before = await liveObjects(lab);
    const standing = [...worlds(created)].at(-1)?.objects;
    port = 9090;
    const changed = await operate(stack, "up");
    assert.equal(changed.error, undefined);
    const steps = finished(changed).filter((step) => step.op !== "same");
    assert.ok(steps.length > 0);
    for (const step of steps) assert.equal(step.op, "update", `${step.op} ${step.name}`);
    const after = await liveObjects(lab);
    const opened = growth(allowedIn(before, ["moving"]), allowedIn(after, ["moving"]));
    assert.deepEqual(opened, ["moving/frontend[Deployment] → moving/backend[Deployment]: TCP 9090"]);
    const closed = growth(allowedIn(after, ["moving"]), allowedIn(before, ["moving"]));
    assert.deepEqual(closed, ["moving/frontend[Deployment] → moving/backend[Deployment]: TCP 8080"]);

    // stopped after any step: nothing is open that neither the old nor the new declaration opens, nothing cut that both do
    const [first, last] = [allowedIn(before, ["moving"]), allowedIn(after, ["moving"])];
    const none = TrafficSet.none();
    let compared = 0;
    for (const { step, objects } of worlds(changed, standing)) {
      const now = allowedIn(objects.values(), ["moving"]);
      for (const pair of new Set([first, last, now].flatMap(({ pairs }) => [...pairs.keys()]))) {
        const [was, is, will] = [first, now, last].map(({ pairs }) => pairs.get(pair) ?? none) as [
          TrafficSet,
          TrafficSet,
          TrafficSet,
        ];
        const undeclared = is.subtract(was).subtract(will);
        const cut = was.subtract(was.subtract(will)).subtract(is);
        assert.deepEqual(
          [undeclared.toString(), cut.toString()],
          Array(2).fill(none.toString()),
          `${step.name}: ${pair}`,
        );
        compared += 1;
      }
    }
    assert.ok(compared > 0);
  });

  it("renames the component without replacing anything when an alias names it: only the name of its owner changes", async () => {
    const before = allowedIn(await liveObjects(lab), ["moving"]);
    formerName = componentName;
    componentName = "cluster-security";
    const renamed = await operate(stack, "up");
    assert.equal(renamed.error, undefined);
    const touched = finished(renamed).filter(
      (step) => step.type.startsWith("kubernetes:") && step.op !== "same" && step.op !== "read",
    );
    assert.deepEqual([...new Set(touched.map(({ op }) => op))], ["update"]);
    const standing = allowedIn(await liveObjects(lab), ["moving"]);
    assert.deepEqual([growth(before, standing), growth(standing, before)], [[], []]);
  });

  it("finds what was changed by hand and repairs it", async () => {
    const denied = allowedIn(await liveObjects(lab), ["moving"]);
    const list = apiClient(lab.controlPlane);
    const names = (
      (await list.call("GET", policiesPath)).body as { items: { metadata: { name: string } }[] }
    ).items.map((item) => item.metadata.name);
    list.close();
    const opened = names.find((name) => name.includes("frontend"));
    assert.ok(opened, names.join(", "));
    await byHand(lab, "PATCH", `${policiesPath}/${opened}`, {
      spec: { ingress: [{ fromEntities: ["all"] }], egress: [{ toEntities: ["all"] }] },
    });
    const drifted = allowedIn(await liveObjects(lab), ["moving"]);
    assert.notDeepEqual(growth(denied, drifted), []);

    const found = await operate(stack, "refresh");
    assert.equal(found.error, undefined);
    assert.ok(finished(found).some((step) => step.op === "update" && step.urn.includes("CiliumNetworkPolicy")));
    const repaired = await operate(stack, "up");
    assert.equal(repaired.error, undefined);
    const standing = allowedIn(await liveObjects(lab), ["moving"]);
    assert.deepEqual(growth(denied, standing), []);
    assert.deepEqual(growth(standing, denied), []);
  });

  it("puts back what was deleted by hand", async () => {
    const before = allowedIn(await liveObjects(lab), ["moving"]);
    const deny = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies/default-deny-all";
    await byHand(lab, "DELETE", deny);
    assert.notDeepEqual(growth(before, allowedIn(await liveObjects(lab), ["moving"])), []);
    const repaired = await operate(stack, "up", { refresh: true });
    assert.equal(repaired.error, undefined);
    assert.deepEqual(growth(before, allowedIn(await liveObjects(lab), ["moving"])), []);
  });

  it("refuses a bad declaration with path and fix before anything is registered", async () => {
    const bad: ClusterSecurityDeclaration = {
      ...declare(8080),
      flows: [flow("frontend").to("nobody").on(tcp(70000)).because("a slip").ownedBy("web")],
    };
    assert.throws(() => plan(bad), DeclarationError);
    const refused = await openStack({
      project: "refused",
      stack: "test",
      lab,
      program: async () => void new ClusterSecurity("security", bad),
    });
    const operation = await operate(refused, "up");
    assert.match(operation.error ?? "", /flows\[0\]\.to/);
    assert.match(operation.error ?? "", /flows\[0\]\.ports\[0\]/);
    assert.deepEqual(
      finished(operation).filter((step) => step.type !== "pulumi:pulumi:Stack"),
      [],
    );
  });

  it("keeps every world of the run readable: no step left an object the engine cannot judge", async () => {
    const again = await operate(stack, "up");
    assert.equal(again.error, undefined);
    for (const world of worlds(again)) assert.equal(world.step.op, "same", world.step.name);
  });
});
