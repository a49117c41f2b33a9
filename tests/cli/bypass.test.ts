import assert from "node:assert/strict";
import { run } from "./command";

const complete = ["--for", "2h", "--owner", "shop", "--reason", "incident 7", "--context", "prod"];

describe("cluster-security bypass: the command line", () => {
  const wrong: Readonly<Record<string, readonly [readonly string[], RegExp]>> = {
    "no command": [["bypass"], /open.*close.*list/s],
    "no target": [["bypass", "open", ...complete], /missing required argument 'target'/],
    "no cluster": [["bypass", "open", "shop/api", ...complete.slice(0, -2)], /--context/],
    "no end": [["bypass", "open", "shop/api", ...complete.slice(2)], /--for/],
    "an end that is none": [["bypass", "open", "shop/api", ...complete, "--for", "soon"], /"soon" is no duration/],
    "an empty reason": [["bypass", "open", "shop/api", ...complete, "--reason", " "], /--reason is empty/],
    "a reason of two lines": [["bypass", "open", "shop/api", ...complete, "--reason", "a\nb"], /control character/],
    "a debug pod of a whole namespace": [["bypass", "open", "shop", ...complete, "--debug-pod"], /name it, shop\/NAME/],
    "a debug pod beside running pods": [
      ["bypass", "open", "shop/api", ...complete, "--debug-pod", "--pod", "api-1"],
      /leave out --pod/,
    ],
    "a target of three parts": [["bypass", "open", "a/b/c", ...complete], /write shop\/api or shop/],
    "a target that is no name": [["bypass", "close", "../shop", "--context", "prod"], /write shop\/api or shop/],
    "an unknown format": [["bypass", "list", "--context", "prod", "--format", "xml"], /table, json/],
    "a group without a namespace": [["rbac", "--group", "sre"], /name their namespaces with --bypass/],
  };
  for (const [what, [args, message]] of Object.entries(wrong)) {
    it(`S3-29: refuses ${what} before any cluster is asked`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.equal(stdout, "");
    });
  }

  it("S3-29: tells in its help what it does and what the exit codes mean", async () => {
    for (const command of ["open", "close", "list"]) {
      const { code, stdout } = await run(["bypass", command, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, /Examples:/);
      assert.match(stdout, /Exit codes:/);
    }
  });
});
