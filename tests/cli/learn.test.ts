import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { hubble, tcp } from "../flows/lines";
import { folderWith, run, start, type Ran } from "./command";
import { deployment, join, namespace } from "./fixtures";

const source = { namespace: "shop", labels: ["k8s:app=web"], pod_name: "web-1" };
const destination = { namespace: "shop", labels: ["k8s:app=db"], pod_name: "db-1" };
const passed = (port: number, time: string): string =>
  hubble({ reply: false, source, destination, l4: tcp(port, 1000 + port), time });
const days = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((day) => passed(5432, `2026-11-0${day}T10:00:00Z`));
const denied = hubble({ verdict: "DROPPED", reason: "POLICY_DENIED", source, destination });

interface Written {
  readonly flows: readonly {
    readonly from: unknown;
    readonly to: unknown;
    readonly ports: unknown;
    readonly reason: string;
  }[];
  readonly workloads: readonly { readonly name: string; readonly ports?: unknown }[];
}

describe("cluster-security learn", () => {
  const learn = (lines: readonly string[], ...more: readonly string[]): Promise<Ran> => {
    const { folder } = folderWith({ "flows.log": lines.join("\n") });
    return run(["learn", path.join(folder, "flows.log"), ...more]);
  };

  it("writes YAML with the evidence of each flow, and says what it leaves out", async () => {
    const ran = await learn([...days, denied.replace("5432", "22")]);
    assert.equal(ran.code, 0, ran.stderr);
    const { flows } = load(ran.stdout) as Written;
    assert.deepEqual(flows, [
      { from: { workload: "shop/web" }, to: { workload: "shop/db" }, ports: [{ port: 5432 }], reason: "", owner: "" },
    ]);
    assert.match(ran.stdout, /^# Learnt from .*flows\.log: 2026-11-01T10:00:00Z to 2026-11-28T10:00:00Z\.$/m);
    assert.match(ran.stdout, /# TCP 5432: 9 attempts on 9 days, 2026-11-01T10:00:00Z to 2026-11-09T10:00:00Z/);
    assert.match(ran.stderr, /proposed: 1 flow, 2 workloads/);
    assert.match(ran.stderr, /not proposed: denied then.*: shop\/web-1 to shop\/db-1 TCP 22 \(1 attempt\)/);
  });

  it("writes JSON, and TypeScript in sentences, by the name of the file", async () => {
    const { folder } = folderWith({ "flows.log": days.join("\n") });
    const at = (name: string): string => path.join(folder, name);
    assert.equal((await run(["learn", at("flows.log"), "-o", at("a.json")])).code, 0);
    assert.equal((JSON.parse(readFileSync(at("a.json"), "utf8")) as Written).flows.length, 1);
    assert.equal((await run(["learn", at("flows.log"), "-o", at("a.ts")])).code, 0);
    const text = readFileSync(at("a.ts"), "utf8");
    assert.match(text, /^import \{ flow, namespace, tcp, workload \} from "pulumi-cluster-security";$/m);
    assert.match(
      text,
      /^ {4}flow\("shop\/web"\)\.to\("shop\/db"\)\.on\(tcp\(5432\)\)\.because\(""\)\.ownedBy\(""\),$/m,
    );
    assert.match(text, /^ {4}workload\("shop\/db", \{ ports: \[tcp\(5432\)\] \}\),$/m);
  });

  it("never writes over a file that exists, unless it is asked to", async () => {
    const { folder } = folderWith({ "flows.log": days.join("\n"), "mine.yaml": "mine" });
    const file = path.join(folder, "mine.yaml");
    const refused = await run(["learn", path.join(folder, "flows.log"), "-o", file]);
    assert.deepEqual([refused.code, readFileSync(file, "utf8")], [4, "mine"], refused.stderr);
    assert.match(refused.stderr, /exists: name another file for --output, or allow it with --overwrite/);
    assert.equal((await run(["learn", path.join(folder, "flows.log"), "-o", file, "--overwrite"])).code, 0);
    assert.match(readFileSync(file, "utf8"), /^flows:$/m);
  });

  it("leaves no half file when it is interrupted", async () => {
    const { folder } = folderWith({ "none.txt": "" });
    const child = start(["learn", "-", "-o", path.join(folder, "out.yaml")]);
    const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
    await new Promise((resolve) => child.stdin?.write(`${days.join("\n")}\n`, resolve));
    child.kill("SIGINT");
    assert.ok([130, "SIGINT"].includes((await ended) as string));
    assert.deepEqual(readdirSync(folder), ["none.txt"]);
  });

  it("names ports and workloads as the cluster does", async () => {
    const { folder } = folderWith({
      "flows.log": days.join("\n"),
      "all.yaml": join(namespace("shop"), deployment("shop", "web", 3000), deployment("shop", "db", 5432)).replace(
        "containerPort: 5432",
        "containerPort: 5432, name: sql",
      ),
    });
    const at = (name: string): string => path.join(folder, name);
    const ran = await run(["learn", at("flows.log"), "--policies", at("all.yaml")]);
    assert.equal(ran.code, 0, ran.stderr);
    const { workloads } = load(ran.stdout) as Written;
    assert.deepEqual(
      workloads.map(({ name }) => name),
      ["db", "web"],
    );
  });

  it("writes what a declaration lacks, and nothing where it lacks nothing", async () => {
    const declaration = `
namespaces: [{ name: shop }]
workloads: [{ namespace: shop, name: web }, { namespace: shop, name: db, ports: [{ port: 5432 }, { port: 9187 }] }]
flows:
  - { from: { workload: web }, to: { workload: db }, ports: [{ port: 5432 }], reason: pages, owner: web }
`;
    const { folder } = folderWith({
      "flows.log": [...days, passed(9187, "2026-11-03T10:00:00Z")].join("\n"),
      "known.log": days.join("\n"),
      "declaration.yaml": declaration,
    });
    const at = (name: string): string => path.join(folder, name);
    const ran = await run(["learn", at("flows.log"), "-d", at("declaration.yaml")]);
    const { flows, workloads } = load(ran.stdout) as Written;
    assert.deepEqual([flows.map(({ ports }) => ports), workloads], [[[{ port: 9187 }]], []], ran.stderr);
    assert.match(ran.stdout, /# TCP 9187: CHECK: seen once/);
    assert.match(ran.stderr, /1 kind of flows declared already/);
    assert.deepEqual(
      (load((await run(["learn", at("known.log"), "-d", at("declaration.yaml")])).stdout) as Written).flows,
      [],
    );
  });

  it("says what it would deny of the part that was held out", async () => {
    const later = passed(9187, "2026-11-09T11:00:00Z");
    const ran = await learn([...days, later], "--holdout", "20%");
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(
      ran.stderr,
      /held out: 2 kinds of flows since 2026-11-0\d.*; 1 of them would be denied\n {2}would-be-denied: .*TCP 9187/,
    );
    const none = await learn(days, "--holdout", "20%");
    assert.equal(none.code, 0, none.stderr);
    assert.match(none.stderr, /held out: 1 kind of flows since .*; 0 of them would be denied/);
    const meant = hubble({
      reply: false,
      source,
      destination: { identity: 2 },
      ip: { source: "10.0.0.1", destination: "169.254.169.254" },
      l4: tcp(80),
      time: "2026-11-09T11:00:00Z",
    });
    const metadata = await learn([...days, meant], "--holdout", "20%");
    assert.equal(metadata.code, 0, metadata.stderr);
    assert.match(metadata.stderr, /0 of them would be denied, and 1 that are not proposed on purpose/);
  });

  const refusals: readonly [string, readonly string[], readonly string[], number, RegExp][] = [
    [
      "a recording of drops alone",
      [denied],
      [],
      4,
      /only denied flows were recorded, so what has to be declared is not known/,
    ],
    ["a file without flows", ["hello"], [], 4, /none of 1 lines is a flow/],
    ["a part to hold out that is none", days, ["--holdout", "half"], 2, /--holdout: "half" is no share/],
    ["to hold out everything", days, ["--holdout", "100%"], 2, /between 0% and 100%/],
    ["to hold out of one moment", days.slice(0, 1), ["--holdout", "20%"], 4, /one of the two parts/],
    ["a count that is none", days, ["--min-count", "0"], 2, /--min-count: "0" is no number of at least 1/],
    ["a form that is none", days, ["--format", "table"], 2, /yaml, typescript, json/],
  ];
  for (const [title, lines, options, code, message] of refusals) {
    it(`refuses ${title}`, async () => {
      const ran = await learn(lines, ...options);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, message);
      assert.equal(ran.stdout, "");
    });
  }

  it("exits with 3 where too much could not be read, and has written", async () => {
    const ran = await learn([...days, "{"]);
    assert.equal(ran.code, 3, ran.stderr);
    assert.match(ran.stdout, /^flows:$/m);
  });
});
