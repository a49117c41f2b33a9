import assert from "node:assert/strict";
import fc from "fast-check";
import {
  buildSnapshot,
  profileFor,
  compile,
  countPaths,
  diff,
  formatAddress,
  parseAddress,
  type KubeObject,
  type PathDifference,
  type Peer,
  type Reachability,
} from "../../sdk/reachability";

const names = ["a", "b", "c"];
const pods: KubeObject[] = names.map((name) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "n", labels: { app: name } },
  spec: { containers: [{ name: "main" }] },
}));

/** Ranges are about the world only: pods here have no addresses. */
const profile = { ...profileFor("kubernetes"), unknownPodAddresses: "outside-cidrs" } as const;

/** Few ports and few borders, so that random policies meet. */
const port = fc.constantFrom(80, 443);
const cidr = fc.constantFrom(
  ...["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "169.254.169.254/32", "128.0.0.0/1", "::/0", "fd00::/8"],
);
const peer = fc.oneof(
  fc.constantFrom(...names).map((name) => ({ podSelector: { matchLabels: { app: name } } })),
  cidr.map((each) => ({ ipBlock: { cidr: each } })),
);
const rule = (end: "from" | "to") =>
  fc.record({
    [end]: fc.array(peer, { minLength: 1, maxLength: 2 }),
    ports: fc.array(
      port.map((each) => ({ port: each })),
      { minLength: 1, maxLength: 2 },
    ),
  });
const policy = fc
  .record({
    app: fc.constantFrom(...names),
    types: fc.constantFrom<readonly string[]>(["Ingress"], ["Egress"], ["Ingress", "Egress"]),
    ingress: fc.array(rule("from"), { maxLength: 2 }),
    egress: fc.array(rule("to"), { maxLength: 2 }),
  })
  .map(({ app, types, ingress, egress }) => ({
    podSelector: { matchLabels: { app } },
    policyTypes: types,
    ...(types.includes("Ingress") ? { ingress } : {}),
    ...(types.includes("Egress") ? { egress } : {}),
  }));
const policies = fc.array(policy, { maxLength: 4 });

function reachabilityOf(specs: readonly unknown[], others: readonly KubeObject[] = []): Reachability {
  const objects: KubeObject[] = specs.map((spec, index) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `p${index}`, namespace: "n" },
    spec,
  }));
  return compile(
    buildSnapshot(
      [...pods, ...objects, ...others].map((object) => ({ object })),
      { profile },
    ),
  );
}

function differ(before: Reachability, after: Reachability): PathDifference[] {
  return [...diff(before, after)];
}

