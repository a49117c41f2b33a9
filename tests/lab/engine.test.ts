import assert from "node:assert/strict";
import { mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { prepareEngine } from "../../lab/engine";
import { toolSpec } from "../../lab/toolchain/catalog";
import { releaseOf } from "../../lab/toolchain/index";
import type { Tool } from "../../lab/toolchain/index";
import { programOfVersion, temporaryFolder, writeProgram } from "./support/folders";

describe("lab engine: what a child pulumi gets", () => {
  const root = temporaryFolder();
  let count = 0;
  let folder: string;
  let pulumi: Tool;
  let provider: Tool;
  beforeEach(() => {
    folder = path.join(root, String((count += 1)));
    const file = programOfVersion(path.join(folder, "pulumi"), "pulumi", "v3.250.0");
    pulumi = { name: "pulumi", path: file, version: "3.250.0", origin: "path" };
    const name = "pulumi-resource-kubernetes";
    const built = programOfVersion(path.join(folder, "provider"), name, "4.25.0");
    provider = { name, path: built, version: "4.25.0+0123456789abcdef", origin: "cache" };
  });

  function prepare(env: NodeJS.ProcessEnv = {}): ReturnType<typeof prepareEngine> {
    return prepareEngine({
      dataDir: path.join(folder, "lab"),
      pulumi,
      kubernetesProvider: provider,
      kubeconfigPath: path.join(folder, "kubeconfig"),
      env: { PATH: path.join(folder, "path"), HOME: path.join(folder, "home"), ...env },
    });
  }

  it("nothing of the user's Pulumi and Kubernetes settings", () => {
    const engine = prepare({
      PULUMI_ACCESS_TOKEN: "secret",
      PULUMI_BACKEND_URL: "https://api.pulumi.com",
      PULUMI_CONFIG_PASSPHRASE: "theirs",
      PULUMI_HOME: "/theirs",
      KUBECONFIG: "/theirs/config",
      KUBERNETES_SERVICE_HOST: "10.0.0.1",
      EDITOR: "vi",
    });
    for (const name of ["PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "KUBERNETES_SERVICE_HOST"]) {
      assert.equal(name in engine.env, false, name);
    }
    assert.equal(engine.env.KUBECONFIG, path.join(folder, "kubeconfig"));
    assert.ok(engine.env.PULUMI_BACKEND_URL?.startsWith(`file://${path.join(folder, "lab")}`));
    assert.ok(engine.env.PULUMI_HOME?.startsWith(path.join(folder, "lab")));
    assert.equal(engine.env.EDITOR, "vi");
  });

  it("a passphrase of its own, random, in a file for this user only, the same in the next run", () => {
    const file = prepare().env.PULUMI_CONFIG_PASSPHRASE_FILE ?? "";
    const first = readFileSync(file, "utf8");
    assert.ok(first.length >= 32);
    assert.equal(statSync(file).mode & 0o077, 0);
    prepare();
    assert.equal(readFileSync(file, "utf8"), first);
    folder = path.join(root, "another");
    assert.notEqual(readFileSync(prepare().env.PULUMI_CONFIG_PASSPHRASE_FILE ?? "", "utf8"), first);
  });

  it("no room for logs of everything that the engine handles, also where an earlier lab had them", () => {
    const logs = path.join(prepare().env.PULUMI_HOME ?? "", "logs");
    assert.throws(() => mkdirSync(logs, { recursive: true }), { code: "EEXIST" });
    rmSync(logs);
    mkdirSync(logs);
    writeFileSync(path.join(logs, "earlier.log"), "");
    for (let run = 0; run < 2; run += 1) {
      prepare();
      assert.ok(statSync(logs).isFile());
    }
  });

  it("the Kubernetes provider, as the plugin of the release that it is", () => {
    const engine = prepare();
    assert.equal(engine.provider.version, "4.25.0");
    assert.equal(engine.provider.origin, "cache");
    const folder = path.join(engine.env.PULUMI_HOME ?? "", "plugins", "resource-kubernetes-v4.25.0");
    const started = path.join(folder, "pulumi-resource-kubernetes");
    assert.equal(realpathSync(started), realpathSync(provider.path));
  });

  it("the Kubernetes provider that the lab builds is the release that the installed @pulumi/kubernetes asks for", () => {
    const manifest = JSON.parse(
      readFileSync(path.resolve(__dirname, "../../node_modules/@pulumi/kubernetes/package.json"), "utf8"),
    ) as { version: string };
    const built = toolSpec("pulumi-resource-kubernetes").version(path.resolve(__dirname, "../../lab"));
    assert.equal(releaseOf(built), manifest.version.replace(/^v/, ""));
  });

  it("inside the shell of another lab its plugins and links are seen for what they are", () => {
    const outer = prepare();
    const link = path.join(outer.root, "bin", "pulumi");
    assert.equal(realpathSync(link), realpathSync(pulumi.path));
    // this lab's own settings as the user's: no link becomes a loop
    pulumi = { ...pulumi, path: link };
    provider = {
      ...provider,
      path: path.join(outer.env.PULUMI_HOME ?? "", "plugins", "resource-kubernetes-v4.25.0", provider.name),
    };
    const inner = prepare(outer.env);
    assert.match(readFileSync(inner.provider.path, "utf8"), /4\.25\.0/);
    assert.match(readFileSync(link, "utf8"), /3\.250\.0/);
  });

  it("the language host that came with pulumi where there is one, else the lab's own", () => {
    const own = prepare();
    assert.equal(own.languageHost, "own");
    const file = path.join(own.env.PULUMI_HOME ?? "", "plugins", "language-nodejs-v0.1.0", "pulumi-language-nodejs");
    assert.match(readFileSync(file, "utf8"), /language-host-[0-9a-f]+\.cjs/);
    programOfVersion(path.dirname(pulumi.path), "pulumi-language-nodejs", "3.250.0");
    assert.equal(prepare().languageHost, "bundled");
    assert.throws(() => statSync(file), "the lab's own is taken away again");
  });

  it("launchers survive blanks and quotes in paths", () => {
    folder = path.join(root, "it's a folder");
    mkdirSync(folder);
    pulumi = { ...pulumi, path: writeProgram(path.join(folder, "pulumi"), "pulumi", "echo v1.0.0") };
    const engine = prepare();
    assert.equal(realpathSync(path.join(engine.root, "bin", "pulumi")), realpathSync(pulumi.path));
  });
});
