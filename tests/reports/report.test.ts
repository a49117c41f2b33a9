import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { evaluate, rules, tenantsOf } from "../../sdk/findings";
import { plan, type ClusterSecurityDeclaration } from "../../sdk/plan";
import { buildSnapshot, compile, readYaml, type Reachability } from "../../sdk/reachability";
import {
  buildReport,
  csvOfReport,
  htmlReport,
  loadDraw,
  markdownOfReport,
  readReplay,
  readReport,
  readVerification,
  type Observation,
  type ReportModel,
} from "../../sdk/reports/report";
import { namespaceGraph, neighbourGraph } from "../../sdk/reports/report/graph/graphs";
import { readable } from "../../sdk/reports/report/graph/picture";
import { benchObjects } from "../bench/generator";
import { deployment, join, namespace } from "../cli/fixtures";

const examples = path.join(__dirname, "..", "..", "examples", "manifests", "shop");
const shop = join(...readdirSync(examples).map((file) => readFileSync(path.join(examples, file), "utf8")));

const time = Date.parse("2026-11-29T12:00:00Z");

function reachabilityOf(text: string): Reachability {
  return compile(buildSnapshot(readYaml(text, "in.yaml").objects));
}

interface Given {
  readonly declaration?: ClusterSecurityDeclaration;
  readonly observations?: readonly Observation[];
  readonly before?: ReportModel;
}

function reportOf(reachability: Reachability, { declaration, observations = [], before }: Given = {}): ReportModel {
  return buildReport({
    title: "Report",
    subject: "in.yaml",
    time,
    version: "1.2.3",
    reachability,
    findings: evaluate(reachability, { today: "2026-11-29" }),
    rules,
    problems: reachability.snapshot.problems,
    holes: false,
    exemptions: [],
    tenants: tenantsOf(reachability.snapshot, {}),
    ...(declaration === undefined ? {} : { plan: plan(declaration) }),
    observations,
    inputs: [{ role: "policies", name: "in.yaml", sha256: "0".repeat(64) }],
    ...(before === undefined ? {} : { before }),
  }).model;
}

const declaration = {
  dialect: "kubernetes",
  namespaces: [{ name: "shop", existing: true }],
  workloads: [
    { namespace: "shop", name: "frontend" },
    { namespace: "shop", name: "backend", ports: [{ port: 8080 }] },
  ],
  flows: [
    {
      from: { workload: "frontend" },
      to: { workload: "backend" },
      ports: [{ port: 8080 }],
      reason: "pages show products",
      owner: "web",
      reviewBy: "2026-11-01",
    },
  ],
} as unknown as ClusterSecurityDeclaration;

const probe = (group: string, destination: object, port: number, expected: string, holds: boolean | null): object => ({
  probe: {
    group,
    source: { kind: "workload", id: "shop/frontend[Deployment]" },
    destination,
    protocol: "TCP",
    port,
    expected,
    computed: expected,
    reason: "",
  },
  outcome: { outcome: "connected" },
  ...(holds === null ? {} : { holds }),
});
const metadata = { kind: "address", address: "169.254.169.254" };
const backend = { kind: "workload", id: "shop/backend[Deployment]" };
const canary = { connectsBefore: true, blockedAfter: true };
const seen = (probes: readonly object[], more: object = {}): Observation =>
  readVerification({ canary, probes, policies: { missing: [] }, ...more }, "2026-11-01T00:00:00.000Z");

