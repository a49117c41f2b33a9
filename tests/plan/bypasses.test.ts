import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluate } from "../../sdk/findings/index";
import type { BypassDeclaration, ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  MeshMode,
  PolicyMode,
  Tier,
  allOf,
  bypass,
  flow,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject, Peer, Verdict } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";
import { printed } from "../support/problems";

const key = "policy-bypass.pulumi-cluster-security/until";
const lastDay = "2026-12-01";
const today = "2026-11-21";
const debugged = bypass("shop/api").because("incident 7").ownedBy("platform").until(lastDay).grantedTo("sre");

const base: ClusterSecurityDeclaration = {
  namespaces: [
    // there already: its pods run before the policies come
    namespace("shop", { existing: true }),
    namespace("other"),
    namespace("ops", { tier: Tier.Platform, existing: true }),
  ],
  workloads: [
    workload("shop/web", { ports: [tcp(80)], serviceAccount: "web" }),
    workload("shop/api", { ports: [tcp(80)], serviceAccount: "api" }),
    workload("ops/agent"),
  ],
  flows: [flow("web").to("api").on(tcp(80)).because("pages show products").ownedBy("web")],
  bypasses: [debugged],
};
const nothing = "No Connections";
const everything = "All Connections";
const dialects = Object.values(Dialect);

/** A pod of a workload that somebody started beside its template's, with further labels. */
function labelled(labels: Readonly<Record<string, string>>, name = "api-1", app = "api", account = app): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels: { app, ...labels } },
    spec: { serviceAccountName: account, containers: [{ name: "main", image: "main" }] },
  };
}

const onePod = (name: string): Peer => ({ kind: "workload", id: `shop/${name}[Pod]` });
const outside: readonly Peer[] = ["8.8.8.8", "203.0.113.9", "2606:4700::1111", "10.200.0.1"].map((address) => ({
  kind: "address",
  address,
}));

function worldWith(declaration: ClusterSecurityDeclaration, ...extra: KubeObject[]): World {
  return worldOf(declaration, { extra });
}

function problemsOf(bypasses: unknown, more: object = {}): readonly { path: string; message: string; fix: string }[] {
  try {
    plan({ ...base, ...more, bypasses } as ClusterSecurityDeclaration);
  } catch (error) {
    assert.ok(error instanceof DeclarationError, String(error));
    return printed(error.problems);
  }
  return [];
}

