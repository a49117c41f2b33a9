import assert from "node:assert/strict";
import fc from "fast-check";
import type { BreakGlassDeclaration, ClusterSecurityDeclaration, NamespaceGrants, Plan } from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  MeshMode,
  Tier,
  bypassPolicy,
  durationText,
  flow,
  namespace,
  plan,
  readGrants,
  secondsOf,
  tcp,
  timerJob,
  timerLabel,
  timerName,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { printed } from "../support/problems";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";

const grant: BreakGlassDeclaration = {
  name: "oncall",
  grantedTo: ["sre"],
  workloads: ["shop/api"],
  reason: "incidents at night",
  owner: "platform",
};

const base: ClusterSecurityDeclaration = {
  cluster: {
    podCidrs: ["10.244.0.0/16"],
    apiServer: { cidrs: ["10.96.0.1/32"] },
    nodeCidrs: ["192.168.77.0/24"],
  },
  namespaces: [namespace("shop"), namespace("other"), namespace("ops", { tier: Tier.Platform, existing: true })],
  workloads: [
    workload("shop/web", { ports: [tcp(80)] }),
    workload("shop/api", { ports: [tcp(80)] }),
    workload("shop/db", { ports: [tcp(5432)], denyExternal: true }),
    workload("other/neighbour"),
    workload("ops/agent"),
    workload("shop/node", { hostNetwork: true }),
  ],
  flows: [flow("web").to("api").on(tcp(80)).because("pages show products").ownedBy("web")],
  breakGlass: [grant],
};

const nothing = "No Connections";
const everything = "All Connections";
const dialects = Object.values(Dialect);
const timer = timerName("oncall", "k3j9x2ab");
const outside: Peer = { kind: "address", address: "203.0.113.9" };
const statement = {
  timer,
  namespace: "shop",
  of: "shop/api",
  owner: "shop",
  reason: "incident 7",
  requester: "eve",
};

/** What the admission policy of a namespace holds. */
function grantsOf({ documents }: Plan, home = "shop"): NamespaceGrants {
  const found = documents.flatMap(({ object }) => {
    const read = readGrants(object.metadata.annotations ?? {});
    return read?.namespace === home ? [read] : [];
  });
  assert.equal(found.length, 1, `grants in ${home}`);
  return found[0] as NamespaceGrants;
}

/** A bypass as the command line opens it, for the first subject of the first grant. */
function opened(planned: Plan, home = "shop"): KubeObject[] {
  const [first] = grantsOf(planned, home).grants;
  const policies = first?.subjects[0]?.policies ?? assert.fail("no policies");
  return policies.map((policy) => bypassPolicy(statement, policy, "uid-1", "2026-12-01T02:00:00Z"));
}

function labelled(app: string, name = `${app}-1`, value = timer): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels: { app, [timerLabel]: value } },
    spec: { containers: [{ name: "main", image: "main" }] },
  };
}

const onePod = (name: string): Peer => ({ kind: "workload", id: `shop/${name}[Pod]` });

function openedWorld(declaration: ClusterSecurityDeclaration, ...pods: KubeObject[]): World {
  return worldOf(declaration, { extra: [...opened(plan(declaration)), ...pods] });
}

function problemsOf(breakGlass: unknown): readonly { path: string; message: string; fix: string }[] {
  try {
    plan({ ...base, breakGlass } as ClusterSecurityDeclaration);
  } catch (error) {
    assert.ok(error instanceof DeclarationError, String(error));
    return printed(error.problems);
  }
  return [];
}

