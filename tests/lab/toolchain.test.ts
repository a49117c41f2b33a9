import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Progress, ToolchainOptions } from "../../lab/toolchain/index";
import { findTools, provideTools, silentProgress, ToolchainError } from "../../lab/toolchain/index";
import { requiredVersion, toolSpec } from "../../lab/toolchain/catalog";
import { identify } from "../../lab/control-plane/identity";
import { fakeGo, programOfVersion, temporaryFolder, writeProgram } from "./support/folders";

const lab = path.resolve(__dirname, "..", "..", "lab");

/** A publisher that nobody can reach: nothing listens on port 9 of this machine. */
const unreachable: NonNullable<ToolchainOptions["mirror"]> = (release) => ({
  ...release,
  url: "http://127.0.0.1:9/tool",
  checksumUrl: "http://127.0.0.1:9/sums",
});

/** A machine with its own PATH, cache and notes. */
function machine(root: string): {
  path: string;
  cache: string;
  calls: string;
  notes: string[];
  options: (env?: NodeJS.ProcessEnv) => ToolchainOptions;
} {
  const searchPath = path.join(root, "path");
  mkdirSync(searchPath, { recursive: true });
  const notes: string[] = [];
  const progress: Progress = { ...silentProgress, note: (text) => void notes.push(text) };
  const cache = path.join(root, "cache");
  return {
    path: searchPath,
    cache,
    calls: path.join(root, "go-calls"),
    notes,
    options: (env = {}) => ({
      env: { PATH: searchPath, HOME: root, CLUSTER_SECURITY_CACHE: cache, ...env },
      progress,
      mirror: unreachable,
    }),
  };
}

function builds(calls: string): string[] {
  if (!existsSync(calls)) return [];
  return readFileSync(calls, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("build"));
}