describe("a bypass for one pod", () => {
  for (const dialect of dialects) {
    describe(dialect, () => {
      const declaration = { ...base, dialect };
      const world = worldWith(declaration, labelled({ [key]: lastDay }));
      const own = onePod("api-1");

      it("S3-10: lifts the policies of the labelled pod, in both directions", () => {
        for (const peer of outside) {
          assert.equal(open(world, own, peer), everything);
          assert.equal(open(world, peer, own), everything);
        }
        // pods that nothing holds: of tier 0
        assert.equal(open(world, own, pod("ops/agent")), everything);
        assert.equal(open(world, pod("ops/agent"), own), everything);
      });

      it("S3-10: leaves the metadata endpoints closed, and the policies of the other ends in force", () => {
        for (const { address } of metadataEndpoints) {
          assert.equal(open(world, own, { kind: "address", address }), nothing, address);
        }
        assert.equal(open(world, own, pod("shop/web")), nothing);
        assert.equal(open(world, { kind: "freshPod", namespace: "other" }, own), nothing);
      });

      it("S3-10: lifts nothing from the workload's other pods, nor from other workloads with the label", () => {
        const without = plan({ ...declaration, bypasses: [] });
        const before = worldOf(declaration, {
          standing: () => without.documents,
          extra: [labelled({ [key]: lastDay }, "web-1", "web")],
        });
        const after = worldWith(declaration, labelled({ [key]: lastDay }, "web-1", "web"));
        for (const subject of [pod("shop/api"), pod("shop/web"), onePod("web-1")]) {
          for (const peer of [...outside, pod("ops/agent"), pod("shop/web"), pod("shop/api")]) {
            assert.equal(open(after, subject, peer), open(before, subject, peer));
            assert.equal(open(after, peer, subject), open(before, peer, subject));
          }
        }
      });

      it("S3-10: takes a label with another day, and no label, for nothing", () => {
        const others = [
          labelled({ [key]: "2027-01-01" }, "late"),
          labelled({ [key]: "true" }, "true"),
          labelled({}, "plain"),
        ];
        const there = worldWith(declaration, ...others);
        for (const name of ["late", "true", "plain"]) {
          assert.equal(open(there, onePod(name), outside[0] as Peer), nothing, name);
          assert.equal(open(there, outside[0] as Peer, onePod(name)), nothing, name);
        }
      });

      it("S3-10: holds again when its last day is over, and says so", () => {
        const ended = { ...declaration, asOf: "2026-12-02" };
        const there = worldWith(ended, labelled({ [key]: lastDay }));
        assert.equal(open(there, own, outside[0] as Peer), nothing);
        assert.deepEqual(
          there.plan.warnings.filter(({ code }) => code.startsWith("bypass")).map(({ code }) => code),
          ["bypass-ended"],
        );
        assert.deepEqual(
          there.plan.bypasses.map(({ state }) => state),
          ["closed"],
        );
        assert.ok(!there.plan.documents.some(({ logicalName }) => logicalName.includes("bypass")));
        const lastDayItself = plan({ ...declaration, asOf: lastDay });
        assert.deepEqual(
          lastDayItself.bypasses.map(({ state }) => state),
          ["open"],
        );
      });

      it("S3-10: says its owner, its reason and its end where the pack's rule looks for them", () => {
        // the labelled pod, too: its policy says what a label cannot
        const found = evaluate(world.reachability, { today }).filter(({ id }) => id === "bypass-undocumented");
        assert.deepEqual(
          found.map(({ severity }) => severity),
          ["info"],
        );
        // the rule looks: it objects when the day is over, or when nothing is said
        const late = evaluate(world.reachability, { today: "2026-12-02" }).filter(
          ({ id }) => id === "bypass-undocumented",
        );
        assert.ok(late.some(({ severity }) => severity === "high"));
        const silent = worldOf(declaration, {
          standing: ({ documents }) =>
            documents.map((document) => {
              const { annotations: _, ...metadata } = document.object.metadata;
              return { ...document, object: { ...document.object, metadata } };
            }),
        });
        const undocumented = evaluate(silent.reachability, { today }).filter(({ id }) => id === "bypass-undocumented");
        assert.deepEqual(
          undocumented.map(({ severity }) => severity),
          ["high"],
        );
      });

      it("is one more policy and the guard of its label, and cuts no declared flow at any moment", () => {
        const { documents } = plan(declaration);
        const added = documents.filter(({ logicalName }) => logicalName.includes("bypass"));
        assert.deepEqual(added.map(({ object, stage }) => [object.kind, stage]).sort(), [
          [dialect === Dialect.Cilium ? "CiliumNetworkPolicy" : "NetworkPolicy", "flows"],
          ["ValidatingAdmissionPolicy", "platform"],
          ["ValidatingAdmissionPolicyBinding", "platform"],
        ]);
        for (let count = 0; count <= documents.length; count += 1) {
          const there = worldOf(declaration, {
            standing: () => documents.slice(0, count),
            extra: [labelled({ [key]: lastDay })],
          });
          const call = { source: pod("shop/web"), destination: own, protocol: "TCP", port: 80 } as const;
          const verdict: Verdict = there.reachability.verdict(call);
          assert.equal(verdict, "allowed", `after ${count} policies`);
        }
      });
    });
  }

  it("S3-10: keeps explicit denies of a workload and of a tenant's boundary, in every dialect", () => {
    const tenants = [
      { name: "shop", namespaces: ["shop"] },
      { name: "other", namespaces: ["other"] },
    ];
    const workloads = [
      workload("shop/web", { ports: [tcp(80)] }),
      workload("shop/api", { ports: [tcp(80)], denyExternal: true }),
      workload("other/neighbour"),
    ];
    for (const dialect of dialects) {
      const flows = [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")];
      const cluster = {
        podCidrs: ["10.244.0.0/16"],
        apiServer: { cidrs: ["10.96.0.1/32"] },
        nodeCidrs: ["192.168.77.0/24"],
      };
      const declaration = { ...base, dialect, tenants, workloads, flows, cluster };
      const there = worldWith(declaration, labelled({ [key]: lastDay }, "api-1", "api", "default"));
      // without policies on the neighbour's side
      const bare = worldOf(declaration, {
        standing: ({ documents }) =>
          documents.filter(({ home, stage }) => home !== "other" && stage !== "default-deny"),
        extra: [labelled({ [key]: lastDay }, "api-1", "api", "default")],
      });
      assert.equal(open(there, { kind: "address", address: "203.0.113.9" }, onePod("api-1")), nothing, dialect);
      assert.equal(open(bare, pod("other/neighbour"), onePod("api-1")), nothing, dialect);
      assert.equal(open(there, onePod("api-1"), { kind: "address", address: "203.0.113.9" }), everything, dialect);
    }
  });

  it("S3-10: covers any labelled pod of a namespace where the declaration says so, and of no other namespace", () => {
    for (const dialect of dialects) {
      const wide = bypass(allOf("shop")).because("incident 8").ownedBy("platform").until(lastDay).grantedTo("sre");
      const there = worldWith({ ...base, dialect, bypasses: [wide] }, labelled({ [key]: lastDay }, "x", "unheard-of"));
      assert.equal(open(there, onePod("x"), outside[0] as Peer), everything, dialect);
      const elsewhere: Peer = { kind: "freshPod", namespace: "other", labels: { [key]: lastDay } };
      assert.equal(open(there, elsewhere, outside[0] as Peer), nothing, dialect);
    }
  });

  it("S3-10: lets the mesh pass calls to it, and keeps mutual authentication", () => {
    const { documents } = plan({ ...base, mesh: { mode: MeshMode.Sidecar } });
    const mesh = documents.filter(({ stage, logicalName }) => stage === "mesh" && logicalName.includes("bypass"));
    assert.deepEqual(
      mesh.map(({ object }) => [object.kind, object["spec"]]),
      [
        [
          "AuthorizationPolicy",
          { selector: { matchLabels: { app: "api", [key]: lastDay } }, action: "ALLOW", rules: [{}] },
        ],
      ],
    );
  });

  it("is not written where nothing is denied, but the label stays guarded", () => {
    for (const dialect of dialects) {
      const { documents } = plan({ ...base, dialect, mode: PolicyMode.Audit });
      assert.deepEqual(
        documents.filter(({ logicalName }) => logicalName.includes("bypass")).map(({ object }) => object.kind),
        ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
      );
      const audited = { ...base, cluster: { enforcerAudits: true }, mode: PolicyMode.Audit };
      if (dialect === Dialect.Calico) continue;
      const kinds = plan({ ...audited, dialect }).documents.filter(({ logicalName }) =>
        logicalName.includes("bypass-of"),
      );
      assert.equal(kinds.length, 1, dialect);
    }
  });

  it("S3-10: is in the plan's register and among its warnings", () => {
    const planned = plan({ ...base, asOf: today });
    assert.deepEqual(planned.bypasses, [
      {
        of: "shop/api",
        label: `${key}=${lastDay}`,
        grantedTo: ["sre"],
        reason: "incident 7",
        owner: "platform",
        expires: lastDay,
        state: "open",
      },
    ]);
    assert.ok(planned.warnings.some(({ code, paths }) => code === "bypass-open" && paths[0]?.includes("shop/api")));
  });

  const wrong: Readonly<Record<string, readonly [Partial<Record<keyof BypassDeclaration, unknown>>, string, RegExp]>> =
    {
      "without a reason": [{ reason: undefined }, "bypasses[0].reason", /missing/],
      "with an empty reason": [{ reason: " " }, "bypasses[0].reason", /missing/],
      "without an owner": [{ owner: undefined }, "bypasses[0].owner", /missing/],
      "without an end": [{ expires: undefined }, "bypasses[0].expires", /missing/],
      "with an end that is no date": [{ expires: "soon" }, "bypasses[0].expires", /not a date/],
      "with a day that does not exist": [{ expires: "2026-02-30" }, "bypasses[0].expires", /not a date/],
      "that everybody may use": [{ grantedTo: [] }, "bypasses[0].grantedTo", /names no group/],
      "that does not say who may use it": [{ grantedTo: undefined }, "bypasses[0].grantedTo", /names no group/],
      "of nobody": [{ workload: undefined }, "bypasses[0]", /no workload and no namespace/],
      "of a workload and a namespace": [{ namespace: "shop" }, "bypasses[0]", /a workload and a namespace/],
      "of a workload that is not declared": [{ workload: "shop/apj" }, "bypasses[0].workload", /not declared/],
      "of a workload of tier 0": [{ workload: "ops/agent" }, "bypasses[0].workload", /tier 0/],
      "with a misspelt field": [{ until: lastDay } as never, "bypasses[0].until", /not a known field/],
    };
  for (const [what, [change, path, message]] of Object.entries(wrong)) {
    it(`S3-10: is refused ${what}, with path and fix`, () => {
      const problems = problemsOf([{ ...debugged, ...change }]);
      assert.deepEqual(
        problems.map((problem) => problem.path),
        [path],
      );
      assert.match(problems[0]?.message ?? "", message);
      assert.notEqual(problems[0]?.fix, "");
    });
  }

  it("S3-10: is refused on the host network, twice for the same pods, and for other groups in one namespace", () => {
    const host = [...(base.workloads ?? []), workload("shop/node", { hostNetwork: true })];
    const onHost = problemsOf([{ ...debugged, workload: "shop/node" }], { workloads: host });
    assert.match(onHost[0]?.message ?? "", /host network/);
    assert.match(problemsOf([debugged, debugged])[0]?.message ?? "", /same pods as bypasses\[0\]/);
    const others = { ...debugged, workload: "shop/web", grantedTo: ["developers"] };
    assert.deepEqual(
      problemsOf([debugged, others]).map(({ path }) => path),
      ["bypasses[1].grantedTo"],
    );
    assert.deepEqual(problemsOf([debugged, { ...debugged, workload: "shop/web" }]), []);
  });

  it("S3-10: is refused as a label of a workload's template, which would lift the policies of all its pods", () => {
    const workloads = [workload("shop/api", { labels: { app: "api", [key]: lastDay } })];
    const problems = problemsOf([], { workloads, flows: [] });
    assert.match(problems[0]?.path ?? "", /^workloads\["shop\/api"\]\.labels/);
  });

  it("holds for every day: written until the last day, and not after it", () => {
    const day = fc.date({ min: new Date("2026-01-01"), max: new Date("2028-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(day, day, fc.constantFrom(...dialects), (end, now, dialect) => {
        const [expires, asOf] = [end, now].map((date) => date.toISOString().slice(0, 10)) as [string, string];
        const { documents, bypasses } = plan({ ...base, dialect, bypasses: [{ ...debugged, expires }], asOf });
        const isWritten = documents.some(({ object }) => object.metadata.name.includes("bypass"));
        assert.equal(isWritten, asOf <= expires);
        assert.equal(bypasses[0]?.state, isWritten ? "open" : "closed");
      }),
      { numRuns: 60 },
    );
  });
});