describe("break glass: what an open bypass opens", () => {
  for (const dialect of dialects) {
    const declaration = { ...base, dialect };

    describe(dialect, () => {
      it("S3-29: opens the labelled pod to both sides, and no other pod", () => {
        const world = openedWorld(
          declaration,
          labelled("api"),
          labelled("web"),
          labelled("api", "late", "break-glass-x"),
        );
        const shut = worldOf(declaration, { extra: [labelled("api")] });
        for (const peer of [outside, pod("ops/agent")]) {
          assert.equal(open(shut, onePod("api-1"), peer), nothing);
          assert.equal(open(shut, peer, onePod("api-1")), nothing);
          assert.equal(open(world, onePod("api-1"), peer), everything);
          assert.equal(open(world, peer, onePod("api-1")), everything);
          for (const other of [pod("shop/api"), onePod("web-1"), onePod("late")]) {
            assert.equal(open(world, other, peer), nothing);
            assert.equal(open(world, peer, other), nothing);
          }
        }
      });

      it("S3-29: keeps metadata endpoints closed, and the policies of the other ends in force", () => {
        const world = openedWorld(declaration, labelled("api"));
        for (const { address } of metadataEndpoints) {
          assert.equal(open(world, onePod("api-1"), { kind: "address", address }), nothing, address);
        }
        assert.equal(open(world, onePod("api-1"), pod("shop/db")), nothing);
        assert.equal(open(world, { kind: "freshPod", namespace: "other" }, onePod("api-1")), nothing);
      });

      it("S3-29: keeps a workload closed that denies the outside, also where its whole namespace is granted", () => {
        for (const change of [{ workloads: ["shop/db"] }, { workloads: [], namespaces: ["shop"] }]) {
          const granted = { ...declaration, breakGlass: [{ ...grant, ...change }] };
          const world = openedWorld(granted, labelled("db"));
          assert.equal(open(world, outside, onePod("db-1")), nothing);
          assert.equal(open(world, onePod("db-1"), outside), everything);
          assert.equal(open(world, pod("ops/agent"), onePod("db-1")), everything);
        }
      });

      it("S3-29: keeps the boundary of a tenant, whatever the neighbour's own policies are", () => {
        const tenants = [
          { name: "shop", namespaces: ["shop"] },
          { name: "other", namespaces: ["other"] },
        ];
        for (const change of [{}, { workloads: [], namespaces: ["shop"] }]) {
          const owned = { ...declaration, tenants, breakGlass: [{ ...grant, ...change }] };
          const whole = openedWorld(owned, labelled("api"));
          assert.equal(open(whole, onePod("api-1"), pod("other/neighbour")), nothing);
          assert.equal(open(whole, pod("other/neighbour"), onePod("api-1")), nothing);
          const bare = worldOf(owned, {
            standing: ({ documents }) =>
              documents.filter(({ home, stage }) => home !== "other" && stage !== "default-deny"),
            extra: [...opened(plan(owned)), labelled("api")],
          });
          assert.equal(open(bare, pod("other/neighbour"), onePod("api-1")), nothing);
        }
      });

      it("S3-29: opens nothing by itself: without an open bypass the grant changes no path", () => {
        const without = worldOf({ ...declaration, breakGlass: [] }, { extra: [labelled("api")] });
        const granted = worldOf(declaration, { extra: [labelled("api")] });
        for (const peer of [outside, pod("ops/agent"), pod("shop/web"), pod("shop/db")]) {
          assert.equal(open(granted, onePod("api-1"), peer), open(without, onePod("api-1"), peer));
          assert.equal(open(granted, peer, onePod("api-1")), open(without, peer, onePod("api-1")));
        }
        const added = granted.plan.documents.filter(({ logicalName }) => logicalName.includes("break-glass"));
        assert.deepEqual([...new Set(added.map(({ object }) => object.kind))].sort(), [
          "ValidatingAdmissionPolicy",
          "ValidatingAdmissionPolicyBinding",
        ]);
      });

      it("S3-29: is namespaced, and owned by its timer: a clusterwide object could not have such an owner", () => {
        for (const policy of opened(plan(declaration))) {
          assert.equal(policy.metadata?.namespace, "shop");
          assert.doesNotMatch(String(policy.kind), /Cluster|Global/);
          const owners = (policy.metadata as { ownerReferences?: unknown }).ownerReferences;
          assert.deepEqual(owners, [{ apiVersion: "batch/v1", kind: "Job", name: timer, uid: "uid-1" }]);
        }
      });
    });
  }

  it("S3-29: lets the mesh pass calls, too", () => {
    const planned = plan({ ...base, mesh: { mode: MeshMode.Sidecar, namespaces: ["shop"] } });
    assert.deepEqual(
      opened(planned).map(({ kind, spec }) => [kind, (spec as { action?: string }).action]),
      [
        ["CiliumNetworkPolicy", undefined],
        ["AuthorizationPolicy", "ALLOW"],
      ],
    );
  });

  it("S3-29: is written as Calico's API server stores it, which is what its admission policy sees", () => {
    const [policy] = opened(plan({ ...base, dialect: Dialect.Calico }));
    const { ingress, egress } = policy?.spec as { ingress: unknown; egress: unknown };
    const stored = [{ action: "Allow", source: {}, destination: {} }];
    assert.deepEqual([ingress, egress], [stored, stored]);
  });

  it("S3-29: is ended by a Job that starts no pod and deletes itself", () => {
    const job = timerJob(statement, 7200);
    const spec = job.spec as Record<string, unknown>;
    assert.equal(job.metadata?.name, timer);
    assert.deepEqual(job.metadata?.labels?.[timerLabel], timer);
    assert.deepEqual(
      [spec["parallelism"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]],
      [0, 7200, 0],
    );
  });
});