describe("toolchain: where a program comes from", () => {
  let here: ReturnType<typeof machine>;
  const root = temporaryFolder();
  let count = 0;
  beforeEach(() => {
    here = machine(path.join(root, String((count += 1))));
  });

  it("with a pulumi on PATH nothing is built", async () => {
    fakeGo(here.path, here.calls);
    const file = programOfVersion(here.path, "pulumi", "v3.199.0");
    const tools = await provideTools(["pulumi"], here.options());
    assert.deepEqual(tools, { pulumi: { name: "pulumi", path: file, version: "3.199.0", origin: "path" } });
    assert.deepEqual(builds(here.calls), []);
    assert.equal(existsSync(here.cache), false, "nothing is put into the cache either");
  });

  it("a plugin that Pulumi has installed is used in exactly the lab's version, and not in another one", async () => {
    const name = "pulumi-resource-kubernetes";
    fakeGo(here.path, here.calls);
    const home = path.join(here.path, "..", "home");
    const options = here.options({ PULUMI_HOME: home });
    programOfVersion(path.join(home, "plugins", "resource-kubernetes-v3.0.0"), name, "3.0.0");
    assert.deepEqual(await findTools([name], options), {});
    // Pulumi's own does not know --version: its folder says which one it is
    const file = writeProgram(path.join(home, "plugins", "resource-kubernetes-v4.25.0"), name, "exit 1");
    const found = { name, path: file, version: "4.25.0", origin: "path" };
    assert.deepEqual(await provideTools([name], options), { [name]: found });
    assert.deepEqual(builds(here.calls), []);
  });

  it("a plugin of the user's own home is found without PULUMI_HOME", async () => {
    const name = "pulumi-resource-kubernetes";
    const options = here.options();
    const home = path.join(String(options.env?.HOME), ".pulumi", "plugins", "resource-kubernetes-v4.25.0");
    const file = writeProgram(home, name, "exit 1");
    assert.equal((await findTools([name], options))[name]?.path, file);
  });

  it("with KUBEBUILDER_ASSETS no control plane is built, and it wins over PATH", async () => {
    fakeGo(here.path, here.calls);
    const assets = path.join(here.path, "..", "assets");
    for (const folder of [assets, here.path]) {
      programOfVersion(folder, "etcd", "etcd Version: 3.5.9");
      programOfVersion(folder, "kube-apiserver", "Kubernetes v1.34.1");
      programOfVersion(folder, "kube-controller-manager", "Kubernetes v1.34.1");
    }
    const tools = await provideTools(
      ["etcd", "kube-apiserver", "kube-controller-manager"],
      here.options({ KUBEBUILDER_ASSETS: assets }),
    );
    for (const tool of Object.values(tools)) {
      assert.equal(path.dirname(tool.path), path.resolve(assets));
      assert.equal(tool.origin, "path");
    }
    assert.equal(tools["kube-apiserver"].version, "1.34.1");
    assert.deepEqual(builds(here.calls), []);
  });

  it("KUBEBUILDER_ASSETS without kube-controller-manager: the lab's own pair, as nothing would be rolled out", async () => {
    fakeGo(here.path, here.calls);
    const assets = path.join(here.path, "..", "assets");
    programOfVersion(assets, "etcd", "etcd Version: 3.5.9");
    programOfVersion(assets, "kube-apiserver", "Kubernetes v1.34.1");
    const tools = await provideTools(
      ["etcd", "kube-apiserver", "kube-controller-manager"],
      here.options({ KUBEBUILDER_ASSETS: assets }),
    );
    assert.equal(tools.etcd.origin, "path");
    assert.equal(tools["kube-apiserver"].origin, "built");
    assert.equal(tools["kube-controller-manager"]?.version, tools["kube-apiserver"].version);
    assert.match(here.notes.join("\n"), /has no kube-controller-manager of its version: the lab's own pair is used/);
  });

  it("KUBEBUILDER_ASSETS without kube-controller-manager and without another way: it is left out", async () => {
    const assets = path.join(here.path, "..", "assets");
    programOfVersion(assets, "etcd", "etcd Version: 3.5.9");
    programOfVersion(assets, "kube-apiserver", "Kubernetes v1.34.1");
    // another version on PATH does not belong to this API server
    programOfVersion(here.path, "kube-controller-manager", "Kubernetes v1.20.0");
    const tools = await provideTools(
      ["etcd", "kube-apiserver", "kube-controller-manager"],
      here.options({ KUBEBUILDER_ASSETS: assets }),
    );
    assert.equal(tools["kube-controller-manager"], undefined);
    assert.deepEqual(builds(here.calls), []);
  });

  it("relative and empty entries of PATH are passed over: the current folder must not decide what runs", async () => {
    const file = programOfVersion(here.path, "pulumi", "v3.100.0");
    const relative = path.relative(process.cwd(), here.path);
    const found = await findTools(["pulumi"], here.options({ PATH: `:${relative}:.` }));
    assert.deepEqual(found, {});
    assert.equal((await findTools(["pulumi"], here.options({ PATH: `:.:${here.path}` }))).pulumi?.path, file);
  });

  it("a program that cannot run or tells no version is passed over, and that is said", async () => {
    fakeGo(here.path, here.calls);
    writeProgram(here.path, "pulumi", "exit 1");
    const tools = await provideTools(["pulumi"], here.options());
    assert.equal(tools.pulumi.origin, "built");
    assert.match(here.notes.join("\n"), /pulumi does not tell its version/);
  });

  it("a folder or a plain file of the name is no program", async () => {
    mkdirSync(path.join(here.path, "pulumi"));
    writeFileSync(path.join(here.path, "etcd"), "#!/bin/sh\necho 3.5.0\n", { mode: 0o644 });
    assert.deepEqual(await findTools(["pulumi", "etcd"], here.options()), {});
  });

  it("is built once with the pinned module, then taken from the cache", async () => {
    fakeGo(here.path, here.calls);
    const first = await provideTools(["etcd"], here.options());
    const second = await provideTools(["etcd"], here.options());
    assert.equal(first.etcd.origin, "built");
    assert.equal(second.etcd.origin, "cache");
    assert.equal(second.etcd.path, first.etcd.path);
    const version = requiredVersion(
      readFileSync(path.join(lab, "modules", "control-plane", "go.mod"), "utf8"),
      "go.etcd.io/etcd/server/v3",
    );
    assert.equal(first.etcd.path, path.join(here.cache, "tools", "etcd", version, "etcd"));
    assert.equal(builds(here.calls).length, 1);
    assert.match(builds(here.calls)[0] ?? "", /-trimpath -ldflags -s -w .*go\.etcd\.io\/etcd\/server\/v3$/);
  });

  it("a link into the cache on PATH counts as the cache, whose checksum is verified", async () => {
    fakeGo(here.path, here.calls);
    const built = await provideTools(["etcd"], here.options());
    symlinkSync(built.etcd.path, path.join(here.path, "etcd"));
    const tools = await provideTools(["etcd"], here.options());
    assert.equal(tools.etcd.origin, "cache");
  });

  it("without PATH, publisher and Go the message names the three ways and the exit code is not zero", async () => {
    const error = await failure(
      provideTools(["kube-apiserver"], { ...here.options(), mirror: (release) => release, answerWithin: 1 }),
    );
    assert.equal(error.code, "no-way");
    assert.notEqual(error.exitCode, 0);
    assert.match(error.message, /three ways/);
    assert.match(error.message, /PATH.*KUBEBUILDER_ASSETS/);
    assert.match(error.message, /dl\.k8s\.io/);
    assert.match(error.message, /Go 1\.26 or newer.*no go on PATH/);
  });

  it("a Go that cannot build the module is no way either, and its reason is passed on", async () => {
    writeProgram(here.path, "go", 'echo "go: go.mod requires go >= 1.26 (running go 1.19)" >&2; exit 1');
    const error = await failure(provideTools(["etcd"], here.options()));
    assert.equal(error.code, "no-way");
    assert.match(error.message, /requires go >= 1\.26/);
  });

  it("a build that fails says what the compiler said and leaves nothing to be used", async () => {
    fakeGo(here.path, here.calls, 'echo "server/main.go:1:1: undefined: x" >&2; exit 2');
    const error = await failure(provideTools(["etcd"], here.options()));
    assert.equal(error.code, "build-failed");
    assert.match(error.message, /undefined: x/);
    assert.deepEqual(await findTools(["etcd"], here.options()), {});
  });

  it("a half build is never used and the next start removes it", async () => {
    const folder = path.join(here.cache, "tools", "etcd");
    const version = toolSpec("etcd").version(lab);
    programOfVersion(path.join(folder, `.making-${version}-0badcafe`), "etcd", "etcd Version: 3.6.8");
    // a version folder without its manifest: copied by hand, or restored from a broken backup
    programOfVersion(path.join(folder, version), "etcd", "etcd Version: 3.6.8");
    assert.deepEqual(await findTools(["etcd"], here.options()), {});
    fakeGo(here.path, here.calls);
    const tools = await provideTools(["etcd"], here.options());
    assert.equal(tools.etcd.origin, "built");
    assert.deepEqual(readdirSync(folder), [version]);
  });

  for (const [what, alter] of [
    ["a changed program", (folder: string) => writeFileSync(path.join(folder, "etcd"), "#!/bin/sh\necho evil 9.9.9\n")],
    [
      "a file that was added beside it",
      (folder: string) => programOfVersion(folder, "pulumi-language-nodejs", "1.0.0"),
    ],
  ] as const) {
    it(`${what} in the cache is never used: it is made again, and that is said`, async () => {
      fakeGo(here.path, here.calls);
      const built = await provideTools(["etcd"], here.options());
      alter(path.dirname(built.etcd.path));
      assert.deepEqual(await findTools(["etcd"], here.options()), {});
      const again = await provideTools(["etcd"], here.options());
      assert.equal(again.etcd.origin, "built");
      assert.match(readFileSync(again.etcd.path, "utf8"), /built v1\.2\.3/);
      assert.match(here.notes.join("\n"), /sha256 differs/);
    });
  }

  it("the cache folder: CLUSTER_SECURITY_CACHE, XDG_CACHE_HOME, ~/.cache", async () => {
    fakeGo(here.path, here.calls);
    const home = path.join(here.path, "..");
    const below = async (env: NodeJS.ProcessEnv): Promise<string> =>
      (await provideTools(["etcd"], here.options({ CLUSTER_SECURITY_CACHE: "", ...env }))).etcd.path;
    const xdg = path.join(home, "xdg");
    assert.ok((await below({ XDG_CACHE_HOME: xdg })).startsWith(path.join(xdg, "pulumi-cluster-security", "tools")));
    const dotCache = path.join(home, ".cache", "pulumi-cluster-security", "tools");
    assert.ok((await below({})).startsWith(dotCache));
    assert.ok((await below({ XDG_CACHE_HOME: "relative" })).startsWith(dotCache));
  });
});

describe("toolchain: two processes", function () {
  this.timeout(600_000);
  const root = temporaryFolder();

  /** Runs provideTools(["etcd"]) in a process of its own. */
  function start(here: ReturnType<typeof machine>): { child: ReturnType<typeof spawn>; origin: Promise<string> } {
    const script = [
      `const { provideTools } = require(${JSON.stringify(path.join(lab, "toolchain", "index.ts"))});`,
      "const mirror = (release) => ({ ...release, url: 'http://127.0.0.1:9/t', checksumUrl: 'http://127.0.0.1:9/s' });",
      `const env = ${JSON.stringify(here.options().env)};`,
      "provideTools(['etcd'], { env, mirror }).then((tools) => console.log(tools.etcd.origin));",
    ].join("\n");
    const child = spawn(process.execPath, ["--require", require.resolve("tsx/cjs"), "-e", script], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    return { child, origin: once(child, "close").then(() => text.trim()) };
  }

  it("that start at once build once", async () => {
    const here = machine(path.join(root, "once"));
    fakeGo(here.path, here.calls, "/bin/sleep 1");
    const origins = await Promise.all([start(here).origin, start(here).origin]);
    assert.deepEqual(origins.sort(), ["built", "cache"]);
    assert.equal(builds(here.calls).length, 1);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    it(`a start that is ended by ${signal} in the middle of a build leaves no build running and nothing to be used`, async function () {
      if (signal === "SIGKILL" && !existsSync("/usr/bin/setpriv")) this.skip();
      const here = machine(path.join(root, signal));
      const pidFile = path.join(here.path, "..", "pid");
      fakeGo(here.path, here.calls, `echo $$ > '${pidFile}'; exec /bin/sleep 300`);
      const { child } = start(here);
      await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8").trim() !== "");
      const builder = Number(readFileSync(pidFile, "utf8"));
      assert.ok(identify(builder), "the build runs");
      child.kill(signal);
      const [, endedBy] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
      assert.equal(endedBy, signal, "it ends by the signal, as its parent expects");
      await until(() => identify(builder) === undefined);
      assert.deepEqual(await findTools(["etcd"], here.options()), {});
      fakeGo(here.path, here.calls);
      const tools = await provideTools(["etcd"], here.options());
      assert.equal(tools.etcd.origin, "built", "the next start is not kept out by the lock of the dead one");
    });
  }
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function failure(promise: Promise<unknown>): Promise<ToolchainError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof ToolchainError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it was expected to fail" });
}
