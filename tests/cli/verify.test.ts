/** What `verify` refuses before it looks at any cluster. */
import assert from "node:assert/strict";
import path from "node:path";
import { folderWith, run } from "./command";

describe("cluster-security verify: the command line", () => {
  const cluster = ["verify", "--context", "nowhere", "--kubeconfig", "/nonexistent/kubeconfig"];

  it("touches no cluster that is not named", async () => {
    const { code, stderr } = await run(["verify"]);
    assert.equal(code, 2);
    assert.match(stderr, /required option '--context <name>' not specified/);
  });

  for (const [option, value, complaint] of [
    ["--sample", "0", /--sample: "0" is no whole number above 0/],
    ["--sample", "many", /--sample: "many"/],
    ["--timeout", "-1", /--timeout: "-1" is no number above 0/],
    ["--max-pods", "1.5", /--max-pods: "1.5" is no whole number/],
    ["--outside", "example.com", /--outside: "example.com" is no address/],
    ["--format", "sarif", /Allowed choices are table, tap, junit, json/],
  ] as const) {
    it(`refuses ${option} ${value}`, async () => {
      const { code, stderr } = await run([...cluster, option, value]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, complaint);
    });
  }

  it("the checklist is a table or JSON, and needs contexts that have names", async () => {
    const tap = await run([...cluster, "--checklist", "--format", "tap"]);
    assert.equal(tap.code, 2);
    assert.match(tap.stderr, /--checklist is printed as table or json/);
    const empty = await run(["verify", "--context", "infra,", "--checklist"]);
    assert.equal(empty.code, 2);
    const absent = await run([...cluster, "--checklist", "--runbook", "/nonexistent/runbook.md"]);
    assert.equal(absent.code, 4);
    assert.match(absent.stderr, /there is no such file/);
  });

  for (const [name, text, complaint] of [
    ["absent.yaml", undefined, /there is no such file/],
    ["broken.yaml", "a: [", /cannot be read/],
    ["list.json", "[]", /holds no declaration/],
    ["wrong.yaml", "flows: [{ from: {}, to: {} }]", /reason/],
    ["misspelt.yaml", "namespace: []", /is not a known field/],
    ["empty.cjs", "module.exports = {};", /exports no `declaration`/],
    ["throws.cjs", "throw new Error('no');", /cannot be loaded by this Node.js: no/],
  ] as const) {
    it(`refuses a declaration that is none: ${name}`, async () => {
      const { folder, remove } = folderWith(text === undefined ? {} : { [name]: text });
      try {
        const { code, stderr } = await run([...cluster, "-d", path.join(folder, name)]);
        assert.equal(code, 4, stderr);
        assert.match(stderr, complaint);
        assert.doesNotMatch(stderr, /defect/);
      } finally {
        remove();
      }
    });
  }

  it("reads a declaration as YAML and as a module, then names the kubeconfig that is not there", async () => {
    const declaration = { namespaces: [{ name: "shop" }] };
    const json = JSON.stringify(declaration);
    const { folder, remove } = folderWith({
      "a.yaml": json,
      "a.mjs": `export const declaration = ${json};`,
    });
    try {
      for (const name of ["a.yaml", "a.mjs"]) {
        const { code, stderr } = await run([...cluster, "-d", path.join(folder, name)]);
        assert.equal(code, 4, stderr);
        assert.match(stderr, /there is no kubeconfig/, name);
      }
    } finally {
      remove();
    }
  });

  it("its help says what it creates, what it costs nobody, and every exit code", async () => {
    const { code, stdout } = await run(["verify", "--help"]);
    assert.equal(code, 0);
    for (const part of [
      "--create-probe-pods",
      "removes whatever happens",
      "never ready",
      "Exit codes",
      "docs/verify.md",
    ]) {
      assert.ok(stdout.includes(part), part);
    }
  });
});
