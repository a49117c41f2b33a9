import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { identify } from "../../lab/control-plane/identity";
import type { Engine } from "../../lab/engine";
import { prepareEngine } from "../../lab/engine";
import { provideTools } from "../../lab/toolchain/index";
import { temporaryFolder } from "./support/folders";

const modules = path.resolve(__dirname, "..", "..", "node_modules");

describe("language host: the real engine runs", function () {
  const root = temporaryFolder();
  let engine: Engine;

  before(async function () {
    this.timeout(0);
    const { pulumi, "pulumi-resource-kubernetes": kubernetesProvider } = await provideTools([
      "pulumi",
      "pulumi-resource-kubernetes",
    ]);
    engine = prepareEngine({
      dataDir: path.join(root, "engine"),
      pulumi,
      kubernetesProvider,
      kubeconfigPath: path.join(root, "none"),
    });
    // there the host that came with pulumi is used, which is not ours to test
    if (engine.languageHost === "bundled") this.skip();
  });

  function project(name: string, files: Readonly<Record<string, string>>): string {
    const folder = path.join(root, name);
    mkdirSync(folder, { recursive: true });
    if (!existsSync(path.join(folder, "node_modules"))) symlinkSync(modules, path.join(folder, "node_modules"));
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, file), text);
    return folder;
  }

  interface Ran {
    readonly code: number | null;
    readonly output: string;
  }

  function pulumi(folder: string, ...args: string[]): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(engine.path, [...args, "--non-interactive", "--color", "never"], {
        cwd: folder,
        env: engine.env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text) => (output += text));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, output }));
    });
  }

  async function works(folder: string, ...args: string[]): Promise<string> {
    const { code, output } = await pulumi(folder, ...args);
    assert.equal(code, 0, output);
    return output;
  }

  const component = `
    const pulumi = require("@pulumi/pulumi");
    class Thing extends pulumi.ComponentResource {
      constructor(name, args) { super("test:index:Thing", name, args); this.registerOutputs({}); }
    }`;

  const pack = (level: string): Record<string, string> => ({
    "PulumiPolicy.yaml": "runtime: {name: nodejs, options: {typescript: false}}\nmain: index.js\n",
    "package.json": '{"name":"a-pack","version":"1.0.0"}',
    "index.js": `
      const { PolicyPack } = require("@pulumi/policy");
      const pulumi = require("@pulumi/pulumi");
      const validateResource = (args, report) => {
        if (args.type !== "test:index:Thing") return;
        const greeting = new pulumi.Config("typed").get("greeting");
        report("pack saw " + [greeting, pulumi.getStack(), pulumi.getProject(), pulumi.runtime.isDryRun()].join("|"));
      };
      new PolicyPack("a-pack", {
        policies: [{ name: "look", description: "Looks.", enforcementLevel: "${level}", validateResource }],
      });`,
  });

  describe("a TypeScript program with options and configuration", () => {
    let folder: string;
    before(async () => {
      folder = project("typed", {
        "Pulumi.yaml":
          'name: typed\nmain: index.ts\nruntime: {name: nodejs, options: {typescript: false, nodeargs: "--require tsx/cjs"}}\n',
        "package.json": '{"name":"typed"}',
        "index.ts": `
          import * as pulumi from "@pulumi/pulumi";
          interface Args { greeting: pulumi.Input<string> }
          class Thing extends pulumi.ComponentResource {
            constructor(name: string, args: Args) { super("test:index:Thing", name, args); this.registerOutputs({}); }
          }
          const config = new pulumi.Config();
          new Thing("one", { greeting: config.require("greeting") });
          if (config.getBoolean("fail")) throw new Error("the program gives up");
          export const dry = pulumi.runtime.isDryRun();
          export const greeting = config.require("greeting");
          export const password = config.requireSecret("password");`,
      });
      await works(folder, "stack", "init", "dev");
      await works(folder, "config", "set", "greeting", "hello there");
      await works(folder, "config", "set", "--secret", "password", "correct horse");
    });

    it("in preview and in an update, with outputs and secrets, and without a warning about the host", async () => {
      const preview = await works(folder, "preview");
      assert.match(preview, /\+ 2 to create/);
      assert.doesNotMatch(preview, /warning|PATH/);
      await works(folder, "up", "--yes", "--skip-preview");
      const outputs = JSON.parse(await works(folder, "stack", "output", "--json", "--show-secrets")) as unknown;
      assert.deepEqual(outputs, { dry: false, greeting: "hello there", password: "correct horse" });
      assert.doesNotMatch(await works(folder, "stack", "output"), /correct horse/);
    });

    it("with a policy pack that gets the stack's configuration, name and mode", async () => {
      const packFolder = project("pack-advisory", pack("advisory"));
      assert.match(
        await works(folder, "preview", "--policy-pack", packFolder),
        /pack saw hello there\|dev\|typed\|true/,
      );
      assert.match(
        await works(folder, "up", "--yes", "--skip-preview", "--policy-pack", packFolder),
        /pack saw hello there\|dev\|typed\|false/,
      );
    });

    it("and a mandatory policy stops it", async () => {
      const packFolder = project("pack-mandatory", pack("mandatory"));
      const { code, output } = await pulumi(folder, "preview", "--policy-pack", packFolder);
      assert.notEqual(code, 0);
      assert.match(output, /\[mandatory\]/);
    });

    it("a pack also judges an exported state, where no program runs", async () => {
      const packFolder = project("pack-advisory", pack("advisory"));
      const state = path.join(root, "state.json");
      await works(folder, "stack", "export", "--file", state);
      assert.match(await works(folder, "policy", "analyze", "--file", state, "--policy-pack", packFolder), /pack saw/);
    });

    it("an error of the program is told once, in its own words", async () => {
      await works(folder, "config", "set", "fail", "true");
      const { code, output } = await pulumi(folder, "preview");
      await works(folder, "config", "rm", "fail");
      assert.notEqual(code, 0);
      assert.match(output, /the program gives up/);
      assert.doesNotMatch(output, /exit code 32/);
    });
  });

  it("a program that ends the process is an error, never a finished deployment", async () => {
    const folder = project("exits", {
      "Pulumi.yaml": "name: exits\nmain: index.js\nruntime: {name: nodejs, options: {typescript: false}}\n",
      "package.json": '{"name":"exits"}',
      "index.js": `${component}\nnew Thing("one", {});\nprocess.exit(3);`,
    });
    await works(folder, "stack", "init", "dev");
    const { code, output } = await pulumi(folder, "up", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(output, /exit code 3/);
  });

  it("a pack that prints before it serves is refused with what it printed", async () => {
    const folder = project("with-bad-pack", {
      "Pulumi.yaml": "name: with-bad-pack\nmain: index.js\nruntime: {name: nodejs, options: {typescript: false}}\n",
      "package.json": '{"name":"with-bad-pack"}',
      "index.js": `${component}\nnew Thing("one", {});`,
    });
    const files = pack("advisory");
    const packFolder = project("pack-loud", {
      ...files,
      "index.js": `console.log("hi, port!");\n${files["index.js"]}`,
    });
    await works(folder, "stack", "init", "dev");
    const { code, output } = await pulumi(folder, "preview", "--policy-pack", packFolder);
    assert.notEqual(code, 0);
    assert.match(output, /printed .*hi, port!/);
  });

  it("a component package for other languages: its schema comes from its sources", async () => {
    const folder = project("components", {
      "PulumiPlugin.yaml": "runtime: nodejs\n",
      "package.json": '{"name":"greetings","version":"0.1.0","main":"index.ts"}',
      "index.ts": `
        import * as pulumi from "@pulumi/pulumi";
        export interface GreeterArgs { who: pulumi.Input<string> }
        export class Greeter extends pulumi.ComponentResource {
          constructor(name: string, args: GreeterArgs, opts?: pulumi.ComponentResourceOptions) {
            super("greetings:index:Greeter", name, { who: args.who }, opts);
          }
        }`,
    });
    const schema = JSON.parse(await works(root, "package", "get-schema", folder)) as { resources: object };
    assert.deepEqual(Object.keys(schema.resources), ["greetings:index:Greeter"]);
  });

  it("nothing outlives an engine that is killed", async () => {
    const pids = path.join(root, "pids");
    const folder = project("slow", {
      "Pulumi.yaml": "name: slow\nmain: index.js\nruntime: {name: nodejs, options: {typescript: false}}\n",
      "package.json": '{"name":"slow"}',
      "index.js": `
        require("fs").writeFileSync(${JSON.stringify(pids)}, process.pid + " " + process.ppid);
        setInterval(() => undefined, 1000);`,
    });
    await works(folder, "stack", "init", "dev");
    const child = spawn(engine.path, ["preview", "--non-interactive"], {
      cwd: folder,
      env: engine.env,
      stdio: "ignore",
    });
    while (!existsSync(pids) || !readFileSync(pids, "utf8").includes(" ")) await pause();
    const processes = readFileSync(pids, "utf8").split(" ").map(Number);
    assert.ok(processes.every((pid) => identify(pid)));
    child.kill("SIGKILL");
    while (processes.some((pid) => identify(pid))) await pause();
  });
});

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
