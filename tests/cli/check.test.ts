import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { loadAll } from "js-yaml";
import { folderWith, run } from "./command";
import { defaultDeny, deployment, join, namespace, shop } from "./fixtures";

/** A namespace without any policy: everything is open, cloud metadata included. */
const open = join(namespace("open"), deployment("open", "tool", 9000));
const exemption = (text: string): string => `- { namespace: open, owner: web, reason: a trial, ${text} }\n`;

interface Row {
  rule: string;
  severity: string;
  state: string;
  message: string;
  sources: { file?: string; line?: number }[];
}

describe("cluster-security check", () => {
  let folder: string;
  let remove: () => void;
  before(
    () =>
      ({ folder, remove } = folderWith({
        "open.yaml": open,
        "shop.yaml": shop,
        "broken.yaml": "a: [",
        "strange.yaml": join(defaultDeny.replace("networking.k8s.io/v1", "networking.k8s.io/v9")),
        "current.yaml":
          exemption("finding: metadata-endpoints-closed, expires: 2099-01-01") +
          exemption("finding: namespace-default-deny, expires: 2099-01-01"),
        "ended.yaml": exemption("finding: metadata-endpoints-closed, expires: 2020-01-01"),
        "typo.yaml": exemption("finding: metadata-endpoint-closed, expires: 2099-01-01"),
        "key.yaml": exemption("finding: metadata-endpoints-closed, expiry: 2099-01-01"),
        "wrapped.json": JSON.stringify({
          exemptions: [
            {
              finding: "metadata-endpoints-closed",
              namespace: "open",
              owner: "web",
              reason: "a trial",
              expires: "2099-01-01",
            },
          ],
        }),
      })),
  );
  after(() => remove());

  const check = (...args: string[]) => run(["check", ...args], { cwd: folder });
  const rows = async (...args: string[]): Promise<Row[]> =>
    JSON.parse((await check(...args, "--format", "json")).stdout) as Row[];

  it("prints violations with reason, fix, controls and place, and exits with 1", async () => {
    const { code, stdout, stderr } = await check("open.yaml");
    assert.equal(code, 1, stderr);
    assert.match(stdout, /^CRITICAL metadata-endpoints-closed\n {2}.*open.*\[open\.yaml:\d+\]\n {2}because /m);
    assert.match(stdout, /^ {2}fix: /m);
    assert.match(stdout, /^ {2}controls: .*T1552\.005/m);
    assert.match(stderr, /^\d+ critical/m);
    assert.ok(!stdout.includes("\u001b"), "no colours where the output is no terminal");
  });

  it("--fail-on says which severity fails; below it everything is still shown", async () => {
    const only = ["shop.yaml", "--rule", "dns-cut"];
    const [severity, ...others] = new Set((await rows(...only)).map((row) => row.severity));
    assert.deepEqual([severity, others], ["medium", []]);
    assert.equal((await check("open.yaml", "--fail-on", "none")).code, 0);
    const high = await check(...only);
    assert.equal(high.code, 0, high.stderr);
    assert.match(high.stdout, /^MEDIUM dns-cut \(below --fail-on\)$/m);
    const medium = await check(...only, "--fail-on", "medium");
    assert.equal(medium.code, 1, medium.stderr);
    assert.match(medium.stdout, /^MEDIUM dns-cut$/m);
  });

  it("exempt findings are shown with who accepted them, and do not fail", async () => {
    const narrowed = ["--rule", "metadata-endpoints-closed,namespace-default-deny"];
    assert.equal((await check("open.yaml", ...narrowed)).code, 1);
    const { code, stdout, stderr } = await check("open.yaml", ...narrowed, "--exemptions", "current.yaml");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^exempt: .*accepted by web until 2099-01-01: a trial$/m);
    assert.match(stderr, /^no violations; \d+ exempt$/m);
    const wrapped = await rows("open.yaml", ...narrowed, "--exemptions", "wrapped.json");
    assert.ok(wrapped.some(({ rule, state }) => rule === "metadata-endpoints-closed" && state === "exempt"));
    assert.ok(wrapped.some(({ rule, state }) => rule === "namespace-default-deny" && state === "violation"));
  });

  it("an exemption that has ended covers nothing and is a finding itself", async () => {
    const found = await rows("open.yaml", "--exemptions", "ended.yaml");
    assert.ok(found.some(({ rule, state }) => rule === "metadata-endpoints-closed" && state === "violation"));
    assert.ok(found.some(({ rule, state }) => rule === "exemption-overdue" && state === "violation"));
  });

  it("refuses an exemption that names a rule or a key that does not exist", async () => {
    const typo = await check("open.yaml", "--exemptions", "typo.yaml");
    assert.deepEqual([typo.code, typo.stdout], [4, ""]);
    assert.match(typo.stderr, /typo\.yaml: exemption 1: there is no rule.*Did you mean "metadata-endpoints-closed"\?/);
    const key = await check("open.yaml", "--exemptions", "key.yaml");
    assert.deepEqual([key.code, key.stdout], [4, ""]);
    assert.match(key.stderr, /unknown key "expiry"\. Did you mean "expires"\?/);
    for (const file of ["broken.yaml", "no-such.yaml", "shop.yaml"]) {
      const { code, stdout } = await check("open.yaml", "--exemptions", file);
      assert.deepEqual([code, stdout], [4, ""], file);
    }
  });

  it("refuses a rule that does not exist, with the nearest", async () => {
    const { code, stderr } = await check("open.yaml", "--rule", "namespace-deny");
    assert.equal(code, 2);
    assert.match(stderr, /there is no rule "namespace-deny"\. Did you mean "namespace-default-deny"\?/);
  });

  it("filters by namespace and workload", async () => {
    const both = await rows("open.yaml", "shop.yaml");
    const shopOnly = await rows("open.yaml", "shop.yaml", "-n", "shop");
    assert.ok(shopOnly.length > 0 && shopOnly.length < both.length);
    assert.ok(shopOnly.every(({ message }) => !message.includes("open/")));
    const tool = await rows("open.yaml", "shop.yaml", "-w", "open/tool");
    assert.ok(tool.every(({ message }) => message.includes("open/tool")));
    assert.equal((await check("open.yaml", "-n", "opn")).code, 2);
  });

  it("--tier0 says which namespaces are exempt", async () => {
    const exempt = await rows("open.yaml", "--tier0", "open");
    assert.ok(!exempt.some(({ rule, state }) => rule === "metadata-endpoints-closed" && state === "violation"));
  });

  it("what is only possible leaves the answer open (exit code 3), and never passes", async () => {
    const { code, stderr } = await check("shop.yaml", "strange.yaml", "--fail-on", "high");
    assert.equal(code, 3, stderr);
  });

  it("a source that cannot be read leaves the answer open", async () => {
    const { code, stderr } = await check("shop.yaml", "broken.yaml", "--fail-on", "none");
    assert.equal(code, 3, stderr);
    assert.match(stderr, /broken\.yaml/);
  });

  it("prints SARIF that code scanning can place", async () => {
    const { stdout } = await check("open.yaml", "shop.yaml", "--format", "sarif", "--exemptions", "current.yaml");
    const log = JSON.parse(stdout) as {
      version: string;
      runs: {
        tool: { driver: { name: string; rules: { id: string }[] } };
        results: {
          ruleId: string;
          ruleIndex: number;
          level: string;
          message: { text: string };
          suppressions?: { kind: string; justification: string }[];
          locations: {
            physicalLocation?: { artifactLocation: { uri: string }; region: { startLine: number } };
            logicalLocations: { fullyQualifiedName: string }[];
          }[];
        }[];
      }[];
    };
    assert.equal(log.version, "2.1.0");
    const [sarifRun] = log.runs;
    assert.ok(sarifRun && sarifRun.results.length > 0, "there are results");
    for (const { ruleId, ruleIndex, locations, level } of sarifRun.results) {
      assert.equal(sarifRun.tool.driver.rules[ruleIndex]?.id, ruleId);
      assert.ok(["error", "warning", "note"].includes(level), level);
      assert.match(locations[0]?.physicalLocation?.artifactLocation.uri ?? "", /^(open|shop)\.yaml$/);
      assert.ok((locations[0]?.physicalLocation?.region.startLine ?? 0) >= 1, ruleId);
    }
    const suppressed = sarifRun.results.filter(({ suppressions }) => suppressions !== undefined);
    assert.ok(suppressed.some(({ ruleId }) => ruleId === "metadata-endpoints-closed"));
    assert.match(suppressed[0]?.suppressions?.[0]?.justification ?? "", /accepted by web until/);
  });

  it("prints JUnit XML: failures, skipped tests, and passed ones for rules without findings", async () => {
    const { stdout } = await check(
      "open.yaml",
      "shop.yaml",
      "--format",
      "junit",
      "--exemptions",
      "current.yaml",
      "--fail-on",
      "low",
    );
    assert.match(
      stdout,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="cluster-security check" tests="/,
    );
    assert.match(stdout, /<skipped message="exempt: .*accepted by web until/);
    assert.match(stdout, /<failure type="[a-z]+" message="/);
    assert.match(stdout, /<testcase classname="cluster-admin-binding" name="[^"]+"\/>/);
    const counted = Number(/<testsuites [^>]*failures="(\d+)"/.exec(stdout)?.[1]);
    assert.equal(stdout.match(/<failure /g)?.length, counted);
  });

  it("prints Markdown and CSV", async () => {
    const md = await check("open.yaml", "--format", "md", "--exemptions", "current.yaml");
    assert.match(md.stdout, /^# Findings\n/);
    assert.match(md.stdout, /\n## Exempt\n\n- .*accepted by web/);
    const csv = await check("open.yaml", "--format", "csv");
    assert.match(
      csv.stdout,
      /^severity,rule,state,subject,source,message,fix\ncritical,metadata-endpoints-closed,violation,/,
    );
  });

  it("S1-22: policyreport is what kubectl applies: a report for each namespace that was judged", async () => {
    const { code, stdout } = await check("open.yaml", "shop.yaml", "--format", "policyreport");
    assert.equal(code, 1);
    const reports = loadAll(stdout) as { kind: string; metadata: { namespace?: string }; results: Result[] }[];
    const names = reports.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}`);
    assert.deepEqual(names, ["ClusterPolicyReport ", "PolicyReport open", "PolicyReport shop"]);
    const about = reports[1]?.results.flatMap(({ resources = [] }) => resources) ?? [];
    assert.ok(about.some(({ apiVersion, kind }) => apiVersion === "v1" && kind === "Namespace"));
    const narrowed = await check("open.yaml", "shop.yaml", "-n", "shop", "--format", "policyreport");
    assert.equal(
      (loadAll(narrowed.stdout) as unknown[]).length,
      2,
      "a report of a namespace that was not judged stays",
    );
  });

  it("S1-22: oscal names every file with its checksum, and is satisfied with nothing that is not known", async () => {
    const oscal = async (...args: string[]): Promise<Assessment> => {
      const { stdout } = await check(...args, "--format", "oscal");
      return (JSON.parse(stdout) as { "assessment-results": Assessment })["assessment-results"];
    };
    const whole = await oscal("shop.yaml");
    const hashes = whole["back-matter"].resources.flatMap(({ rlinks = [] }) => rlinks);
    assert.deepEqual(hashes, [
      { href: "shop.yaml", hashes: [{ algorithm: "SHA-256", value: createHash("sha256").update(shop).digest("hex") }] },
    ]);
    const statesOf = ({ results: [{ findings }] }: Assessment) =>
      new Set(findings.map(({ target }) => target.status.state));
    assert.ok(statesOf(whole).has("satisfied"));
    assert.deepEqual([...statesOf(await oscal("shop.yaml", "strange.yaml", "--allow-problems"))], ["not-satisfied"]);
  });
});

interface Result {
  readonly resources?: { readonly apiVersion?: string; readonly kind: string }[];
}

interface Assessment {
  readonly results: [{ readonly findings: { readonly target: { readonly status: { readonly state: string } } }[] }];
  readonly "back-matter": { readonly resources: { readonly rlinks?: unknown[] }[] };
}
