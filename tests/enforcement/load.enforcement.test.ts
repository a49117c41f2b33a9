/** A thousand users of the shop at once, while its policies are changed. */
import assert from "node:assert/strict";
import type { EnforcerName, LabObject, LabProbe } from "../../lab/datapath/index";
import { crowd } from "../../lab/datapath/index";
import { dialectsOf } from "../../lab/whole-way/index";
import { skipWithoutCalico } from "./calico";
import { declaredBy } from "../../lab/examples/index";
import { declaredWorld } from "./declared";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { putUp } from "./world";

const [shop] = declaredBy("shop");
const users = 1000;

/** From the edge to the database, as the shop declares it. */
const path: readonly LabProbe[] = [
  { from: "traefik/traefik", to: "jewelry-shop/nginx", port: 80, protocol: "tcp" },
  { from: "jewelry-shop/nginx", to: "jewelry-shop/django", port: 8000, protocol: "tcp" },
  { from: "jewelry-shop/django", to: "jewelry-shop/pgbouncer", port: 5432, protocol: "tcp" },
  { from: "jewelry-shop/pgbouncer", to: "jewelry-shop/postgresql", port: 5432, protocol: "tcp" },
];

const suiteOn = (cni: EnforcerName) => (): void => {
  const declaration = { ...shop.declaration, dialect: dialectsOf[cni][0] };
  const world = declaredWorld(declaration, [...shop.applications, ...shop.platform]);
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    if (cni === "calico") await skipWithoutCalico(this);
    on = await sharedDatapath({ cni });
    // the cluster's own DNS server is there already
    await putUp(on.cluster, { ...world, pods: world.pods.filter(({ namespace }) => namespace !== "kube-system") });
    const states = await on.cluster.apply(world.policies);
    assert.deepEqual(new Set(states.map(({ state }) => state)), new Set(["enforced"]));
  });

  after(async function () {
    this.timeout(120_000);
    await on?.cluster.remove(world.policies);
    await on?.cluster.removeNamespaces(["jewelry-shop", "traefik", "monitoring"]);
  });

  const policy = (name: string): LabObject => {
    // Calico's begin with their tier
    const found = world.policies.find(({ metadata }) => metadata.name.split(".").at(-1) === name);
    return found ?? assert.fail(`the shop has no ${name}`);
  };

  it("S4-19: a thousand users at once meet no failure while policies of other flows are changed in place", async function () {
    this.timeout(180_000);
    const other = policy("allow-sentinel-to-redis");
    const changed = JSON.parse(JSON.stringify(other).replaceAll("6379", "6380")) as LabObject;
    assert.notDeepEqual(changed, other, "the change is one");
    let changes = 0;
    let going = true;
    const running = crowd(on.cluster, path, { count: users, millis: 12_000 }).finally(() => (going = false));
    while (going) {
      await on.cluster.apply([changes % 2 === 0 ? changed : other]);
      changes += 1;
    }
    await on.cluster.apply([other]);
    const seen = await running;
    console.log(
      `      ${seen.most} connections at once, ${seen.connections} in all, ${seen.exchanges} exchanges ` +
        `(p50 ${seen.p50} µs, p99 ${seen.p99} µs, longest ${seen.max} µs), ${changes} changes of policy`,
    );
    assert.deepEqual(seen.failures, {});
    assert.ok(seen.most >= users, `${seen.most} connections were open at once`);
    assert.ok(seen.connections > users, "users came back over new connections");
    assert.ok(changes >= 2, `${changes} changes were made meanwhile`);
  });

  it("S4-19: a policy of theirs that is changed meanwhile is felt: the measurement can fail", async function () {
    this.timeout(180_000);
    const theirs = policy("allow-nginx-to-django");
    const running = crowd(on.cluster, path, { count: 40, millis: 6000, pause: 50, timeout: 1000 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await on.cluster.remove([theirs]);
    try {
      const { failures } = await running;
      console.log(`      ${JSON.stringify(failures)}`);
      assert.ok(Object.values(failures).reduce((sum, count) => sum + count, 0) > 0, "what is closed fails");
    } finally {
      await on.cluster.apply([theirs]);
    }
  });
};

for (const cni of ["cilium", "calico"] as const) describe(`enforcement: under load, with ${cni}`, suiteOn(cni));
