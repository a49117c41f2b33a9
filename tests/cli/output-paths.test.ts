/** What a command is to write is looked at before it reads anything. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { folderWith, run, type Ran } from "./command";
import { shop } from "./fixtures";

describe("cluster-security: where it writes", () => {
  let folder: string;
  let remove: () => void;
  beforeEach(() => {
    ({ folder, remove } = folderWith({ "in/shop.yaml": shop, "a-file": "text" }));
    mkdirSync(path.join(folder, "empty"));
  });
  afterEach(() => remove());

  const told = async (args: readonly string[], code: number, says: RegExp): Promise<Ran> => {
    const before = readdirSync(folder, { recursive: true });
    const ran = await run(args, { cwd: folder });
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, says);
    assert.equal(ran.stdout, "");
    assert.deepEqual(readdirSync(folder, { recursive: true }), before);
    return ran;
  };

  /** Commands that read for long; what they read is not there, so who reads first says that. */
  const long: readonly (readonly [option: string, ...args: string[]])[] = [
    ["-o", "replay", "no-flows", "--policies", "no-policies"],
    ["--record", "replay", "no-flows", "--policies", "no-policies"],
    ["-o", "learn", "no-flows"],
    ["-o", "report", "no-policies"],
    ["-o", "audit", "--baseline", "no-baseline", "--live", "no-cluster"],
    ["--history", "audit", "--baseline", "no-baseline", "--live", "no-cluster"],
    ["-o", "check", "no-policies"],
    ["-o", "matrix", "no-policies"],
  ];
  for (const [option, ...args] of long) {
    it(`${args[0]} ${option}: a folder that is missing, a file in its place, a folder`, async () => {
      await told([...args, option, "none/out"], 4, /"none\/out" cannot be written: there is no such folder/);
      await told([...args, option, "a-file/out"], 4, /"a-file\/out" cannot be written: there is no such folder/);
      await told([...args, option, "empty"], 4, /"empty" is a folder: name a file for --\w+/);
    });
  }

  for (const args of [
    ["export", "--context", "prod", "--kubeconfig", "none"],
    ["render", "--for", "plain", "-d", "none.yaml"],
    ["monitoring", "-d", "none.yaml"],
  ]) {
    it(`${args[0]} --out: a file in place of the folder, or of one above it`, async () => {
      await told([...args, "--out", "a-file"], 4, /"a-file" is no folder/);
      await told([...args, "--out", "a-file/below/it"], 4, /"a-file\/below\/it" is no folder/);
    });
  }

  it("a file that is read is not written over, whatever it is called", async () => {
    symlinkSync("in/shop.yaml", path.join(folder, "link"));
    await told(["matrix", "in/shop.yaml", "-o", "in/shop.yaml"], 2, /"in\/shop\.yaml" is read, too: name another file/);
    await told(["matrix", "in/shop.yaml", "-o", "link"], 2, /"link" is read, too/);
    await told(["matrix", "-f", "in/shop.yaml", "-o", "./in/../link"], 2, /is read, too/);
    await told(["replay", "f", "--policies", "in/shop.yaml", "--record", "link"], 2, /name another file for --record/);
    await told(["learn", "f", "-d", "in/shop.yaml", "-o", "in/shop.yaml", "--overwrite"], 2, /is read, too/);
    await told(
      ["replay", "f", "--policies", "in", "-o", "new", "--record", "new"],
      2,
      /is the file of --output already/,
    );
    assert.equal(readFileSync(path.join(folder, "in/shop.yaml"), "utf8"), shop);
  });

  it("--record and --history refuse a file that somebody else wrote", async () => {
    await told(
      ["replay", "f", "--policies", "in", "--record", "a-file"],
      4,
      /something else than the record of a replay/,
    );
    const audit = ["audit", "--baseline", "in", "--live", "in", "--history", "a-file"];
    await told(audit, 4, /the last line of "a-file" is no run of an audit/);
    assert.equal(readFileSync(path.join(folder, "a-file"), "utf8"), "text");
  });

  it("--history goes on after a last line without an end", async () => {
    const args = ["audit", "--baseline", "in", "--live", "in", "--history", "runs", "--fail-on", "none"];
    for (let time = 0; time < 3; time++) {
      const ran = await run(args, { cwd: folder });
      assert.ok(ran.code === 0 || ran.code === 3, ran.stderr);
      writeFileSync(path.join(folder, "runs"), readFileSync(path.join(folder, "runs"), "utf8").trimEnd());
    }
    const lines = readFileSync(path.join(folder, "runs"), "utf8").split("\n");
    assert.equal(lines.length, 3);
    for (const line of lines) assert.ok(JSON.parse(line));
  });

  it("a link to a file that is not there yet keeps pointing there", async () => {
    symlinkSync("empty/out.txt", path.join(folder, "link"));
    const ran = await run(["matrix", "in", "-o", "link"], { cwd: folder });
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(readlinkSync(path.join(folder, "link")), "empty/out.txt");
    assert.match(readFileSync(path.join(folder, "empty/out.txt"), "utf8"), /^SOURCE/);
    symlinkSync("circle", path.join(folder, "circle"));
    const circle = await run(["matrix", "in", "-o", "circle"], { cwd: folder });
    assert.equal(circle.code, 4);
    assert.match(circle.stderr, /"circle" cannot be written/);
  });
});
