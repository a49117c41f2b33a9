/** What the run of an example over the datapath counts as a problem, and which policy it deletes by hand. Needs no datapath. */
import assert from "node:assert/strict";
import type { Probe } from "../../sdk/cluster/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { policyThatMatters } from "../../lab/whole-way/by-hand";
import { judgeObjects } from "../../lab/whole-way/expected";
import type { WholeWayResult } from "../../lab/whole-way/index";
import { examplesTable, problemsOf } from "../../lab/whole-way/index";

const pod = (name: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { containers: [{ name, image: name, ports: [{ containerPort: 80 }] }] },
});

const policy = (name: string, spec: object): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "shop" },
  spec,
});

const namespaceShop: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } };
const denyAll = policy("default-deny-all", { podSelector: {}, policyTypes: ["Ingress"] });
const denyAgain = policy("deny-again", { podSelector: {}, policyTypes: ["Ingress"] });
const allowWeb = policy("allow-web", {
  podSelector: { matchLabels: { app: "db" } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }] }],
});

function cluster(...policies: KubeObject[]): SourcedObject[] {
  return [namespaceShop, pod("web"), pod("db"), pod("job"), ...policies].map((object) => ({ object }));
}

function probe(from: string, to: string, expected: Probe["expected"]): Probe {
  const end = (name: string): Probe["source"] => ({ kind: "workload", id: `shop/${name}[Pod]` });
  const group = expected === "allowed" ? "declared" : "undeclared";
  const about = { protocol: "TCP" as const, port: 80, expected, computed: expected, reason: "a test" };
  return { group, source: end(from), destination: end(to), ...about };
}

const declared = probe("web", "db", "allowed");
const undeclared = probe("job", "web", "denied");

describe("whole way: the policy that is deleted by hand", () => {
  it("is one whose absence opens what must be closed", () => {
    const objects = cluster(allowWeb, denyAll);
    const flow = { source: undeclared.source, destination: undeclared.destination, protocol: "TCP", port: 80 } as const;
    assert.equal(judgeObjects(objects).verdict(flow), "denied");
    const found = policyThatMatters(objects, [declared, undeclared]);
    assert.equal(found?.object.metadata?.name, "default-deny-all");
    assert.deepEqual(found?.probes, [undeclared]);
  });

  it("is one whose absence closes what is declared, where nothing opens", () => {
    const found = policyThatMatters(cluster(denyAll, denyAgain, allowWeb), [declared, undeclared]);
    assert.equal(found?.object.metadata?.name, "allow-web");
    assert.deepEqual(found?.probes, [declared]);
  });

  it("is none where no probe depends on a single policy", () => {
    assert.equal(policyThatMatters(cluster(denyAll, denyAgain), [undeclared]), undefined);
  });
});

describe("whole way: what counts as a problem", () => {
  const live = { declared: 5, undeclared: 5, uncounted: 0, slow: 0, paths: 10, violations: [], milliseconds: 1 };
  const same = { code: 0, output: "" };
  const verified = { probe: declared, outcome: { outcome: "connected" }, holds: true } as const;
  const good: WholeWayResult = {
    example: "shop",
    up: live,
    destroy: live,
    verification: {
      verdict: "holds",
      executor: "lab",
      canary: { connectsBefore: true, blockedAfter: true },
      policies: { declared: [], missing: [] },
      probes: [verified],
      unprobed: [],
      findings: [],
    },
    hubble: { asked: 3, missing: [] },
    byHand: {
      policy: "NetworkPolicy shop/default-deny-all",
      named: true,
      changed: ["one"],
      unseen: [],
      drift: { before: same, gone: { code: 1, output: "opened" }, restored: same },
      restored: "holds",
    },
    table: "reports/shop.txt",
    milliseconds: 1,
  };

  it("is nothing where all is well", () => assert.deepEqual(problemsOf(good), []));

  const bad: Readonly<Record<string, Partial<WholeWayResult>>> = {
    "a violation during up": { up: { ...live, violations: [{ at: 7, what: "x passes" }] } },
    "a violation during destroy": { destroy: { ...live, violations: [{ at: 7, what: "x passes" }] } },
    "an up in which nothing was probed": { up: { ...live, declared: 0, undeclared: 0 } },
    "a destroy in which no undeclared path was probed": { destroy: { ...live, undeclared: 0 } },
    "a verification without evidence": { verification: { ...good.verification, verdict: "no-evidence", probes: [] } },
    "a probe that proved nothing": {
      verification: { ...good.verification, probes: [{ ...verified, holds: undefined }] },
    },
    "a drop that Hubble does not tell": { hubble: { asked: 3, missing: ["x"] } },
    "no drop at all": { hubble: { asked: 0, missing: [] } },
    "a deleted policy that verifying does not miss": { byHand: { ...good.byHand, named: false } },
    "a deleted policy without which all probes end as before": { byHand: { ...good.byHand, unseen: ["one"] } },
    "a deleted policy that diff does not see": {
      byHand: { ...good.byHand, drift: { ...good.byHand.drift, gone: same } },
    },
    "a diff that answers nothing": {
      byHand: { ...good.byHand, drift: { ...good.byHand.drift, gone: { code: 4, output: "no cluster" } } },
    },
    "a policy that is not restored": { byHand: { ...good.byHand, restored: "violated" } },
    "a state that differs after the next up": {
      byHand: { ...good.byHand, drift: { ...good.byHand.drift, restored: { code: 1, output: "opened" } } },
    },
  };
  for (const [title, change] of Object.entries(bad)) {
    it(`is ${title}`, () => assert.equal(problemsOf({ ...good, ...change }).length, 1));
  }

  it("is shown in the table, which fits into a terminal", () => {
    const rows = (text: string): string[] => text.replaceAll(/\x1b\[\d+m/g, "").split("\n");
    const notSeen = { ...good.byHand, drift: { ...good.byHand.drift, gone: same } };
    const entries = [
      good,
      { ...good, example: "tenants", byHand: notSeen },
      { example: "web-app", stopped: "no engine" },
    ];
    const [shop, tenants, webApp] = ["shop", "tenants", "web-app"].map((name) =>
      rows(examplesTable(entries)).find((row) => row.includes(` ${name} `)),
    );
    assert.match(shop ?? "", /✔ .* 1\/1 .* 3\/3 .* 0 of 10 .* seen, restored /);
    assert.match(tenants ?? "", /✘ .* not seen by diff /);
    assert.match(webApp ?? "", /✘ .* no engine /);
    const widest = rows(examplesTable([{ ...good, example: "zero-trust-tiers" }])).map(({ length }) => length);
    assert.ok(Math.max(...widest) <= 120, `${Math.max(...widest)} columns`);
  });
});