describe("break glass: the grant", () => {
  it("S3-29: is in the register of the plan, with its groups, its longest time, its owner and its reason", () => {
    const { breakGlass } = plan({ ...base, breakGlass: [{ ...grant, namespaces: ["other"], maxDuration: "90m" }] });
    assert.deepEqual(breakGlass, [
      {
        name: "oncall",
        of: ["shop/api", "namespace other"],
        grantedTo: ["sre"],
        maxSeconds: 5400,
        reason: "incidents at night",
        owner: "platform",
      },
    ]);
    assert.equal(plan(base).breakGlass[0]?.maxSeconds, 8 * 3600);
  });

  it("S3-29: has one set of guards for each namespace, whatever the number of grants", () => {
    const second = { ...grant, name: "second", workloads: [], namespaces: ["shop", "other"], grantedTo: ["dba"] };
    const planned = plan({ ...base, breakGlass: [grant, second] });
    assert.deepEqual(
      grantsOf(planned).grants.map(({ name }) => name),
      ["oncall", "second"],
    );
    assert.deepEqual(
      grantsOf(planned, "other").grants.map(({ name }) => name),
      ["second"],
    );
    const names = planned.documents
      .map(({ logicalName }) => logicalName)
      .filter((name) => name.includes("break-glass"));
    assert.equal(names.length, 12);
    assert.equal(new Set(names).size, 12);
  });

  const wrong: Readonly<Record<string, readonly [object, string, RegExp]>> = {
    "without a name": [{ name: undefined }, "breakGlass[0].name", /not a string/],
    "with a name that is too long": [{ name: "a".repeat(33) }, "breakGlass[0].name", /not a name/],
    "with a name that is no label": [{ name: "On call" }, "breakGlass[0].name", /not a name/],
    "without a reason": [{ reason: undefined }, "breakGlass[0].reason", /missing/],
    "with an empty owner": [{ owner: " " }, "breakGlass[0].owner", /missing/],
    "for nobody": [{ grantedTo: [] }, "breakGlass[0].grantedTo", /names no group/],
    "for everybody": [{ grantedTo: ["system:authenticated"] }, "breakGlass[0].grantedTo[0]", /not of people/],
    "for administrators": [{ grantedTo: ["sre", "system:masters"] }, "breakGlass[0].grantedTo[1]", /not of people/],
    "of nothing": [{ workloads: [] }, "breakGlass[0]", /no workload and no namespace/],
    "of what is not declared": [{ workloads: ["shop/apj"] }, "breakGlass[0].workloads[0].workload", /not declared/],
    "of tier 0": [{ namespaces: ["ops"] }, "breakGlass[0].namespaces[0]", /tier 0/],
    "of the host network": [{ workloads: ["shop/node"] }, "breakGlass[0].workloads[0]", /host network/],
    "twice of the same": [{ workloads: ["shop/api", "api"] }, "breakGlass[0].workloads[1]", /named twice/],
    "with a time that is none": [{ maxDuration: "soon" }, "breakGlass[0].maxDuration", /not a duration/],
    "with no time": [{ maxDuration: "0h" }, "breakGlass[0].maxDuration", /not a duration/],
    "with a time that is too long": [{ maxDuration: "169h" }, "breakGlass[0].maxDuration", /too long/],
    "with a misspelt field": [{ maxduration: "1h" }, "breakGlass[0].maxduration", /not a known field/],
  };
  for (const [what, [change, path, message]] of Object.entries(wrong)) {
    it(`S3-29: is refused ${what}, with path and fix`, () => {
      const problems = problemsOf([{ ...grant, ...change }]);
      assert.deepEqual(
        problems.map((problem) => problem.path),
        [path],
      );
      assert.match(problems[0]?.message ?? "", message);
      assert.notEqual(problems[0]?.fix, "");
    });
  }

  it("S3-29: is refused with the name of another, and as anything but an object", () => {
    assert.match(problemsOf([grant, { ...grant, workloads: ["shop/web"] }])[0]?.message ?? "", /is the name of/);
    assert.match(problemsOf(["oncall"])[0]?.message ?? "", /not a grant/);
  });

  it("reads and writes durations alike", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (seconds) => {
        assert.equal(secondsOf(durationText(seconds)), seconds);
      }),
    );
    assert.deepEqual(["2d", "1h30m", "90m", "45s", "8", "", "h", "-1h", "1h 30m"].map(secondsOf), [
      172_800,
      5400,
      5400,
      45,
      ...Array.from({ length: 5 }, () => undefined),
    ]);
  });
});
