import assert from "node:assert/strict";
import { run } from "./command";

/** The last line of what went wrong: what the user acts on. */
function lines(text: string): string[] {
  return text.trim().split("\n");
}

describe("cluster-security: arguments", () => {
  it("prints help on stdout, with examples, sources and exit codes, and exits with 0", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (const part of ["matrix", "query", "explain", "diff", "Examples:", "What can be read:", "Exit codes:"]) {
      assert.ok(stdout.includes(part), part);
    }
  });

  for (const command of [
    "matrix",
    "query",
    "explain",
    "diff",
    "exposure",
    "check",
    "hygiene",
    "blast-radius",
    "equivalent",
  ]) {
    it(`prints help for ${command} with examples, within 120 columns`, async () => {
      const { code, stdout } = await run([command, "--help"]);
      assert.equal(code, 0);
      assert.ok(stdout.includes(`cluster-security ${command} `), stdout);
      assert.ok(stdout.includes("Examples:") && stdout.includes("--format") && stdout.includes("--cni"));
      for (const line of lines(stdout)) assert.ok(line.length <= 120, line);
    });
  }

  it("prints its version", async () => {
    const { code, stdout } = await run(["--version"]);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+/);
  });

  it("without arguments prints help on stderr and exits with 2", async () => {
    const { code, stdout, stderr } = await run([]);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.ok(stderr.includes("Examples:"));
  });

  const mistakes: [string, string[], RegExp][] = [
    ["an unknown command, with the nearest", ["matrx", "x"], /unknown command 'matrx'[^]*matrix/],
    ["an unknown option, with the nearest", ["matrix", "--formt", "json", "x"], /unknown option '--formt'[^]*--format/],
    ["an unknown format, with all", ["matrix", "--format", "xml", "x"], /table, json, csv, md, dot, mermaid/],
    ["nothing to read", ["matrix"], /nothing to read: name files or folders/],
    ["an enforcer that is none", ["matrix", "--cni", "flannel", "package.json"], /unknown enforcer "flannel"/],
    ["a version that is none", ["matrix", "--cni", "cilium@new", "package.json"], /"new" is not a version/],
    ["a port that is none", ["matrix", "--port", "70000", "package.json"], /"70000" is no port/],
    ["a protocol that is none", ["matrix", "--port", "53/dns", "package.json"], /"dns" is no protocol/],
    ["a direction of nothing", ["matrix", "--direction", "ingress", "package.json"], /add one of them/],
    ["a missing end", ["query", "shop/web"], /missing required argument 'to'/],
    ["two times standard input", ["matrix", "-", "-"], /standard input \(-\) can be read only once/],
  ];
  for (const [title, args, message] of mistakes) {
    it(`refuses ${title} (exit code 2, nothing on stdout)`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /, "no stack");
    });
  }

  it("says that a path does not exist (exit code 4)", async () => {
    const { code, stdout, stderr } = await run(["matrix", "no-such-folder"]);
    assert.deepEqual([code, stdout], [4, ""]);
    assert.match(stderr, /there is no file or folder "no-such-folder": check the path/);
  });
});
