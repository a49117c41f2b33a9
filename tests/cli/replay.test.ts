import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { hubble } from "../flows/lines";
import { folderWith, run, type Ran } from "./command";
import { defaultDeny, deployment, join, namespace } from "./fixtures";

const pods = join(namespace("shop"), deployment("shop", "web", 3000), deployment("shop", "db", 5432));
const source = { namespace: "shop", labels: ["k8s:app=web"], pod_name: "web-1" };
const destination = { namespace: "shop", labels: ["k8s:app=db"], pod_name: "db-1" };
const passed = hubble({ reply: false, source, destination });
const denied = hubble({ verdict: "DROPPED", reason: "POLICY_DENIED", source, destination });

describe("cluster-security explain --flow", () => {
  const explain = (line: string, policies: string, ...more: readonly string[]): Promise<Ran> => {
    const { folder } = folderWith({ "all.yaml": policies });
    return run(["explain", "--flow", "-", path.join(folder, "all.yaml"), ...more], { stdin: line });
  };

  it("says what was recorded, whether it is still so, and which rule decides", async () => {
    const still = await explain(denied, join(pods, defaultDeny));
    assert.equal(still.code, 0, still.stderr);
    assert.match(
      still.stderr,
      /recorded 2026-11-28T10:00:00\.000Z: denied \(nothing allowed it\) at the source; it still is/,
    );
    assert.match(still.stdout, /default-deny/);
    const now = await explain(denied, pods);
    assert.match(now.stderr, /it is no longer: these policies allow it/);
    const closed = await explain(passed, join(pods, defaultDeny));
    assert.match(closed.stderr, /allowed at the source; it is no longer: these policies deny it/);
  });

  it("S0-13 names the declared flow whose rule let it pass", async () => {
    const marked = hubble({ reply: false, source, destination, more: { policy_log: ["a1b2c3d4e5"] } });
    const { stderr } = await explain(marked, pods);
    assert.match(stderr, /allowed at the source, by the rule of the declared flow a1b2c3d4e5; it still is/);
  });

  it("refuses a line that is no flow, a pod that nobody knows, and no question at all", async () => {
    const reply = await explain(hubble({ reply: true }), pods);
    assert.deepEqual([reply.code, /--flow: the line is a reply/.test(reply.stderr)], [4, true], reply.stderr);
    const nobody = await explain(hubble({ reply: false, source: { namespace: "shop", pod_name: "gone-1" } }), pods);
    assert.deepEqual([nobody.code, /the source cannot be identified/.test(nobody.stderr)], [4, true], nobody.stderr);
    const missing = await run(["explain", "--flow", "/nonexistent/flow.json", "-"], { stdin: pods });
    assert.deepEqual([missing.code, /cannot be read \(ENOENT\)/.test(missing.stderr)], [4, true], missing.stderr);
    const none = await run(["explain", "shop/web"]);
    assert.deepEqual([none.code, /name the two ends of the flow/.test(none.stderr)], [2, true], none.stderr);
  });
});

