/** Reports under the validators of those who read them, not under our reading of a format. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Ajv from "ajv";
import { loadAll } from "js-yaml";
import { validateXML } from "xmllint-wasm";
import { formatVerification, type Verification } from "../../sdk/cluster";
import { evaluate, exemptionOverdue, rules, type Finding } from "../../sdk/findings";
import { buildSnapshot, compile, readYaml } from "../../sdk/reachability";
import {
  assessmentResults,
  computedControls,
  junitReport,
  policyReports,
  sarifLog,
  type ControlEvidence,
} from "../../sdk/reports";
import { fixture } from "../support/fixtures";
import { deployment, join, namespace } from "../cli/fixtures";

const read = readYaml(join(namespace("open"), deployment("open", "tool", 9000)), "dir with space/ä.yaml");
const open = compile(buildSnapshot(read.objects));
const strange = `<b>"=cmd|' /C calc'!A0" & \u0007 \n]]>`;
const [first] = evaluate(open);
assert.ok(first, "an open namespace has findings");

/** Real findings, and one of each state with a name that is markup. */
const findings: Finding[] = [
  ...evaluate(open),
  { ...first, subject: { ...first.subject, name: strange }, message: strange, because: [strange] },
  { ...first, exempt: true },
  { ...first, severity: "info" },
  { ...first, certainty: "possible", subject: { kind: "Namespace", name: "${NAMESPACE}" } },
];
const asked = [...rules, exemptionOverdue];
const fails = ({ severity }: Finding): boolean => severity === "critical";
const problems = [{ code: "unreadable", message: strange, affectsVerdicts: true } as const];

const verification: Verification = {
  verdict: "violated",
  executor: strange,
  canary: { connectsBefore: true, blockedAfter: true },
  policies: { declared: ["NetworkPolicy shop/a"], missing: ["NetworkPolicy shop/a"] },
  probes: (["connected", "failed", "blocked"] as const).map((outcome, index) => ({
    probe: {
      group: "metadata",
      source: { kind: "workload", id: "shop/web[Deployment]" },
      destination: { kind: "address", address: "169.254.169.254" },
      protocol: "TCP",
      port: 80,
      expected: "denied",
      computed: "denied",
      reason: strange,
    },
    outcome: { outcome },
    holds: [false, undefined, true][index],
  })),
  unprobed: [{ what: strange, why: strange }],
  findings: [],
};

