import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { loadAll } from "js-yaml";
import { folderWith, run, type Ran } from "./command";
import { backendIngress, defaultDeny, shop } from "./fixtures";

const wide = backendIngress.replace(/ {4}- from:[^]*?(?= {6}ports:)/, "    - from: []\n");
const opened = shop.replace(backendIngress, wide);
const declaration = `namespaces: [{ name: shop }]
workloads: [{ namespace: shop, name: frontend, ports: [{ port: 3000 }] }, { namespace: shop, name: backend, ports: [{ port: 8080 }] }]
flows:
  - { from: { workload: shop/frontend }, to: { workload: shop/backend }, ports: [{ port: 8080 }], reason: pages, owner: web }
dialect: kubernetes
`;
const logged = JSON.stringify({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  stage: "ResponseComplete",
  verb: "patch",
  requestURI: "/x",
  user: { username: "mallory@example.com" },
  sourceIPs: ["198.51.100.7"],
  objectRef: {
    apiGroup: "networking.k8s.io",
    resource: "networkpolicies",
    namespace: "shop",
    name: "allow-frontend-to-backend",
  },
  responseStatus: { code: 200 },
  requestReceivedTimestamp: "2026-11-28T09:00:00Z",
});

interface Report {
  readonly verdict: string;
  readonly gaps: readonly string[];
  readonly drifts: readonly {
    readonly kind: string;
    readonly object: string;
    readonly severity: string;
    readonly opens: { readonly count: number };
  }[];
}

