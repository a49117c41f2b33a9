import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileOutputAt } from "../../sdk/cli/output-file";
import { folderWith, run } from "./command";
import { shop } from "./fixtures";

describe("cluster-security --output", () => {
  let folder: string;
  let remove: () => void;
  beforeEach(() => ({ folder, remove } = folderWith({ "in/shop.yaml": shop })));
  afterEach(() => remove());

  const commands: [string, ...string[]][] = [
    ["matrix", "in"],
    ["query", "frontend", "backend:8080", "in"],
    ["explain", "frontend", "backend:8080", "in"],
    ["diff", "in", "in"],
    ["exposure", "in"],
    ["check", "in", "--fail-on", "none"],
    ["hygiene", "in"],
    ["blast-radius", "frontend", "in"],
    ["equivalent", "in", "in"],
    ["rbac"],
  ];
  const answer = (args: readonly string[], ...more: string[]) => run([...args, ...more], { cwd: folder });

  for (const command of commands) {
    it(`${command[0]} writes to the file what it would print, and nothing else`, async () => {
      const format = command[0] === "rbac" ? [] : ["--format", "json"];
      const printed = await answer(command, ...format);
      const written = await answer(command, ...format, "--output", "out.json");
      assert.deepEqual([written.code, written.stdout], [printed.code, ""], written.stderr);
      assert.ok(printed.stdout.length > 0, "there is an answer to compare");
      assert.equal(readFileSync(path.join(folder, "out.json"), "utf8"), printed.stdout);
      assert.deepEqual(readdirSync(folder).sort(), ["in", "out.json"], "no draft is left");
    });
  }

  it("a command without an answer leaves the file as it is, and no draft", async () => {
    writeFileSync(path.join(folder, "out.txt"), "before");
    const { code } = await answer(["matrix", "in", "nowhere"], "-o", "out.txt");
    assert.equal(code, 4);
    assert.equal(readFileSync(path.join(folder, "out.txt"), "utf8"), "before");
    assert.deepEqual(readdirSync(folder).sort(), ["in", "out.txt"]);
  });

  it("until the answer is whole, the file holds what it held", async () => {
    const file = path.join(folder, "out.txt");
    writeFileSync(file, "before");
    const output = fileOutputAt(file);
    output.write("half of it");
    await output.ready();
    assert.equal(readFileSync(file, "utf8"), "before");
    output.write(", and the rest");
    await output.end();
    assert.equal(readFileSync(file, "utf8"), "half of it, and the rest");
    assert.deepEqual(readdirSync(folder).sort(), ["in", "out.txt"]);
  });

  it("keeps permissions, and follows a link", async () => {
    mkdirSync(path.join(folder, "real"));
    writeFileSync(path.join(folder, "real", "out.txt"), "before");
    chmodSync(path.join(folder, "real", "out.txt"), 0o640);
    symlinkSync("real/out.txt", path.join(folder, "link"));
    assert.equal((await answer(["matrix", "in"], "-o", "link")).code, 0);
    assert.ok(lstatSync(path.join(folder, "link")).isSymbolicLink(), "still a link");
    assert.match(readFileSync(path.join(folder, "real", "out.txt"), "utf8"), /^SOURCE/);
    assert.equal(statSync(path.join(folder, "real", "out.txt")).mode & 0o777, 0o640);
  });

  it("writes to what is no regular file", async () => {
    assert.equal((await answer(["matrix", "in"], "-o", "/dev/null")).code, 0);
  });

  it("says in one sentence why it cannot write", async () => {
    for (const [file, reason] of [
      ["none/out.txt", /"none\/out\.txt" cannot be written: there is no such folder/],
      ["in", /"in" is a folder/],
    ] as const) {
      const { code, stdout, stderr } = await answer(["matrix", "in"], "-o", file);
      assert.deepEqual([code, stdout], [4, ""]);
      assert.match(stderr, reason);
    }
  });

  it("monitoring --out replaces each file whole: links and permissions stay, and no draft is left", async () => {
    const declaration = { dialect: "cilium", namespaces: [{ name: "shop" }], workloads: [], flows: [] };
    writeFileSync(path.join(folder, "declaration.yaml"), JSON.stringify(declaration));
    mkdirSync(path.join(folder, "watch"));
    writeFileSync(path.join(folder, "real.yaml"), "before");
    chmodSync(path.join(folder, "real.yaml"), 0o620);
    symlinkSync("../real.yaml", path.join(folder, "watch", "rules.yaml"));
    const { code, stderr } = await answer(["monitoring", "-d", "declaration.yaml"], "--out", "watch");
    assert.equal(code, 0, stderr);
    assert.ok(lstatSync(path.join(folder, "watch", "rules.yaml")).isSymbolicLink(), "still a link");
    assert.match(readFileSync(path.join(folder, "real.yaml"), "utf8"), /groups:/);
    assert.equal(statSync(path.join(folder, "real.yaml")).mode & 0o777, 0o620);
    const left = readdirSync(folder, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      left.filter((file) => file.includes(".part")),
      [],
    );
    writeFileSync(path.join(folder, "runbooks"), "a file");
    const refused = await answer(["monitoring", "-d", "declaration.yaml"], "--out", "runbooks");
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /"runbooks" is no folder/);
  });
});
