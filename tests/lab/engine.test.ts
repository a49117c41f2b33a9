import assert from "node:assert/strict";
import { mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { prepareEngine } from "../../lab/engine";
import { kubernetesVersion } from "../../lab/provider/install";
import type { Tool } from "../../lab/toolchain/index";
import { programOfVersion, temporaryFolder, writeProgram } from "./support/folders";

describe("lab engine: what a child pulumi gets", () => {
  const root = temporaryFolder();
  let count = 0;
  let folder: string;
  let pulumi: Tool;
  beforeEach(() => {
    folder = path.join(root, String((count += 1)));
    const file = programOfVersion(path.join(folder, "pulumi"), "pulumi", "v3.250.0");
    pulumi = { name: "pulumi", path: file, version: "3.250.0", origin: "path" };
  });

  function prepare(env: NodeJS.ProcessEnv = {}, ownProvider?: boolean): ReturnType<typeof prepareEngine> {
    return prepareEngine({
      dataDir: path.join(folder, "lab"),
      pulumi,
      kubeconfigPath: path.join(folder, "kubeconfig"),
      env: { PATH: path.join(folder, "path"), HOME: path.join(folder, "home"), ...env },
      ...(ownProvider === undefined ? {} : { ownProvider }),
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

  it("the lab's provider, in the place of the version that @pulumi/kubernetes asks for", () => {
    const engine = prepare();
    assert.equal(engine.provider.kind, "lab");
    const manifest = JSON.parse(
      readFileSync(path.resolve(__dirname, "../../node_modules/@pulumi/kubernetes/package.json"), "utf8"),
    ) as { version: string };
    assert.equal(kubernetesVersion(), manifest.version);
    assert.equal(
      engine.provider.path,
      path.join(
        engine.env.PULUMI_HOME ?? "",
        "plugins",
        `resource-kubernetes-v${manifest.version}`,
        "pulumi-resource-kubernetes",
      ),
    );
    assert.match(readFileSync(engine.provider.path, "utf8"), /provider-[0-9a-f]+\.cjs/);
  });

  it("the real provider where it is installed: in the user's plugin folder, in PULUMI_HOME, or on PATH", () => {
    const name = "pulumi-resource-kubernetes";
    const plugin = `resource-kubernetes-v${kubernetesVersion()}`;
    for (const [place, env] of [
      [path.join(folder, "home", ".pulumi", "plugins", plugin), {}],
      [path.join(folder, "other", "plugins", plugin), { HOME: "/none", PULUMI_HOME: path.join(folder, "other") }],
      [path.join(folder, "path"), { HOME: "/none" }],
    ] as const) {
      const real = programOfVersion(place, name, kubernetesVersion());
      const engine = prepare(env);
      assert.equal(engine.provider.kind, "real");
      assert.equal(engine.provider.path, real);
      const started = path.join(engine.env.PULUMI_HOME ?? "", "plugins", plugin, name);
      assert.equal(realpathSync(started), realpathSync(real));
      assert.equal(prepare(env, true).provider.kind, "lab", "unless the lab's own is asked for");
      assert.equal(prepare({ ...env, CLUSTER_SECURITY_PROVIDER: "lab" }).provider.kind, "lab");
    }
  });

  it("another version of the real provider is not taken for this one", () => {
    const place = path.join(folder, "home", ".pulumi", "plugins", "resource-kubernetes-v3.0.0");
    programOfVersion(place, "pulumi-resource-kubernetes", "3.0.0");
    assert.equal(prepare().provider.kind, "lab");
  });

  it("inside the shell of another lab its plugins and links are seen for what they are", () => {
    const outer = prepare();
    const link = path.join(outer.root, "bin", "pulumi");
    assert.equal(realpathSync(link), realpathSync(pulumi.path));
    // this lab's own settings as the user's: the launcher is no real plugin, the link no loop
    pulumi = { ...pulumi, path: link };
    const inner = prepare(outer.env);
    assert.equal(inner.provider.kind, "lab");
    assert.match(readFileSync(inner.provider.path, "utf8"), /provider-[0-9a-f]+\.cjs/);
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
