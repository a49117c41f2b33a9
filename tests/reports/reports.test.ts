import assert from "node:assert/strict";
import { evaluate, metadataEndpointsClosed, namespaceDefaultDeny } from "../../sdk/findings";
import { markdownReport, outside, summarise, textComparison, textFindings, textSummary } from "../../sdk/reports";
import { reachabilityOf } from "../findings/support";

const workload = (name: string, home: string): string => `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${home} }
spec: { template: { metadata: { labels: { app: ${name} } }, spec: { containers: [ { name: x } ] } } }
`;
const pods =
  workload("web", "shop") + workload("db", "shop") + workload("job", "batch") + workload("dns", "kube-system");
const policies =
  ["shop", "batch"]
    .map(
      (home) => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny-all, namespace: ${home} }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
`,
    )
    .join("") +
  `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-web-egress, namespace: shop }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [ { to: [ { podSelector: { matchLabels: { app: db } } } ], ports: [ { port: 5432 } ] } ] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-web-to-db, namespace: shop }
spec: { podSelector: { matchLabels: { app: db } }, policyTypes: [Ingress], ingress: [ { from: [ { podSelector: { matchLabels: { app: web } } } ], ports: [ { port: 5432 } ] } ] }
`;

function look(yaml: string) {
  const reachability = reachabilityOf(yaml);
  const findings = evaluate(reachability, { rules: [namespaceDefaultDeny, metadataEndpointsClosed] });
  return { findings, summary: summarise(reachability, { findings }) };
}

const open = look(pods);
const closed = look(pods + policies);

describe("reports: summary of what is reachable", () => {
  it("counts pairs of workloads", () => {
    assert.deepEqual(open.summary.pairs, { total: 12, allowed: 12, possible: 0 });
    assert.deepEqual(closed.summary.pairs, { total: 12, allowed: 1, possible: 0 });
  });

  it("says for each namespace whether it has a default deny and is without cloud metadata", () => {
    const status = ({ summary }: typeof open) =>
      summary.namespaces.map(({ name, defaultDeny, metadata, workloads }) => [name, workloads, defaultDeny, metadata]);
    assert.deepEqual(status(open), [
      ["batch", 1, "open", "open"],
      ["kube-system", 1, "exempt", "exempt"],
      ["shop", 2, "open", "open"],
    ]);
    assert.deepEqual(status(closed), [
      ["batch", 1, "closed", "closed"],
      ["kube-system", 1, "exempt", "exempt"],
      ["shop", 2, "closed", "closed"],
    ]);
  });

  it("says who talks to whom on what, by namespace", () => {
    const inside = closed.summary.groupPairs.filter((pair) => pair.source !== outside && pair.destination !== outside);
    assert.deepEqual(inside, [
      { source: "shop", destination: "shop", allowed: 1, possible: 0, total: 2, traffic: "TCP 5432" },
    ]);
  });

  it("names what is exempt", () => {
    assert.ok(closed.summary.exempt.some((text) => /kube-system is tier 0/.test(text)));
  });
});

describe("reports: Markdown and text", () => {
  const report = markdownReport({
    subject: "stack dev",
    date: "2026-11-21",
    before: { label: "before", ...open },
    after: { label: "after", ...closed },
  });

  it("compares before and after", () => {
    assert.match(report, /\| Pairs of workloads that can talk \| 12 of 12 \| 1 of 12 \|/);
    assert.match(report, /\| Namespaces with a default deny \| 0 of 2 \| 2 of 2 \|/);
    assert.match(report, /## Findings: after\n\nNone\./);
    assert.match(report, /Because no policy that is enforced closes/);
  });

  it("every table has one number of columns in all its rows", () => {
    const blocks = report.split(/\n\n/).filter((block) => block.startsWith("|"));
    assert.ok(blocks.length >= 3);
    for (const block of blocks) {
      const widths = block.split("\n").map((line) => line.replaceAll("\\|", "").split("|").length);
      assert.equal(new Set(widths).size, 1, block);
    }
  });

  it("leaves no name of an object a chance to become Markdown or HTML", () => {
    const [finding] = open.findings;
    assert.ok(finding !== undefined);
    const evil = { ...finding, message: "x <img src=y> | [a](b)\n# no `code` *b* _i_" };
    const text = markdownReport({ after: { label: "now", summary: open.summary, findings: [evil] } });
    assert.ok(!text.includes("<img") || text.includes("\\<img"));
    assert.ok(text.includes("\\| \\[a\\](b) \\# no \\`code\\` \\*b\\* \\_i\\_"));
  });

  it("is the same text for the same input", () => {
    assert.equal(
      report,
      markdownReport({
        subject: "stack dev",
        date: "2026-11-21",
        before: { label: "before", ...look(pods) },
        after: { label: "after", ...look(pods + policies) },
      }),
    );
  });

  it("prints columns for a terminal", () => {
    const text = textSummary(closed.summary);
    assert.match(text, /^4 workloads, 4 policies, enforcer kubernetes: 1 of 12 pairs can talk$/m);
    assert.match(text, /^shop +2 +closed +closed$/m);
    assert.match(textSummary(open.summary), /^shop +2 +OPEN +OPEN$/m);
    assert.match(
      textComparison({ label: "before", ...open }, { label: "after", ...closed }),
      /^pairs that can talk +12 of 12 +1 of 12$/m,
    );
    assert.equal(textFindings(closed.findings), "no violations");
    assert.match(
      textFindings(open.findings),
      /^CRITICAL namespace-default-deny\n {2}Namespace batch has no default deny/m,
    );
  });
});
