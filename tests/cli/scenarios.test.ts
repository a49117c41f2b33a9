/** Expected connections: made of declarations, edited by hand, held against policies, and read by other tools. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Ajv from "ajv";
import { dump, load } from "js-yaml";
import { validateXML } from "xmllint-wasm";
import { declaredBy } from "../../lab/examples/index";
import type { CliError } from "../../sdk/cli/errors";
import { foundScenarios, scenarioFile } from "../../sdk/cli/scenarios-file";
import { buildSnapshot, readYaml } from "../../sdk/reachability/index";
import { readScenarios } from "../../sdk/scenarios/index";
import type { Scenario } from "../../sdk/scenarios/index";
import { fixture } from "../support/fixtures";
import { repoRoot, run, type Ran } from "./command";
import { defaultDeny, deployment, join, namespace } from "./fixtures";

const schema = JSON.parse(readFileSync(path.join(repoRoot, "scenarios.schema.json"), "utf8")) as object;
const meetsSchema = new Ajv().compile(schema);

const declaration = `
dialect: kubernetes
namespaces: [{ name: shop }, { name: bank }]
tenants: [{ name: shop, namespaces: [shop] }, { name: bank, namespaces: [bank] }]
workloads:
  - { name: web, namespace: shop, ports: [{ port: 8080 }] }
  - { name: api, namespace: shop, ports: [{ port: 9000 }, { port: 5353, protocol: UDP }] }
  - { name: db, namespace: shop, ports: [{ port: 5432 }], denyExternal: true }
  - { name: ledger, namespace: bank, ports: [{ port: 7000 }] }
flows:
  - { from: { workload: shop/web }, to: { workload: shop/api }, ports: [{ port: 9000 }], reason: pages show orders, owner: web }
  - { from: { workload: shop/api }, to: { workload: shop/db }, ports: [{ port: 5432 }], reason: orders are kept, owner: data }
  - { from: { workload: shop/api }, to: { cidr: 198.51.100.0/24 }, ports: [{ port: 443 }], reason: customers pay, owner: shop }
`;
/** What runs, without any policy; and with a default deny alone. */
const pods = join(
  namespace("shop"),
  namespace("bank"),
  deployment("shop", "web", 8080),
  deployment("shop", "api", 9000).replace("[{", "[{ name: dns, containerPort: 5353, protocol: UDP }, {"),
  deployment("shop", "db", 5432),
  deployment("bank", "ledger", 7000),
);

const snapshot = buildSnapshot(readYaml(pods, "pods.yaml").objects);