describe("cluster-security replay", () => {
  const replay = (flows: string, policies: string, ...more: readonly string[]): Promise<Ran> => {
    const { folder } = folderWith({ "flows.log": flows, "policies/all.yaml": policies });
    return run(["replay", path.join(folder, "flows.log"), "--policies", path.join(folder, "policies"), ...more]);
  };

  it("exits with 1 and lists what would be denied, with its reason", async () => {
    const ran = await replay(passed, join(pods, defaultDeny));
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout, /would-be-denied +shop\/web\[Deployment\] +shop\/db\[Deployment\] +TCP 5432 +1 /);
    assert.match(ran.stdout, /flow\("shop\/web"\)\.to\("shop\/db"\)\.on\(tcp\(5432\)\)\.because/);
    assert.match(ran.stderr, /node default\/node-1: 2026-11-28T10:00:00Z to/);
  });

  it("exits with 0 where all goes on to pass, and says what was silent", async () => {
    const ran = await replay(passed, join(pods, deployment("shop", "idle", 80)), "--format", "json");
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(JSON.parse(ran.stdout), []);
    assert.match(ran.stderr, /silent: nothing was recorded of shop\/idle\[Deployment\]/);
    const all = await replay(passed, pods, "--format", "json", "--all");
    const [flow] = JSON.parse(all.stdout) as [Record<string, unknown>];
    assert.deepEqual([flow["effect"], flow["source"], flow["passed"]], ["still-allowed", "shop/web[Deployment]", 1]);
  });

  it("exits with 3 where more than --max-unknown could not be read", async () => {
    const ran = await replay(`${passed}\n${passed.slice(0, 99)}`, pods);
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stderr, /not understood: 1 × a line that is no JSON, or is cut off \(.*flows\.log:2\)/);
    assert.equal((await replay(`${passed}\n${passed.slice(0, 99)}`, pods, "--max-unknown", "50%")).code, 0);
  });

  it("reads compressed files, folders and standard input", async () => {
    const { folder } = folderWith({ "all.yaml": join(pods, defaultDeny), "flows/a.log": `${passed}\n` });
    writeFileSync(path.join(folder, "flows", "b.log.gz"), gzipSync(`${passed.replace("43210", "43211")}\n`));
    const ran = await run([
      "replay",
      path.join(folder, "flows"),
      "--policies",
      path.join(folder, "all.yaml"),
      "--format",
      "json",
    ]);
    const [flow] = JSON.parse(ran.stdout) as [Record<string, unknown>];
    assert.equal(flow["passed"], 2, ran.stderr);
    const piped = await run(["replay", "-", "--policies", path.join(folder, "all.yaml")], { stdin: passed });
    assert.equal(piped.code, 1, piped.stderr);
  });

  it("S3-28 records what the roll-out of each namespace needs", async () => {
    const { folder } = folderWith({});
    const file = path.join(folder, "rollout.json");
    const later = hubble({ reply: false, source, destination: { identity: 2 }, time: "2026-12-06T09:00:00Z" });
    const ran = await replay(`${passed}\n${later}\n${passed.slice(0, 50)}`, join(pods, defaultDeny), "--record", file);
    assert.equal(ran.code, 1, ran.stderr);
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
      shop: { from: "2026-11-28", to: "2026-12-06", attempts: 2, wouldBeDenied: 2, unknown: 0, lost: 1 },
    });
  });

  it("names the flows of a declaration that were not recorded", async () => {
    const { folder } = folderWith({
      "flows.log": passed,
      "all.yaml": pods,
      "declaration.yaml": `
namespaces: [{ name: shop }]
workloads:
  - { namespace: shop, name: web }
  - { namespace: shop, name: db, ports: [{ protocol: TCP, port: 5432 }, { protocol: TCP, port: 9187 }] }
flows:
  - { from: { workload: shop/web }, to: { workload: shop/db }, ports: [{ protocol: TCP, port: 5432 }], reason: pages, owner: web }
  - { from: { workload: shop/web }, to: { workload: shop/db }, ports: [{ protocol: TCP, port: 9187 }], reason: metrics, owner: ops }
`,
    });
    const at = (name: string): string => path.join(folder, name);
    const ran = await run(["replay", at("flows.log"), "--policies", at("all.yaml"), "-d", at("declaration.yaml")]);
    assert.match(ran.stderr, /declared: 1 of 2 flows were recorded; not recorded:\n {2}shop\/web to shop\/db \(ops\)/);
    assert.equal(ran.code, 0, ran.stderr);
  });

  const refusals: readonly [string, string, readonly string[], number, RegExp][] = [
    ["a recording of drops alone", denied, [], 4, /only denied flows were recorded.*record allowed flows too/],
    ["a file without flows", "hello\n", [], 4, /none of 1 lines is a flow.*flows\.log:1: a line that is no flow/],
    ["an empty file", "", [], 4, /none of 0 lines is a flow/],
    ["a share that is none", passed, ["--max-unknown", "many"], 2, /--max-unknown: "many" is no share/],
  ];
  for (const [title, flows, options, code, message] of refusals) {
    it(`refuses ${title}`, async () => {
      const ran = await replay(flows, pods, ...options);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, message);
      assert.equal(ran.stdout, "");
    });
  }

  it("refuses a file that is not there, one that is cut off, and to guess the policies", async () => {
    const { folder } = folderWith({ "all.yaml": pods });
    const missing = await run(["replay", path.join(folder, "no.log"), "--policies", path.join(folder, "all.yaml")]);
    assert.deepEqual([missing.code, /there is no such file/.test(missing.stderr)], [4, true], missing.stderr);
    writeFileSync(path.join(folder, "cut.gz"), gzipSync(passed.repeat(50)).subarray(0, 200));
    // before the recording is read, which may take a minute
    const first = await run(["replay", path.join(folder, "no.log"), "--policies", path.join(folder, "no.yaml")]);
    assert.match(first.stderr, /no file or folder ".*no\.yaml"/);
    const cut = await run(["replay", path.join(folder, "cut.gz"), "--policies", path.join(folder, "all.yaml")]);
    assert.deepEqual([cut.code, /the compressed file is cut off/.test(cut.stderr)], [4, true], cut.stderr);
    const none = await run(["replay", path.join(folder, "cut.gz")]);
    assert.deepEqual([none.code, /--policies: name the policies/.test(none.stderr)], [2, true], none.stderr);
  });
});