describe("cluster-security audit (S3-22)", () => {
  let folder: string;
  let remove: () => void;
  before(() => {
    assert.notEqual(opened, shop);
    ({ folder, remove } = folderWith({
      "shop.yaml": shop,
      "opened.yaml": opened,
      "baseline/shop.yaml": shop,
      "broken/shop.yaml": shop,
      "broken/half.yaml":
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: x, namespace: shop\n",
      "other/bank.yaml": shop.replaceAll("shop", "bank"),
      "declaration.yaml": declaration,
      "audit.log": `${logged}\n`,
      "flows.ndjson": '{"flow":{}}\n',
      "no-deny.yaml": shop.replace(defaultDeny, ""),
    }));
  });
  after(() => remove());

  const audit = (...args: string[]) => run(["audit", ...args], { cwd: folder });

  it("is silent about a cluster that is as it should be, and exits with 0", async () => {
    const { code, stdout, stderr } = await audit("--live", "shop.yaml", "--baseline", "baseline");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^no drift: \d+ policies, \d+ namespaces and \d+ workloads compared\n$/);
  });

  it("tells drift with its paths and exits with 1; --fail-on none exits with 0", async () => {
    const { code, stdout, stderr } = await audit("--live", "opened.yaml", "--baseline", "baseline");
    assert.equal(code, 1, stderr);
    assert.match(stdout, /^1 critical\n\nCRITICAL changed\n/);
    assert.match(stdout, /opens \d+ paths:\n +0\.0\.0\.0-255\.255\.255\.255\[External\] -> shop\/backend/);
    const quiet = await audit("--live", "opened.yaml", "--baseline", "baseline", "--fail-on", "none");
    assert.equal(quiet.code, 0);
  });

  it("names user and address out of an audit log, and refuses a file that is none", async () => {
    const { stdout } = await audit("--live", "opened.yaml", "--baseline", "baseline", "--audit-log", "audit.log");
    assert.match(stdout, /by user mallory@example\.com from 198\.51\.100\.7 \(patch, 2026-11-28T09:00:00Z\)/);
    const { code, stderr } = await audit(
      "--live",
      "shop.yaml",
      "--baseline",
      "baseline",
      "--audit-log",
      "flows.ndjson",
    );
    assert.equal(code, 4);
    assert.match(stderr, /no event of an API server's audit log/);
  });

  it("takes a declaration, from a file and from standard input", async () => {
    for (const [args, stdin] of [
      [["--baseline", "declaration.yaml"], undefined],
      [["--baseline", "-"], declaration],
    ] as const) {
      const ran = await run(["audit", "--live", "shop.yaml", ...args, "--format", "json"], {
        cwd: folder,
        ...(stdin === undefined ? {} : { stdin }),
      });
      const report = JSON.parse(ran.stdout) as Report;
      assert.equal(report.verdict, "drift", ran.stderr);
      assert.ok(
        report.drifts.some(
          ({ kind, object }) => kind === "changed" && object === "NetworkPolicy shop/allow-frontend-egress",
        ),
        ran.stdout,
      );
    }
  });

  it("takes a Pulumi state", async () => {
    const resource = {
      urn: "urn:pulumi:prod::shop::kubernetes:networking.k8s.io/v1:NetworkPolicy::deny",
      type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
      custom: true,
      inputs: {},
      outputs: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "default-deny-all", namespace: "shop", uid: "1", managedFields: [] },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
        status: {},
      },
    };
    const state = JSON.stringify({ version: 3, deployment: { manifest: {}, resources: [resource] } });
    const ran = await run(["audit", "--live", "no-deny.yaml", "--baseline", "-", "--format", "json"], {
      cwd: folder,
      stdin: state,
    });
    const report = JSON.parse(ran.stdout) as Report;
    const missing = report.drifts.find(({ kind }) => kind === "missing");
    assert.equal(missing?.object, "NetworkPolicy shop/default-deny-all", ran.stderr);
    assert.ok(missing.opens.count > 0);
  });

  it("another cluster's baseline: nothing is concluded, exit code 3", async () => {
    const { code, stdout, stderr } = await audit("--live", "shop.yaml", "--baseline", "other");
    assert.equal(code, 3, stdout);
    assert.match(stderr, /not compared: the baseline has nothing in common with the cluster/);
    assert.doesNotMatch(stdout, /no drift:/);
  });

  it("a folder that can only be read in part: said, and never no drift", async () => {
    const { code, stdout, stderr } = await audit("--live", "shop.yaml", "--baseline", "broken");
    assert.equal(code, 3, stderr);
    assert.match(stderr, /not compared: baseline: broken\/half\.yaml:\d+/);
    assert.doesNotMatch(stdout, /no drift:/);
  });

  it("files that hold no object of a kind say nothing about it: said, and never missing", async () => {
    const guard = `apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: { name: guard }\nspec: {}\n`;
    const { code, stdout, stderr } = await run(["audit", "--live", "shop.yaml", "--baseline", "-"], {
      cwd: folder,
      stdin: `${shop}---\n${guard}`,
    });
    assert.equal(code, 3, stdout);
    assert.match(stderr, /not compared: shop\.yaml holds no ValidatingAdmissionPolicy/);
    assert.doesNotMatch(stdout, /missing/);
  });

  it("says what is missing on the command line", async () => {
    for (const [args, expected] of [
      [["--live", "shop.yaml"], /--baseline/],
      [["--baseline", "shop.yaml"], /--context NAME, or --live/],
      [["--live", "-", "--baseline", "-"], /only once/],
      [["--live", "shop.yaml", "--baseline", "context=prod"], /no cluster/],
      [["--compare", "one.jsonl"], /two runs/],
    ] as const) {
      const { code, stderr } = await audit(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, expected);
    }
    const { code, stderr } = await audit("--live", "shop.yaml", "--baseline", "nowhere");
    assert.equal(code, 4);
    assert.match(stderr, /nowhere/);
  });

  it("appends each run to a history, and compares two of its lines", async () => {
    for (const live of ["shop.yaml", "opened.yaml"]) {
      await audit("--live", live, "--baseline", "baseline", "--history", "audit.jsonl");
    }
    const lines = readFileSync(path.join(folder, "audit.jsonl"), "utf8").trim().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as Report).verdict),
      ["clean", "drift"],
    );
    const worse = await audit("--compare", "audit.jsonl", "audit.jsonl");
    assert.equal(worse.code, 1, worse.stderr);
    assert.match(worse.stdout, /^new:\n {2}critical changed NetworkPolicy shop\/allow-frontend-to-backend: opens \d+/);
    const better = await audit("--compare", "audit.jsonl:2", "audit.jsonl:1");
    assert.equal(better.code, 0, better.stderr);
    assert.match(better.stdout, /^gone:\n/);
    const none = await audit("--compare", "audit.jsonl:1", "audit.jsonl:9");
    assert.equal(none.code, 4);
    assert.ok(!existsSync(path.join(folder, "audit.jsonl:9")));
  });

  it("names with markup stay text in Markdown", async () => {
    const { stdout } = await run(["audit", "--live", "-", "--baseline", "baseline", "--format", "md"], {
      cwd: folder,
      stdin: `${opened}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: "<img src=x>|*a*", namespace: shop }\nspec: { podSelector: {} }\n`,
    });
    assert.doesNotMatch(stdout, /<img/);
    assert.match(stdout, /&lt;img src=x(&gt;|>)\\\|\\\*a\\\*/);
  });

  it("prints help with examples and exit codes, and the CronJob with a role that may only read", async () => {
    const help = await audit("--help");
    assert.equal(help.code, 0);
    for (const part of ["Examples:", "Exit codes:", "--baseline", "cronjob"])
      assert.ok(help.stdout.includes(part), part);
    const { code, stdout, stderr } = await audit(
      "cronjob",
      "--image",
      "registry.internal/cs:1",
      "--baseline-config-map",
      "base",
    );
    assert.equal(code, 0, stderr);
    const objects = loadAll(stdout) as { kind: string; rules?: { verbs: string[]; resources: string[] }[] }[];
    assert.deepEqual(objects.map(({ kind }) => kind).sort(), [
      "ClusterRole",
      "ClusterRoleBinding",
      "CronJob",
      "Role",
      "RoleBinding",
      "ServiceAccount",
    ]);
    const rules = objects.flatMap((object) => object.rules ?? []);
    for (const { verbs, resources } of rules) {
      assert.ok(verbs.every((verb) => ["get", "list"].includes(verb)));
      assert.ok(!resources.includes("secrets") && !resources.includes("*"));
    }
    assert.ok(rules.some(({ resources }) => resources.includes("rolebindings")));
    const json = await audit("cronjob", "--image", "x", "--baseline-config-map", "base", "--format", "json");
    assert.equal((JSON.parse(json.stdout) as { kind: string }).kind, "List");
    const wrong = await audit("cronjob", "--image", "x", "--baseline-config-map", "Base!");
    assert.equal(wrong.code, 2);
  });

  describe("S1-20: policies and rules without effect", () => {
    const unused = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-nobody, namespace: shop }
spec: { podSelector: { matchLabels: { app: gone } }, policyTypes: [Ingress], ingress: [{}] }
`;
    const dead = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-dead, namespace: shop }
spec:
  podSelector: { matchLabels: { app: backend } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: gone } } }] }]
`;
    const again = backendIngress.replace("name: allow-frontend-to-backend", "name: allow-again");
    const audited = async (extra: string, ...options: string[]): Promise<Ran> => {
      const { folder: place, remove: away } = folderWith({ "live.yaml": `${shop}---\n${extra}` });
      try {
        return await run(["audit", "--live", "live.yaml", "--baseline", "live.yaml", ...options], { cwd: place });
      } finally {
        away();
      }
    };

    for (const [what, policy, kind, name] of [
      ["a policy that selects nothing", unused, "unused", "allow-nobody"],
      ["a rule that matches nothing", dead, "dead", "allow-dead"],
      ["a rule that another one makes superfluous", again, "duplicate", "allow-"],
    ] as const) {
      it(`${what} is named with --effect, and is no drift`, async () => {
        const { code, stdout } = await audited(policy, "--effect", "--format", "json");
        assert.equal(code, 0, stdout);
        const { verdict, ineffective } = JSON.parse(stdout) as {
          verdict: string;
          ineffective: { kind: string; object: string; message: string }[];
        };
        assert.equal(verdict, "clean");
        const found = ineffective.filter((each) => each.kind === kind);
        assert.ok(
          found.some(({ object }) => object.includes(name)),
          stdout,
        );
      });
    }

    it("stands in every format, and not where nobody asked", async () => {
      for (const [format, pattern] of [
        ["table", /without effect: \d+\n(.*\n)* {2}unused: NetworkPolicy shop\/allow-nobody selects no workload/],
        ["md", /Without effect:\n\n(- .*\n)*- unused: NetworkPolicy shop\/allow-nobody/],
        ["policyreport", /policy: audit-ineffective\n {4}source: cluster-security\n(.*\n){2} {4}result: warn/],
        ["oscal", /audit-ineffective/],
      ] as const) {
        const { stdout } = await audited(unused, "--effect", "--format", format);
        assert.match(stdout, pattern);
      }
      assert.match((await audited(unused)).stdout, /^no drift: .+\n$/);
    });
  });

  it("S1-22: as OSCAL, drift is an observation under a control for changes", async () => {
    const { stdout, code } = await run(
      ["audit", "--live", "opened.yaml", "--baseline", "baseline", "--format", "oscal"],
      {
        cwd: folder,
      },
    );
    assert.equal(code, 1);
    assert.match(stdout, /"oscal-version": "1.2.1"/);
    assert.match(stdout, /audit-changed/);
    assert.match(stdout, /cm-3/);
    const compared = ["audit", "--compare", "a", "b", "--format", "oscal"];
    assert.equal((await run(compared, { cwd: folder })).code, 4, "the runs are read first");
  });
});