let folder: string;
before(() => (folder = mkdtempSync(path.join(tmpdir(), "cluster-security-validators-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("reports under real validators: JUnit by the schema of Jenkins' xUnit plugin", () => {
  const schema = fixture("schemas/junit-10.xsd");
  before(function () {
    if (schema === undefined) this.skip();
  });

  const errorsOf = async (xml: string): Promise<string[]> => {
    const { errors } = await validateXML({
      xml: [{ fileName: "report.xml", contents: xml }],
      schema: [readFileSync(schema ?? "", "utf8")],
    });
    return errors.map(({ message }) => message);
  };

  it("findings: passed, failed, skipped and noted", async () => {
    const xml = junitReport({ findings, rules: asked, fails });
    assert.deepEqual(await errorsOf(xml), []);
    for (const tag of ["failure", "skipped", "system-out"]) assert.ok(xml.includes(`<${tag}`), tag);
  });

  it("S4-14: a verification with every outcome", async () => {
    const xml = formatVerification(verification, "junit");
    assert.deepEqual(await errorsOf(xml), []);
    for (const tag of ["failure", "error", "skipped"]) assert.ok(xml.includes(`<${tag} `), tag);
  });

  it("the schema refuses what it does not know", async () => {
    const xml = junitReport({ findings, rules: asked, fails }).replace("<testcase ", '<testcase file="a.yaml" ');
    assert.match((await errorsOf(xml)).join("\n"), /'file'/);
  });
});

describe("reports under real validators: SARIF by Microsoft's SARIF Multitool", function () {
  this.timeout(300_000);
  const installed = fixture("npm/sarif-multitool");
  const program =
    installed === undefined
      ? undefined
      : readdirSync(path.join(installed, "node_modules", "@microsoft"))
          .map((name) => path.join(installed, "node_modules", "@microsoft", name, "Sarif.Multitool"))
          .find((file) => existsSync(file));
  before(function () {
    if (program === undefined) this.skip();
  });

  /** Errors and warnings; notes ask for style of ids and texts. */
  const complaintsOf = (log: unknown): string[] => {
    const [input, output] = [path.join(folder, "log.sarif"), path.join(folder, "judged.sarif")];
    writeFileSync(input, JSON.stringify(log));
    const args = ["validate", input, "--output", output, "--log", "ForceOverwrite", "--level", "Error;Warning"];
    try {
      execFileSync(program ?? "", args, { stdio: "ignore" });
    } catch {
      // it exits with 1 where it complains
    }
    const judged = JSON.parse(readFileSync(output, "utf8").replace(/^\ufeff/, "")) as {
      runs: { results: { ruleId: string; message: { arguments?: string[] } }[] }[];
    };
    return judged.runs.flatMap(({ results }) =>
      results.map(({ ruleId, message }) => `${ruleId} ${(message.arguments ?? []).join(" ")}`),
    );
  };

  it("has nothing to complain about", () => {
    assert.deepEqual(complaintsOf(sarifLog({ findings, rules: asked, problems, version: "1.2.3" })), []);
  });

  it("complains where a result names a rule that is not there", () => {
    const log = JSON.parse(JSON.stringify(sarifLog({ findings, rules: asked, problems, version: "1.2.3" }))) as {
      runs: [{ results: { ruleIndex: number }[] }];
    };
    for (const result of log.runs[0].results) result.ruleIndex = 4000;
    assert.notDeepEqual(complaintsOf(log), []);
  });
});

describe("reports under real validators: PolicyReport by its definition", () => {
  const definitions = fixture("crds/policyreport");
  before(function () {
    if (definitions === undefined) this.skip();
  });

  /** The schema of a kind, closed: the API server would drop or refuse what it does not know. */
  const schemaOf = (kind: string): object => {
    const file = path.join(definitions ?? "", `wgpolicyk8s.io_${kind.toLowerCase()}s.yaml`);
    const [definition] = loadAll(readFileSync(file, "utf8")) as {
      spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
    }[];
    const version = definition?.spec.versions.find(({ name }) => name === "v1alpha2");
    assert.ok(version, kind);
    return closed(version.schema.openAPIV3Schema, true);
  };

  const errorsOf = (reports: readonly object[]): string[] =>
    reports.flatMap((report) => {
      const ajv = new Ajv({ strict: false, allErrors: true, formats: { int32: true, int64: true, "date-time": true } });
      ajv.validate(schemaOf((report as { kind: string }).kind), report);
      return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    });

  const reports = policyReports({
    findings,
    rules: asked,
    problems,
    fails,
    namespaces: ["open", "other", "${NAMESPACE}"],
    time: 1_795_000_000_000,
    apiVersionOf: () => "v1",
  });

  it("S1-22: every report is one, whatever the names hold", () => {
    assert.deepEqual(errorsOf(reports), []);
  });

  it("the definition refuses an outcome that it does not know", () => {
    const text = JSON.stringify(reports).replaceAll('"result":"skip"', '"result":"exempt"');
    assert.notDeepEqual(errorsOf(JSON.parse(text) as object[]), []);
  });

  it("each namespace has its own, an empty one too; what has no place in one is in the cluster's", () => {
    const names = reports.map((report) => (report as { metadata: { namespace?: string } }).metadata.namespace);
    assert.deepEqual(names, [undefined, "open", "other"]);
    const [cluster, own, other] = reports as { summary: Record<string, number>; results: { result: string }[] }[];
    assert.equal(cluster?.summary["error"], 1);
    assert.ok((cluster?.summary["warn"] ?? 0) > 0 && (cluster?.summary["pass"] ?? 0) > 0);
    assert.ok((own?.summary["fail"] ?? 0) > 0 && own?.summary["skip"] === 1);
    assert.deepEqual(other?.results, []);
  });
});

describe("reports under real validators: OSCAL by compliance-trestle", function () {
  this.timeout(300_000);
  const packages = fixture("python/compliance-trestle");
  before(function () {
    if (packages === undefined) this.skip();
  });

  const judge = (results: object): string => {
    const file = path.join(folder, "results.json");
    writeFileSync(file, JSON.stringify(results));
    const script =
      "import pathlib, sys\nfrom trestle.oscal.assessment_results import AssessmentResults\n" +
      "print(len(AssessmentResults.oscal_read(pathlib.Path(sys.argv[1])).results))";
    try {
      return execFileSync("python3", ["-c", script, file], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PYTHONPATH: packages },
      }).trim();
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr);
    }
  };

  const controls = computedControls({ findings, rules: asked, incomplete: strange }).map(
    (each, index): ControlEvidence => ({
      ...each,
      ...(index % 2 === 0 ? { observed: { state: "holds", text: strange, at: "2026-11-28T10:00:00Z" } } : {}),
    }),
  );
  const input = {
    title: strange,
    at: "2026-11-29T10:00:00.000Z",
    version: "1.2.3",
    findings,
    controls,
    inputs: [{ name: "dir with space/ä.yaml", sha256: "0".repeat(64) }, { name: "cluster prod" }],
  };

  it("S1-22: assessment results are read, whatever the names hold", () => {
    assert.equal(judge(assessmentResults(input)), "1");
    assert.equal(judge(assessmentResults({ ...input, findings: [], controls: [], inputs: [] })), "1");
  });

  it("a property that OSCAL does not know is refused", () => {
    const text = JSON.stringify(assessmentResults(input)).replace('"methods":["EXAMINE"]', '"method":"EXAMINE"');
    assert.match(judge(JSON.parse(text) as object), /method/);
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: unknown;
}

/** A schema whose objects hold nothing but what it names; metadata is the API server's own. */
function closed(schema: Schema, isRoot = false): Schema {
  const properties = Object.entries(schema.properties ?? {}).map(
    ([name, each]) => [name, isRoot && name === "metadata" ? each : closed(each)] as const,
  );
  return {
    ...schema,
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties), additionalProperties: false }),
    ...(schema.items === undefined ? {} : { items: closed(schema.items) }),
  };
}
