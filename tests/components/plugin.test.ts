/** The plugin as the package is published: what a program in another language starts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { servedSchema } from "../support/plugin";

const root = path.resolve(__dirname, "..", "..");

describe("the plugin of the published package", function () {
  this.timeout(120_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-plugin-"));
    const listed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts", "--silent"], {
      cwd: root,
      encoding: "utf8",
    });
    const [{ files }] = JSON.parse(listed) as [{ files: readonly { readonly path: string }[] }];
    for (const file of files) cpSync(path.join(root, file.path), path.join(folder, file.path));
    symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("S4-03: serves schema.json where no source lies beside it", async () => {
    assert.equal(await servedSchema(folder), readFileSync(path.join(root, "schema.json"), "utf8"));
  });

  it("has imports lead to the library, and only the host to the plugin", () => {
    const script = 'console.log(require.resolve("pulumi-cluster-security"), require.resolve(process.cwd()))';
    const resolved = execFileSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" });
    assert.deepEqual(
      resolved
        .trim()
        .split(" ")
        .map((file) => path.relative(folder, file)),
      ["bin/sdk/index.js", "bin/plugin.js"],
    );
  });
});