describe("scenarios", function () {
  this.timeout(120_000);
  let folder: string;
  const command = (...args: string[]): Promise<Ran> => run(["scenarios", ...args], { cwd: folder });
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  const scenariosIn = (text: string): Scenario[] => (load(text) as { scenarios: Scenario[] }).scenarios;
  const lines = (text: string): string[] => scenariosIn(text).map(({ from, to, expect }) => `${from} ${to} ${expect}`);

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-scenarios-"));
    write("security.yaml", declaration);
    write("pods.yaml", pods);
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A file with one scenario, or several. */
  const withScenarios = (...some: object[]): void => write("scenarios.yaml", dump({ scenarios: some }));
  const scenario = (change: object = {}): object => ({
    ...{ from: "shop/web", to: "shop/api:9000/TCP", expect: "allowed", because: "orders" },
    ...change,
  });

  it("S1-19: a declaration gives what is declared, and of the rest what says most, with reasons and a schema", async () => {
    const { code, stdout, stderr } = await command("security.yaml");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^# yaml-language-server: \$schema=\S+scenarios\.schema\.json\n/);
    assert.ok(meetsSchema(load(stdout)), JSON.stringify(meetsSchema.errors));
    const all = lines(stdout);
    for (const wanted of [
      "shop/web shop/api:9000/TCP allowed",
      "shop/api shop/db:5432/TCP allowed",
      "shop/api 198.51.100.1:443/TCP allowed",
      "shop/web 169.254.169.254:80/TCP denied",
      "bank/ledger shop/api:9000/TCP denied",
      "shop/web shop/db:5432/TCP denied",
      "203.0.113.10 shop/db:5432/TCP denied",
      "new@shop 169.254.169.254:80/TCP denied",
    ]) {
      assert.ok(all.includes(wanted), `${wanted} is among\n${all.join("\n")}`);
    }
    assert.equal(new Set(all).size, all.length, "none twice");
    const byText = new Map(scenariosIn(stdout).map((each) => [`${each.from} ${each.to}`, each]));
    assert.equal(byText.get("shop/web shop/api:9000/TCP")?.because, "pages show orders (web)");
    assert.equal(byText.get("203.0.113.10 shop/db:5432/TCP")?.because, "nothing outside may reach it (denyExternal)");
    assert.equal(byText.get("bank/ledger shop/api:9000/TCP")?.because, "tenants are apart");
  });

  it("S1-19: each workload has as many denied ones as asked for; with --all every one, and every metadata address", async () => {
    const count = async (...more: string[]): Promise<number> =>
      lines((await command("security.yaml", ...more)).stdout).length;
    assert.ok((await count("--sample", "1")) < (await count()));
    const all = lines((await command("security.yaml", "--all")).stdout);
    assert.ok(all.length > (await count()));
    assert.ok(all.includes("shop/web 100.100.100.200:80/TCP denied"));
    assert.ok(all.includes("shop/web [fd00:ec2::254]:80/TCP denied"));
  });

  it("S1-19: an address that answers stands for the outside, and packets are sent to it", async () => {
    const { stdout } = await command("security.yaml", "--outside", "198.51.100.7");
    const found = scenariosIn(stdout).find(({ from, to }) => from === "shop/api" && to === "198.51.100.7:443/TCP");
    assert.deepEqual([found?.expect, found?.packets], ["allowed", undefined]);
    assert.equal((await command("security.yaml", "--outside", "example.com")).code, 2);
  });

  it("S1-19: the policies of the same declaration keep every scenario; no policy at all keeps only what is allowed", async () => {
    assert.equal((await command("security.yaml", "--output", "scenarios.yaml")).code, 0);
    const kept = await command("scenarios.yaml", "--policies", "security.yaml", "--format", "json");
    assert.equal(kept.code, 0, kept.stdout);
    const open = await command("scenarios.yaml", "--policies", "pods.yaml", "--format", "json");
    assert.equal(open.code, 1);
    const judged = JSON.parse(open.stdout) as { expect: string; observed: string; result: string }[];
    assert.ok(judged.every(({ observed }) => observed === "allowed"));
    assert.ok(judged.every(({ expect, result }) => result === (expect === "allowed" ? "passed" : "failed")));
    write("deny.yaml", defaultDeny);
    const cut = await command("scenarios.yaml", "--policies", "pods.yaml,deny.yaml");
    assert.equal(cut.code, 1);
    assert.match(cut.stdout, /failed │ shop\/web +│ shop\/api:9000\/TCP +│ allowed +│ denied/);
    assert.match(cut.stdout, /\d+ scenarios: \d+ passed, \d+ failed, 0 unknown\n$/);
  });

  for (const example of ["shop", "zero-trust-tiers", "tenants", "web-app"] as const) {
    it(`S1-19: the scenarios of the example ${example} hold in its own policies`, async () => {
      const [declared] = declaredBy(example);
      write("declaration.json", JSON.stringify(declared.declaration));
      assert.equal((await command("declaration.json", "-o", "made.yaml")).code, 0);
      const { code, stdout, stderr } = await command("made.yaml", "--policies", "declaration.json", "--format", "tap");
      assert.equal(code, 0, `${stdout}${stderr}`);
      assert.ok(readScenarios(load(readFileSync(path.join(folder, "made.yaml"), "utf8"))).problems.length === 0);
    });
  }

  it("S1-19: what cannot be told is unknown, and never passes", async () => {
    withScenarios(scenario({ expect: "denied" }), scenario({ to: "shop/db:5432" }));
    const policy = defaultDeny.replace("podSelector: {}", "podSelector: { matchLabels: { app: '{{ .Values.app }}' } }");
    write("open.yaml", policy);
    const { code, stdout } = await command("scenarios.yaml", "--policies", "pods.yaml,open.yaml", "--format", "tap");
    assert.equal(code, 3, stdout);
    assert.match(stdout, /^not ok 1 - shop\/web to shop\/api:9000\/TCP is denied\n {2}---\n {2}observed: "unknown"/m);
    assert.match(stdout, /# 2 scenarios: 0 passed, 0 failed, 2 unknown/);
  });

  it("S1-19: JUnit has a failure for a difference, and an error for what is unknown", async () => {
    withScenarios(scenario({ expect: "denied", because: `<b>"&` }), scenario({ to: "shop/db:5432" }));
    const { code, stdout } = await command("scenarios.yaml", "--policies", "pods.yaml", "--format", "junit");
    assert.equal(code, 1);
    assert.match(stdout, /<failure message="expected denied, observed allowed: &lt;b&gt;&quot;&amp;"\/>/);
    const xsd = fixture("schemas/junit-10.xsd");
    if (xsd === undefined) return;
    const { valid, errors } = await validateXML({
      xml: [{ fileName: "junit.xml", contents: stdout }],
      schema: [readFileSync(xsd, "utf8")],
    });
    assert.ok(valid, JSON.stringify(errors));
  });

  it("S1-19: a file that people edit is not written over unless asked", async () => {
    write("scenarios.yaml", "scenarios: []\n");
    const { code, stderr } = await command("security.yaml", "--output", "scenarios.yaml");
    assert.equal(code, 4);
    assert.match(stderr, /"scenarios\.yaml" exists: .* --overwrite/);
    assert.equal(readFileSync(path.join(folder, "scenarios.yaml"), "utf8"), "scenarios: []\n");
    assert.equal((await command("security.yaml", "--output", "scenarios.yaml", "--overwrite")).code, 0);
  });

  describe("S1-19: what is wrong with a file is refused with its place and a fix", () => {
    const refusals: readonly (readonly [string, readonly object[], RegExp])[] = [
      [
        "a workload that is not there",
        [scenario(), scenario({ to: "shop/apii:9000" })],
        /scenarios\.yaml:7: scenarios\[1\]\.to there is no workload "shop\/apii".* Did you mean "shop\/api/,
      ],
      [
        "a source that is not there",
        [scenario({ from: "shop/wep" })],
        /scenarios\[0\]\.from there is no workload "shop\/wep"/,
      ],
      [
        "a namespace that is not there",
        [scenario({ from: "new@shpo" })],
        /scenarios\[0\]\.from there is no namespace "shpo"/,
      ],
      [
        "a port that is not there",
        [scenario({ to: "shop/api:9001" })],
        /scenarios\[0\]\.to shop\/api\[Deployment\] has no port 9001\/TCP: it has 5353\/UDP, 9000\/TCP\. Write one of them, or unlistedPort: true/,
      ],
      ["the port of another protocol", [scenario({ to: "shop/api:9000/UDP" })], /has no port 9000\/UDP/],
      [
        "a port by a name that is not there",
        [scenario({ to: "shop/api:grpc" })],
        /scenarios\[0\]\.to .* no port named "grpc"/,
      ],
      ["a port at the source", [scenario({ from: "shop/web:80" })], /scenarios\[0\]\.from "shop\/web:80" has a port/],
      ["no port where it is allowed", [scenario({ to: "shop/api" })], /scenarios\[0\]\.to names no port/],
      ["a range", [scenario({ to: "10.0.0.0/8:80" })], /scenarios\[0\]\.to .*10\.0\.0\.0\/8/],
      [
        "two that contradict each other",
        [scenario(), scenario({ from: "web", to: "shop/api[Deployment]:9000", expect: "denied" })],
        /scenarios\[1\] contradicts scenarios\[0\]: .* allowed there and denied here/,
      ],
      [
        "one that denies every port beside one that allows a port",
        [scenario({ to: "shop/api", expect: "denied" }), scenario()],
        /scenarios\[1\] contradicts scenarios\[0\]/,
      ],
      [
        "an unknown field",
        [{ ...scenario(), expects: "denied" }],
        /scenarios\[0\]\.expects is no field of a scenario: did you mean expect\?/,
      ],
      [
        "another word for allowed",
        [scenario({ expect: "open" })],
        /scenarios\[0\]\.expect is neither allowed nor denied/,
      ],
      ["no reason", [scenario({ because: " " })], /scenarios\[0\]\.because is no text/],
      ["text for a switch", [scenario({ packets: "no" })], /scenarios\[0\]\.packets is neither true nor false/],
    ];
    for (const [what, some, message] of refusals) {
      it(what, () => {
        const text = dump({ scenarios: some });
        assert.throws(
          () => foundScenarios(scenarioFile("scenarios.yaml", text), snapshot),
          ({ message: said, exitCode }: CliError) => message.test(said) && exitCode === 4,
        );
      });
    }

    it("everything that is wrong, at once, and no answer", async () => {
      withScenarios({ from: "shop/web", expect: "allowed" }, { ...scenario(), port: 1 });
      const { code, stdout, stderr } = await command("scenarios.yaml", "--policies", "pods.yaml");
      for (const place of [
        "scenarios[0].to is missing",
        "scenarios[0].because is missing",
        "scenarios[1].port is no field",
      ]) {
        assert.ok(stderr.includes(place), stderr);
      }
      assert.deepEqual([code, stdout], [4, ""]);
    });

    it("what is no file of scenarios, and what is no YAML", async () => {
      for (const [text, message] of [
        ["scenarios: {}\n", /scenarios is no list of scenarios/],
        ["scenarios: []\n", /write at least one/],
        ["scenarios: [a]\n", /scenarios\[0\] is no scenario/],
        ["scenarios:\n  - {\n", /cannot be read: .+ line/],
        [`scenarios: [${JSON.stringify(scenario())}]\nmore: 1\n`, /more is no field of a file of scenarios/],
      ] as const) {
        assert.throws(() => scenarioFile("scenarios.yaml", text), message);
      }
      assert.equal((await command("nothing.yaml")).code, 4);
      withScenarios(scenario());
      assert.equal((await command("scenarios.yaml")).code, 2, "it holds scenarios already");
      assert.equal((await command("security.yaml", "--format", "junit")).code, 2, "nothing to hold them against");
    });

    it("the same by the schema, where the schema can see it", () => {
      const cases = refusals.map(([, some]) => ({ scenarios: some }));
      for (const value of [...cases, { scenarios: [] }, { scenarios: [1] }, {}, { scenarios: [scenario()], more: 1 }]) {
        const understood = readScenarios(value).problems.length === 0;
        assert.equal(meetsSchema(value), understood, JSON.stringify(value));
      }
    });
  });

  describe("S1-19: as tests of netassert v2", () => {
    const netassert = async (...args: string[]): Promise<Ran> => command(...args, "--format", "netassert");

    it("with the kind of each workload, and what netassert cannot say named in a comment", async () => {
      withScenarios(
        scenario(),
        scenario({ to: "shop/db", expect: "denied" }),
        scenario({ to: "api.example.com:443", expect: "allowed" }),
        scenario({ from: "203.0.113.9", expect: "denied" }),
        scenario({ to: "shop/api:9000/SCTP", unlistedPort: true, expect: "denied" }),
      );
      const { code, stdout, stderr } = await netassert("scenarios.yaml", "--policies", "pods.yaml");
      assert.equal(code, 0, stderr);
      const tests = load(stdout) as { name: string; exitCode: number; targetPort: number; src: object; dst: object }[];
      assert.deepEqual(
        tests.map(({ targetPort, exitCode }) => [targetPort, exitCode]),
        [
          [9000, 0],
          [5432, 1],
          [443, 0],
        ],
      );
      assert.deepEqual(tests[0]?.src, { k8sResource: { kind: "deployment", name: "web", namespace: "shop" } });
      assert.deepEqual(tests[2]?.dst, { host: { name: "api.example.com" } });
      assert.equal(stdout.match(/^# left out: /gm)?.length, 2);
    });

    it("needs the workloads: a file of scenarios alone is refused", async () => {
      withScenarios(scenario());
      const { code, stderr } = await netassert("scenarios.yaml");
      assert.equal(code, 2);
      assert.match(stderr, /--policies: name the manifests/);
    });

    it("netassert's own reader takes them, and refuses them once one is broken", async function () {
      const source = fixture("go/netassert");
      if (source === undefined || spawnSync("go", ["version"]).status !== 0) return this.skip();
      const build = path.join(folder, "reader");
      cpSync(path.join(__dirname, "netassert-reader"), build, { recursive: true });
      for (const file of readdirSync(source)) cpSync(path.join(source, file), path.join(build, "data", file));
      execFileSync("go", ["build", "-o", "reader", "."], { cwd: build, stdio: "pipe" });
      const read = (file: string): { status: number | null; out: string } => {
        const { status, stdout, stderr } = spawnSync(path.join(build, "reader"), [path.join(folder, file)], {
          encoding: "utf8",
        });
        return { status, out: `${stdout}${stderr}` };
      };
      assert.equal((await netassert("security.yaml", "-o", "declared.yaml")).code, 0);
      const declared = read("declared.yaml");
      assert.equal(declared.status, 0, declared.out);
      assert.match(declared.out, /shop\/web\[Pod\] to shop\/api\[Pod\] TCP 9000 is allowed tcp 9000 0\n/);
      for (const example of ["shop", "zero-trust-tiers", "tenants", "web-app"] as const) {
        write("declaration.json", JSON.stringify(declaredBy(example)[0].declaration));
        assert.equal((await netassert("declaration.json", "--all", "-o", "tests.yaml")).code, 0);
        const { status, out } = read("tests.yaml");
        assert.equal(status, 0, out);
      }
      const text = readFileSync(path.join(folder, "declared.yaml"), "utf8");
      write("broken.yaml", text.replace("protocol: tcp", "protocol: icmp"));
      assert.deepEqual(read("broken.yaml").status, 1);
      write("twice.yaml", text + text.replaceAll(/^#.*\n/gm, ""));
      assert.match(read("twice.yaml").out, /duplicate test name/);
    });
  });
});