describe("report: three kinds of evidence, apart", () => {
  const reachability = reachabilityOf(shop);
  const controlOf = (model: ReportModel, id: string) => {
    const found = model.controls.find(({ control }) => control.id === id);
    assert.ok(found, id);
    return found;
  };

  it("S1-22: without declaration and observation both are absent, and what is computed does not stand for them", () => {
    const { declared, computed, observed } = controlOf(reportOf(reachability), "T1552.005");
    assert.deepEqual([declared.state, computed.state, observed.state], ["absent", "holds", "absent"]);
  });

  it("S1-22: what was observed has its own date, the file's where it names none", () => {
    const probes = [probe("metadata", metadata, 80, "denied", true)];
    const [dated, undated] = [seen(probes, { at: "2026-11-20T00:00:00Z" }), seen(probes)];
    const atOf = (observation: Observation) =>
      controlOf(reportOf(reachability, { observations: [observation] }), "T1552.005").observed.at;
    assert.equal(atOf(dated), "2026-11-20T00:00:00Z");
    assert.equal(atOf(undated), "2026-11-01T00:00:00.000Z");
  });

  it("a probe that proves nothing, and a canary that was not blocked, hold nothing", () => {
    const unproved = seen([probe("metadata", metadata, 80, "denied", null)]);
    const noCanary = seen([probe("metadata", metadata, 80, "denied", true)], {
      canary: { connectsBefore: true, blockedAfter: false },
    });
    const stateOf = (observation: Observation, id: string) =>
      controlOf(reportOf(reachability, { observations: [observation] }), id).observed.state;
    assert.equal(stateOf(unproved, "T1552.005"), "undecided");
    assert.equal(stateOf(noCanary, "T1552.005"), "undecided");
    assert.equal(stateOf(noCanary, "5.3.1"), "fails");
  });

  it("S1-22: where packets contradict what was computed, that is a finding; where they agree, it is none", () => {
    const disagreeing = (observations: readonly Observation[]) =>
      reportOf(reachability, { observations }).findings.filter(({ rule }) => rule === "evidence-disagrees");
    const open = disagreeing([seen([probe("metadata", metadata, 80, "denied", false)])]);
    assert.deepEqual(
      open.map(({ subject, severity }) => [subject, severity]),
      [["Cluster cloud metadata endpoints", "high"]],
    );
    assert.ok(open[0]?.because.some((reason) => reason.includes("169.254.169.254")));
    assert.deepEqual(disagreeing([seen([probe("metadata", metadata, 80, "denied", true)])]), []);
  });

  it("a declared flow that the policies deny is a finding, and so is one that packets do not pass", () => {
    const closed = reachabilityOf(shop.replaceAll("8080", "9999"));
    const rulesOf = ({ findings }: ReportModel): string[] =>
      findings.filter(({ rule }) => rule === "evidence-disagrees").map(({ message }) => message);
    assert.deepEqual(rulesOf(reportOf(closed, { declaration })), [
      "declared flows: what is declared and what is computed disagree",
    ]);
    const blocked = seen([probe("declared", backend, 8080, "allowed", false)]);
    const model = reportOf(reachability, { declaration, observations: [blocked] });
    assert.ok(rulesOf(model).includes("declared flows: what is computed and what is observed disagree"));
    assert.deepEqual(
      model.flows?.map(({ computed, observed }) => [computed, observed?.state]),
      [["allowed", "blocked"]],
    );
  });

  it("S1-23: reviews are in the order of their days, overdue ones named, and fail the control about reviews", () => {
    const model = reportOf(reachability, { declaration });
    assert.deepEqual(
      model.reviews.map(({ state, owner, due }) => [state, owner, due]),
      [["overdue", "web", "2026-11-01"]],
    );
    assert.equal(controlOf(model, "1.2.7").declared.state, "fails");
  });

  it("a namespace that nobody can name is closed in nothing", () => {
    const model = reportOf(reachabilityOf(deployment("${NAMESPACE}", "api", 80)));
    assert.deepEqual(
      model.namespaces.map(({ defaultDeny, metadata: state }) => [defaultDeny, state]),
      [["unknown", "unknown"]],
    );
  });

  it("where nothing was read, no control holds", () => {
    const model = reportOf(reachabilityOf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n"));
    assert.deepEqual([...new Set(model.controls.map(({ computed }) => computed.state))], ["undecided"]);
    assert.equal(model.complete, false);
  });

  for (const [what, read] of [
    ["a verification", () => readVerification({ probes: [] }, "")],
    ["a probe", () => readVerification({ canary, probes: [{ probe: 1 }] }, "")],
    ["a replay", () => readReplay({ probes: [] }, "")],
    ["an effect", () => readReplay([{ effect: "may-open", source: "a" }], "")],
    ["a report", () => readReport({ findings: [] })],
    ["a report of a later form", () => readReport({ format: "cluster-security-report/9" })],
  ] as const) {
    it(`what is no ${what.replace(/^an? /, "")} is refused`, () => {
      assert.throws(read, /it (is no|has another)|cannot be read|not known/);
    });
  }
});

describe("report: what changed", () => {
  it("S1-21: paths and findings that came and went, and nothing where nothing did", () => {
    const before = reportOf(reachabilityOf(shop));
    const same = reportOf(reachabilityOf(shop), { before }).comparison;
    assert.deepEqual([same?.newFindings, same?.openedPaths, same?.closedPaths], [[], [], []]);
    const opened = reportOf(reachabilityOf(join(shop, namespace("open"), deployment("open", "tool", 9000))), {
      before,
    });
    assert.ok(opened.comparison?.newFindings.some(({ rule }) => rule === "metadata-endpoints-closed"));
    assert.ok(opened.comparison?.openedPaths.some(({ from }) => from === "open/tool[Deployment]"));
    assert.ok(
      opened.comparison?.changedControls.some(({ control, after }) => /T1552\.005/.test(control) && after === "fails"),
    );
  });
});

describe("report: names stay text", () => {
  const names = [
    "<img src=x onerror=alert(1)>",
    "=1+1",
    "[a](javascript:alert(1))",
    "</script><script>alert(1)</script>",
  ];
  const model = reportOf(
    compile(
      buildSnapshot(
        names.map((name) => ({
          object: {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name, namespace: "shop" },
            spec: {
              selector: {},
              template: { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "m" }] } },
            },
          },
        })),
      ),
    ),
  );

  it("in HTML: nothing of a name becomes an element", async () => {
    const page = htmlReport(model, await loadDraw());
    assert.ok(!/<img|<script>alert/i.test(page));
    assert.equal(page.match(/<script/g)?.length, 2, "the data and the script");
    assert.ok(page.includes("&#60;img src=x onerror=alert(1)&#62;"));
  });

  it("in Markdown: no markup and no link", () => {
    const text = markdownOfReport(model);
    assert.ok(!/<(img|script)/.test(text) && !text.includes("](javascript:"));
  });

  it("in CSV: no cell is a formula", () => {
    const cells = csvOfReport({ ...model, inputs: [{ role: "policies", name: "=1+1", sha256: "" }] });
    assert.ok(cells.includes("'=1+1") && !/(^|,)"?[=+@-]/m.test(cells));
  });
});

