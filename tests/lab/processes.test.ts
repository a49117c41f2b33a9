import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { identify, isAlive, signalProcess, waitForEnd } from "../../lab/control-plane/identity";
import { takeLock } from "../../lab/control-plane/state";
import { temporaryFolder } from "./support/folders";

describe("lab processes: identity", () => {
  it("a process is itself as long as it runs", async () => {
    const child = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
    const identity = identify(child.pid ?? 0);
    assert.ok(identity);
    assert.equal(isAlive(identity), true);
    assert.equal(await waitForEnd([identity], 50), false);
    assert.equal(signalProcess(identity, "SIGKILL"), true);
    await once(child, "exit");
    assert.equal(await waitForEnd([identity], 5000), true);
    assert.equal(isAlive(identity), false);
    assert.equal(signalProcess(identity, "SIGKILL"), false);
  });

  it("a later process with the same number is another one, and is not signalled", async () => {
    const child = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
    const identity = identify(child.pid ?? 0);
    assert.ok(identity);
    const recycled = { pid: identity.pid, start: "of another process" };
    assert.equal(isAlive(recycled), false);
    assert.equal(signalProcess(recycled, "SIGKILL"), false);
    assert.equal(isAlive(identity), true, "it still runs");
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  it("a zombie does not run", async function () {
    if (process.platform !== "linux") this.skip();
    // the child ends once the shell has become sleep, which never collects it; the shell itself might
    const child = "(until read name </proc/$$/comm && [ $name = sleep ]; do /bin/sleep 0.01; done)";
    const shell = spawn("/bin/sh", ["-c", `${child} & echo $!; exec /bin/sleep 60`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(shell.stdout, "data")) as [Buffer];
    const zombie = Number(String(line).trim());
    while (identify(zombie)) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.doesNotThrow(() => process.kill(zombie, 0), "its number is still taken");
    shell.kill("SIGKILL");
    await once(shell, "exit");
  });
});

describe("lab processes: lock", () => {
  const folder = temporaryFolder();

  it("holds while its holder lives, and not longer", async () => {
    const file = path.join(folder, "held");
    const child = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
    writeFileSync(file, JSON.stringify(identify(child.pid ?? 0)));
    assert.equal(takeLock(file), undefined);
    child.kill("SIGKILL");
    await once(child, "exit");
    const release = takeLock(file);
    assert.ok(release);
    assert.equal(takeLock(file), undefined, "this process holds it now");
    release();
    assert.equal(existsSync(file), false);
    const again = takeLock(file);
    assert.ok(again);
    again();
  });

  it("a lock file that says nothing does not hold for ever", () => {
    const file = path.join(folder, "empty");
    writeFileSync(file, "");
    const release = takeLock(file);
    assert.ok(release);
    release();
  });
});
