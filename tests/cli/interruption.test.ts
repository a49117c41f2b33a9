/** A signal at any moment: nothing is half written, the exit code is not 0, and a sentence says what was done. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError } from "../../sdk/cli/errors";
import { changeTogether } from "../../sdk/cli/files-together";
import { listening, unbroken } from "../../sdk/cli/interruption";
import { bundled, finished, folderWith, run, start, type Ran } from "./command";
import { shop } from "./fixtures";

/** A signal to this process, which mocha does not listen to itself. */
function hangUp(): void {
  process.kill(process.pid, "SIGHUP");
}

const declaration = {
  dialect: "kubernetes",
  namespaces: [{ name: "shop" }],
  workloads: [{ namespace: "shop", name: "web", ports: [{ port: 80 }] }],
  flows: [],
};

describe("cluster-security, interrupted", () => {
  let folder: string;
  let remove: () => void;
  beforeEach(() => {
    ({ folder, remove } = folderWith({ "in/shop.yaml": shop, "declaration.yaml": JSON.stringify(declaration) }));
  });
  afterEach(() => remove());

  const contents = (below = folder): string[] =>
    readdirSync(below, { recursive: true, encoding: "utf8" })
      .filter((file) => statSync(path.join(below, file)).isFile())
      .sort();

  it("a signal while files take their places is heard when all have, and fails the command", async () => {
    const files = ["a", "b/c", "b/d"].map((file) => ({ file: path.join(folder, "new", file), text: file }));
    mkdirSync(path.join(folder, "new"));
    const writing = changeTogether(files, { followLinks: true });
    hangUp();
    await assert.rejects(writing, (error: Error) => {
      assert.ok(error instanceof CliError);
      assert.deepEqual([error.message, error.exitCode], ["SIGHUP: all 3 files had been written by then", 129]);
      return true;
    });
    assert.deepEqual(contents(path.join(folder, "new")), ["a", "b/c", "b/d"]);
  });

  it("a signal between two steps ends the work there, and another one ends it at once", async () => {
    const steps: number[] = [];
    const words = { first: "waiting", second: "left" };
    const work = listening(words, async (heard) => {
      for (let step = 1; step <= 3; step++) {
        heard.stopHere(() => `${step - 1} of 3 steps`);
        steps.push(step);
        if (step === 2) hangUp();
        await sleep(20);
      }
    });
    await assert.rejects(work, /SIGHUP: 2 of 3 steps/);
    assert.deepEqual(steps, [1, 2]);
    await unbroken(() => undefined, "done");
  });

  const writing: readonly (readonly string[])[] = [
    ["init", "project"],
    ["monitoring", "-d", "declaration.yaml", "--out", "watch"],
    ["render", "--for", "plain", "-d", "declaration.yaml", "--out", "k8s"],
    ["add", "service", "shop/api", "-d", "declaration.yaml", "--port", "80"],
    ["report", "in", "-o", "out.html"],
    ["report", "in", "--format", "policyreport", "-o", "policies.yaml"],
  ];
  for (const words of writing) {
    const args = [...words, ...(words[0] === "add" ? ["--owner", "shop", "--reason", "orders"] : [])];

    it(`${args.slice(0, 2).join(" ")}: at random moments all is written, or nothing`, async function () {
      this.timeout(60_000);
      const before = contents();
      const begun = Date.now();
      const whole = await run(args, { cwd: folder });
      assert.equal(whole.code, 0, whole.stderr);
      const takes = Date.now() - begun;
      const after = contents();
      for (let time = 0; time < 6; time++) {
        remove();
        ({ folder, remove } = folderWith({ "in/shop.yaml": shop, "declaration.yaml": JSON.stringify(declaration) }));
        const child = start(args, { cwd: folder });
        const signal = time % 2 === 0 ? "SIGINT" : "SIGTERM";
        setTimeout(() => child.kill(signal), takes * (0.5 + Math.random() * 0.6));
        const { code, signal: died, stderr } = await finished(child);
        const found = contents();
        assert.deepEqual(found, found.length === before.length ? before : after, `${code} ${died} ${stderr}`);
        // died of the signal while it computed, with nothing written; or told; or done before
        if (died === null && code !== 0) assert.match(stderr, new RegExp(`${signal}: .*(written|as it was)`));
      }
    });
  }

  it("a recording that is still being read: nothing is written, and that is said", async () => {
    for (const args of [
      ["learn", "-", "-o", "learnt.yaml"],
      ["replay", "-", "--policies", "in", "-o", "out", "--record", "record"],
    ]) {
      const before = contents();
      const child = start(args, { cwd: folder });
      child.stdin?.write("{}\n");
      // it reads as soon as it has loaded what it needs; then it waits for the next line
      await sleep(3000);
      child.kill("SIGTERM");
      const ended = await new Promise<Ran>((resolve) => {
        let stderr = "";
        child.stderr?.on("data", (text: Buffer) => (stderr += text.toString()));
        child.on("close", (code, signal) => resolve({ code, signal, stdout: "", stderr }));
      });
      assert.equal(ended.code, 143, ended.stderr);
      assert.match(ended.stderr, /SIGTERM: ended while reading: there is no answer, and nothing was changed/);
      assert.deepEqual(contents(), before);
    }
  });

  describe("where a cluster does not answer", () => {
    let server: ReturnType<typeof createServer>;
    beforeEach(async () => {
      server = createServer(() => undefined);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: "lab", cluster: { server: url, "insecure-skip-tls-verify": true } }],
        users: [{ name: "me", user: { token: "t" } }],
        contexts: [{ name: "prod", context: { cluster: "lab", user: "me" } }],
      };
      writeFileSync(path.join(folder, "config"), JSON.stringify(config));
    });
    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    for (const args of [
      ["export", "--out", "out"],
      ["restore", "in", "--yes"],
      ["rollback", "--to", "in", "--yes"],
      ["bypass", "open", "shop", "--for", "1h", "--owner", "o", "--reason", "r", "--yes"],
      ["bypass", "close", "shop"],
      ["audit", "--baseline", "in", "--history", "runs"],
    ]) {
      it(`${args.slice(0, 2).join(" ")}: says that nothing was changed`, async () => {
        const before = contents();
        const child = start([...args, "--context", "prod", "--kubeconfig", "config"], { cwd: folder });
        const end = finished(child);
        await new Promise((resolve) => server.once("request", resolve));
        child.kill("SIGINT");
        const { code, stderr } = await end;
        assert.equal(code, 130, stderr);
        assert.match(stderr, /SIGINT: .*nothing was (changed|opened|closed)/);
        assert.deepEqual(contents(), before);
      });
    }
  });

  it("a revision of git is laid out nowhere afterwards", async function () {
    this.timeout(60_000);
    const scratch = path.join(folder, "tmp");
    mkdirSync(scratch);
    mkdirSync(path.join(folder, "many"));
    for (let index = 0; index < 1000; index++) writeFileSync(path.join(folder, "many", `${index}.yaml`), shop);
    for (const args of [
      ["init", "-q"],
      ["add", "many"],
      ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "m"],
    ]) {
      assert.equal(spawnSync("git", args, { cwd: folder }).status, 0);
    }
    const child = start(["matrix", "git:HEAD:many"], { cwd: folder, env: { TMPDIR: scratch } });
    const end = finished(child);
    while (readdirSync(scratch).length === 0 && child.exitCode === null) await sleep(1);
    child.kill("SIGTERM");
    const { code, stderr } = await end;
    assert.equal(code, 143, stderr);
    assert.match(stderr, /SIGTERM: ended while reading/);
    assert.deepEqual(readdirSync(scratch), []);
  });

  it("a question: Ctrl-C fails the command, and the end of the input is no consent", async function () {
    this.timeout(60_000);
    if (spawnSync("script", ["--version"]).status !== 0) return this.skip();
    const file = bundled("sdk/cli/ask.ts");
    const program = `require("${file}").ask("Change? ", "nothing was changed").then((text) => console.log("answer [" + text + "]"), (error) => { console.log(error.message); process.exit(error.exitCode); });`;
    writeFileSync(path.join(folder, "ask.js"), program);
    /** Types something once the question is there. */
    const typed = (key: string): Promise<Ran> =>
      new Promise((resolve) => {
        const child = spawn("script", ["-qec", `${process.execPath} ask.js`, "/dev/null"], { cwd: folder });
        let stdout = "";
        let isTyped = false;
        child.stdout.on("data", (text: Buffer) => {
          stdout += text.toString();
          if (!isTyped && stdout.includes("Change?")) child.stdin.write(key);
          isTyped ||= stdout.includes("Change?");
        });
        child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr: "" }));
      });
    const ctrlC = await typed("\u0003");
    assert.match(ctrlC.stdout, /SIGINT: nothing was changed/);
    assert.equal(ctrlC.code, 130);
    assert.match((await typed("\u0004")).stdout, /answer \[\]/);
    assert.match((await typed("yes\r")).stdout, /answer \[yes\]/);
  });
});