describe("report: pictures", () => {
  const objects = benchObjects({ workloads: 300, policies: 200, seed: 1, dialects: "mixed" });
  const model = reportOf(compile(buildSnapshot(objects.map((object) => ({ object })))));

  it("S1-29: no picture of 300 workloads has more boxes than anybody reads, and every namespace has one or its paths", () => {
    assert.equal(model.workloads.length, 300);
    const graphs = [namespaceGraph(model), ...model.namespaces.map(({ name }) => neighbourGraph(model, name))];
    for (const graph of graphs) {
      const shown = readable(graph);
      if (shown === undefined) continue;
      assert.ok(shown.nodes.length <= 40 && shown.edges.length <= 110, `${shown.nodes.length} boxes`);
      const ids = new Set(shown.nodes.map(({ id }) => id));
      assert.ok(shown.edges.every(({ from, to }) => ids.has(from) && ids.has(to)));
    }
    assert.ok(readable(namespaceGraph(model)), "the first level is drawn");
  });

  it("boxes are put together only where their connections are the same", () => {
    const nodes = Array.from({ length: 60 }, (_, index) => ({
      id: `w${index}`,
      label: [`w${index}`],
      kind: "workload" as const,
      title: `w${index}`,
    }));
    const edges = nodes.slice(2).map(({ id }, index) => ({
      from: id,
      to: index < 29 ? "w0" : "w1",
      traffic: ["TCP 80"],
      title: "",
    }));
    const merged = readable({ nodes, edges: [...edges, { from: "w0", to: "w1", traffic: ["TCP 81"], title: "" }] });
    assert.deepEqual(
      merged?.nodes.map(({ title }) => title.split(", ").length).sort((a, b) => a - b),
      [1, 1, 29, 29],
    );
    assert.equal(merged?.edges.length, 3, "one arrow between two boxes");
  });

  it("300 workloads make a page of less than 5 MB", async () => {
    const page = htmlReport(model, await loadDraw());
    assert.ok(page.length < 5_000_000, String(page.length));
    assert.ok(page.split("<svg").length > 10);
  });
});

describe("report: how many declared flows the policies allow", () => {
  it("says which are undecided, so that nobody takes them for denied", async () => {
    const named = {
      ...declaration,
      flows: [
        ...(declaration.flows ?? []),
        {
          from: { workload: "backend" },
          to: { fqdn: "api.example.com" },
          ports: [{ port: 443 }],
          reason: "a",
          owner: "b",
        },
      ],
      dialect: "cilium",
    } as unknown as ClusterSecurityDeclaration;
    const policy = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec:
  endpointSelector: {}
  # to what the name resolves nobody says
  egressDeny:
    - toCIDR: [169.254.169.254/32]
  egress:
    - toEntities: [cluster]
    - toEntities: [all]
      toPorts: [{ ports: [{ port: "53", protocol: ANY }], rules: { dns: [{ matchPattern: "*" }] } }]
    - toFQDNs: [{ matchName: api.example.com }]
      toPorts: [{ ports: [{ port: "443", protocol: TCP }] }]
`;
    const text = join(
      namespace("shop"),
      deployment("shop", "frontend", 80),
      deployment("shop", "backend", 8080),
      policy,
    );
    const page = htmlReport(reportOf(reachabilityOf(text), { declaration: named }), await loadDraw());
    assert.match(page, /1 of 2<\/span>.*declared flows that the policies allow.*1 is undecided</);
    const certain = htmlReport(reportOf(reachabilityOf(text), { declaration }), await loadDraw());
    assert.match(certain, /1 of 1<\/span>.*each with a reason and an owner</);
  });
});