/** Addresses on both sides of every border above, and some between. */
const addresses = [
  "0.0.0.0",
  "10.0.255.255",
  "10.1.0.0",
  "10.1.2.2",
  "10.1.2.3",
  "10.1.2.4",
  "10.2.0.0",
  "127.255.255.255",
]
  .concat(["128.0.0.0", "169.254.169.253", "169.254.169.254", "169.254.169.255", "255.255.255.255"])
  .concat(["::", "2001:db8::1", "fcff:ffff::", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"]);

function contains(range: string, address: string): boolean {
  const [first = "", last = ""] = range.replace("[External]", "").split("-");
  const [from, to, value] = [parseAddress(first), parseAddress(last), parseAddress(address)];
  assert.ok(from && to && value, `${range} ${address}`);
  return from.family === value.family && from.value <= value.value && value.value <= to.value;
}

describe("diff of two snapshots", () => {
  it("agrees with the verdicts of both snapshots, pair by pair and address by address", () => {
    let compared = 0;
    fc.assert(
      fc.property(policies, policies, (one, other) => {
        const [before, after] = [reachabilityOf(one), reachabilityOf(other)];
        const differences = differ(before, after);
        const workloads = names.map((name): [string, Peer] => [
          `n/${name}[Pod]`,
          { kind: "workload", id: `n/${name}[Pod]` },
        ]);
        const world = addresses.map((address): [string, Peer] => [address, { kind: "address", address }]);
        const check = (source: [string, Peer], destination: [string, Peer]): void => {
          const matches = (id: string, name: string): boolean =>
            id.endsWith("[External]") ? !name.includes("/") && contains(id, name) : id === name;
          const found = differences.filter(
            (each) => matches(each.sourceId, source[0]) && matches(each.destinationId, destination[0]),
          );
          const was = before.traffic(source[1], destination[1]);
          const is = after.traffic(source[1], destination[1]);
          const same = was.allowed === is.allowed && was.possible === is.possible;
          assert.equal(found.length, same ? 0 : 1, `${source[0]} -> ${destination[0]}`);
          if (found[0]) assert.deepEqual([found[0].before, found[0].after], [was, is]);
          compared += 1;
        };
        for (const workload of workloads) {
          for (const other of workloads) if (other !== workload) check(workload, other);
          for (const address of world) {
            check(workload, address);
            check(address, workload);
          }
        }
      }),
      { numRuns: 150 },
    );
    assert.ok(compared > 10_000, String(compared));
  });

  it("says what became of each path: opened, closed, changed; what opens and what closes", () => {
    fc.assert(
      fc.property(policies, policies, (one, other) => {
        const [before, after] = [reachabilityOf(one), reachabilityOf(other)];
        const [there, back] = [differ(before, after), differ(after, before)];
        for (const { change, opens, closes, before: was, after: is } of there) {
          assert.equal(change === "opened", was.possible.isEmpty());
          assert.equal(change === "closed", is.possible.isEmpty());
          assert.ok(opens || closes, "a difference does one of both");
          if (change === "opened") assert.deepEqual([opens, closes], [true, false]);
          if (change === "closed") assert.deepEqual([opens, closes], [false, true]);
          assert.equal(opens, !is.possible.subtract(was.possible).isEmpty());
          assert.equal(closes, !was.possible.subtract(is.possible).isEmpty());
        }
        const [counts, reverse] = [countPaths(there), countPaths(back)];
        assert.deepEqual(counts, { opened: reverse.closed, closed: reverse.opened, changed: reverse.changed });
      }),
      { numRuns: 200 },
    );
  });

  it("with holes in a snapshot nothing of it is allowed for certain", () => {
    fc.assert(
      fc.property(policies, policies, (one, other) => {
        const [before, after] = [reachabilityOf(one), reachabilityOf(other)];
        for (const each of diff(before, after, { holes: { after: true } })) assert.ok(each.after.allowed.isEmpty());
        for (const each of diff(before, before, { holes: { before: true } })) {
          assert.ok(each.before.allowed.isEmpty() && !each.after.allowed.isEmpty());
          assert.deepEqual([each.change, each.opens], ["changed", true]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("a snapshot has no difference to itself, nor to the same rules cut differently", () => {
    fc.assert(
      fc.property(policies, (specs) => {
        assert.deepEqual(differ(reachabilityOf(specs), reachabilityOf([...specs].reverse())), []);
      }),
      { numRuns: 100 },
    );
    const to = (...cidrs: string[]): unknown => ({
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: cidrs.map((each) => ({ ipBlock: { cidr: each } })) }],
    });
    assert.deepEqual(differ(reachabilityOf([to("0.0.0.0/0")]), reachabilityOf([to("0.0.0.0/1", "128.0.0.0/1")])), []);
  });

  it("every difference has a cause, and the cause is an object that differs", () => {
    fc.assert(
      fc.property(policies, policies, (one, other) => {
        const [before, after] = [reachabilityOf(one), reachabilityOf(other)];
        for (const { causes } of differ(before, after)) {
          assert.ok(causes.length > 0);
          for (const cause of causes) {
            const index = Number(cause.name.slice(1));
            assert.notDeepEqual(one[index], other[index], cause.name);
            assert.equal(cause.change, index >= one.length ? "added" : index >= other.length ? "removed" : "changed");
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it("names the same causes whether it can tell at a glance or has to explain each path", () => {
    // a Service that changes somewhere else might matter, so every path is explained
    const service = (port: number): KubeObject => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "elsewhere", namespace: "m" },
      spec: { selector: { app: "none" }, ports: [{ port }] },
    });
    const causes = (differences: readonly PathDifference[]): unknown[] =>
      differences.map((each) => [each.sourceId, each.destinationId, each.causes.map(({ name }) => name).sort()]);
    let several = 0;
    fc.assert(
      fc.property(policies, policies, (one, other) => {
        const glance = differ(reachabilityOf(one), reachabilityOf(other));
        const explained = differ(reachabilityOf(one, [service(80)]), reachabilityOf(other, [service(81)]));
        assert.deepEqual(causes(glance), causes(explained));
        if (glance.length > 1) several++;
      }),
      { numRuns: 150 },
    );
    assert.ok(several > 50, String(several));
  });

  it("names the policy that did it, and not one that changed without effect", () => {
    const deny = { podSelector: { matchLabels: { app: "b" } }, policyTypes: ["Ingress"] };
    const idle = (key: string): unknown => ({ podSelector: { matchLabels: { app: key } }, policyTypes: ["Ingress"] });
    const before = reachabilityOf([idle("nobody"), { ...deny, ingress: [{}] }]);
    const after = reachabilityOf([idle("none"), deny]);
    const differences = differ(before, after);
    assert.ok(differences.length > 0);
    for (const { change, destinationId, causes } of differences) {
      assert.equal(change, "closed");
      assert.equal(destinationId, "n/b[Pod]");
      assert.deepEqual(
        causes.map(({ name, change: what }) => [name, what]),
        [["p1", "changed"]],
      );
    }
  });

  it("a new workload is the cause of its paths; a relabelled one of those it gains", () => {
    const extra: KubeObject = { ...(pods[0] as KubeObject), metadata: { name: "d", namespace: "n", labels: {} } };
    for (const { change, causes } of differ(reachabilityOf([]), reachabilityOf([], [extra]))) {
      assert.equal(change, "opened");
      assert.deepEqual(
        causes.map((cause) => [cause.kind, cause.name, cause.change]),
        [["Pod", "d", "added"]],
      );
    }
    const closed = [{ podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Ingress"] }];
    const relabelled: KubeObject = { ...extra, metadata: { name: "d", namespace: "n", labels: { app: "a" } } };
    const differences = differ(reachabilityOf(closed, [extra]), reachabilityOf(closed, [relabelled]));
    assert.ok(differences.length > 0);
    for (const { causes } of differences) {
      assert.deepEqual(
        causes.map((cause) => [cause.name, cause.change]),
        [["d", "changed"]],
      );
    }
  });

  it("ranges are written as the matrix writes them", () => {
    const open = { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Egress"] };
    const [first] = differ(
      reachabilityOf([open]),
      reachabilityOf([{ ...open, egress: [{ to: [{ ipBlock: { cidr: "::/0" } }] }] }]),
    );
    const last = formatAddress({ family: 6, value: 2n ** 128n - 1n });
    assert.equal(first?.destinationId, `::-${last}[External]`);
  });
});
