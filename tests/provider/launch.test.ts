import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as grpc from "@grpc/grpc-js";
import type { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { installProvider, kubernetesVersion, type InstalledProvider } from "../../lab/provider/install";

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve(text.split("\n")[0] as string);
    });
    child.on("exit", (code) => reject(new Error(`ended with ${String(code)} before it said anything`)));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("provider: the plugin as the engine starts it", () => {
  let home: string;
  let installed: InstalledProvider;

  before(() => {
    home = mkdtempSync(path.join(tmpdir(), "provider-home-"));
    installed = installProvider(home);
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  it("lies where the engine looks for it, as a program, and is made only once", () => {
    assert.equal(installed.folder, path.join(home, "plugins", `resource-kubernetes-v${kubernetesVersion()}`));
    assert.equal(statSync(installed.executable).mode & 0o111, 0o111);
    assert.deepEqual(installProvider(home), installed);
  });

  it("prints its port and reports the version of the installed @pulumi/kubernetes", async () => {
    const child = spawn(installed.executable, ["--logtostderr", "-v=9", "--tracing", "nowhere", "127.0.0.1:1"]);
    try {
      const port = await firstLine(child);
      assert.match(port, /^\d+$/);
      const client = new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const info = await new Promise<PluginInfo>((resolve, reject) =>
        client.getPluginInfo(new Empty(), (error, answer) => (error ? reject(error) : resolve(answer))),
      );
      client.close();
      assert.equal(info.getVersion(), kubernetesVersion());
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("ends when the engine that started it is killed", async () => {
    // an engine stands in for itself here: a parent that starts the plugin, says its process id and port, and lives on
    const parent = spawn(process.execPath, [
      "-e",
      `const child = require("node:child_process").spawn(${JSON.stringify(installed.executable)}, ["127.0.0.1:1"]);
       child.stdout.once("data", (port) => console.log(child.pid + " " + port));`,
    ]);
    const [pid] = (await firstLine(parent)).split(" ").map(Number);
    assert.ok(pid && isAlive(pid), "the plugin must run");
    parent.kill("SIGKILL");
    for (let tries = 0; tries < 200 && isAlive(pid); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    const left = isAlive(pid);
    if (left) process.kill(pid, "SIGKILL");
    assert.equal(left, false, "the plugin outlived its engine");
  });
});
