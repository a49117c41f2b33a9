import assert from "node:assert/strict";
import Ajv from "ajv";
import fc from "fast-check";
import { exemptionOverdue, rules, severities, type Finding } from "../../sdk/findings";
import { describeDifference, junitReport, markdownFindings, sarifLog } from "../../sdk/reports";
import { buildSnapshot, compile, diff, type KubeObject } from "../../sdk/reachability";
import { sarifSchema } from "./sarif-schema";

const ajv = new Ajv({ strict: true, formats: { "uri-reference": true } });
const isSarif = ajv.compile(sarifSchema);

const anyRule = fc.constantFrom(...rules);
const strange = fc.string({ unit: "binary", maxLength: 30 });
const findings = fc
  .array(
    fc.record({
      rule: anyRule,
      severity: fc.constantFrom(...severities),
      exempt: fc.boolean(),
      text: strange,
      name: strange,
    }),
    { maxLength: 8 },
  )
  .map((items) =>
    items.map(({ rule, severity, exempt, text, name }): Finding => ({
      id: rule.id,
      severity,
      certainty: "definite",
      subject: { kind: "Deployment", namespace: "shop", name, source: { file: `dir ${name}/a.yaml`, line: 3 } },
      message: text,
      because: [text],
      fix: text,
      controls: rule.controls,
      ...(exempt ? { exempt: true } : {}),
    })),
  );

/** Whether a text is XML as far as its marks go: tags that close in order, attributes in quotes, no bare `<` or `&`. */
function assertXml(xml: string): void {
  const open: string[] = [];
  const rest = xml
    .replace(/^<\?xml [^?]*\?>/, "")
    .replace(
      /<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g,
      (_all, close: string, name: string, _attributes, empty: string) => {
        if (close === "/") assert.equal(open.pop(), name);
        else if (empty !== "/") open.push(name);
        return "";
      },
    );
  assert.deepEqual(open, []);
  assert.ok(!/[<>]/.test(rest), rest);
  assert.ok(!/&(?!(amp|lt|gt|quot|#\d+);)/.test(xml), "every & begins an entity");
  // https://www.w3.org/TR/xml/#charsets
  assert.ok(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(xml), "no character that XML cannot hold");
  assert.equal(Buffer.from(xml, "utf8").toString("utf8"), xml, "no half of a surrogate pair");
}

describe("reports for other tools", () => {
  it("JUnit is XML whatever the names hold, and its counts are those of its elements", () => {
    fc.assert(
      fc.property(findings, fc.constantFrom(...severities), (found, least) => {
        const fails = ({ severity }: Finding): boolean => severities.indexOf(severity) <= severities.indexOf(least);
        const xml = junitReport({ findings: found, rules: [...rules, exemptionOverdue], fails });
        assertXml(xml);
        const [, tests, failures] = /<testsuites [^>]*tests="(\d+)" failures="(\d+)" errors="0">/.exec(xml) ?? [];
        const count = (tag: string): number => xml.split(`<${tag} `).length - 1;
        assert.deepEqual([tests, failures].map(Number), [count("testcase"), count("failure")]);
        const skipped = [...xml.matchAll(/<testsuite [^>]*skipped="(\d+)"/g)].map(([, each]) => Number(each));
        assert.equal(
          skipped.reduce((sum, each) => sum + each, 0),
          count("skipped"),
        );
        assert.equal(count("skipped"), found.filter(({ exempt }) => exempt === true).length);
        const failing = found.filter((each) => each.exempt !== true && each.severity !== "info" && fails(each));
        assert.equal(count("failure"), failing.length);
      }),
    );
  });

  it("SARIF holds each finding once, with its rule, a place and a URI that needs no more quoting", () => {
    fc.assert(
      fc.property(findings, (found) => {
        const log = JSON.parse(
          JSON.stringify(sarifLog({ findings: found, rules, problems: [], version: "1.2.3" })),
        ) as {
          runs: [
            {
              tool: { driver: { rules: { id: string }[] } };
              results: {
                ruleId: string;
                ruleIndex: number;
                suppressions?: unknown[];
                locations: [{ physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } } }];
              }[];
            },
          ];
        };
        assert.ok(isSarif(log), ajv.errorsText(isSarif.errors));
        const [{ tool, results }] = log.runs;
        assert.equal(results.length, found.length);
        for (const [index, result] of results.entries()) {
          assert.equal(tool.driver.rules[result.ruleIndex]?.id, found[index]?.id);
          assert.equal(result.suppressions !== undefined, found[index]?.exempt === true);
          const { artifactLocation, region } = result.locations[0].physicalLocation;
          assert.match(artifactLocation.uri, /^[A-Za-z0-9%/._~!*'()-]+$/);
          assert.equal(region.startLine, 3);
        }
      }),
    );
  });

  it("SARIF names what was not understood, and objects without a file by what they are", () => {
    const [rule] = rules;
    assert.ok(rule, "there are rules");
    const finding: Finding = {
      id: rule.id,
      severity: "high",
      certainty: "possible",
      subject: { kind: "Namespace", name: "shop", source: { urn: "urn:pulumi:x" } },
      message: "m",
      because: [],
      fix: "f",
      controls: [],
    };
    const text = JSON.stringify(
      sarifLog({
        findings: [finding],
        rules,
        problems: [{ code: "unreadable", message: "the role may not list pods", affectsVerdicts: true }],
        version: "1",
      }),
    );
    assert.ok(text.includes('"fullyQualifiedName":"urn:pulumi:x"') && !text.includes("physicalLocation"));
    assert.ok(
      text.includes('"toolExecutionNotifications":[{"level":"error","message":{"text":"the role may not list pods"}}]'),
    );
  });

  it("Markdown shows violations, and separately what is exempt", () => {
    fc.assert(
      fc.property(findings, (found) => {
        const text = markdownFindings(found);
        assert.equal(
          text.includes("\n## Exempt\n"),
          found.some(({ exempt }) => exempt === true),
        );
        const violations = found.filter((each) => each.exempt !== true && each.severity !== "info");
        assert.equal(text.split("\n### ").length - 1, violations.length);
      }),
    );
  });

  it("a path of a diff is one line: what became of it, between whom, on what, because of which object", () => {
    const pod = (name: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "n", labels: { app: name } },
      spec: { containers: [{ name: "main" }] },
    });
    const deny: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: "n" },
      spec: { podSelector: { matchLabels: { app: "b" } }, policyTypes: ["Ingress"] },
    };
    const of = (...objects: KubeObject[]) => compile(buildSnapshot(objects.map((object) => ({ object }))));
    const [path] = diff(of(pod("a"), pod("b")), of(pod("a"), pod("b"), deny));
    assert.ok(path, "a path is closed");
    assert.equal(
      describeDifference(path),
      "closed n/a[Pod] -> n/b[Pod]: All Connections, because of NetworkPolicy n/deny (added)",
    );
  });
});
