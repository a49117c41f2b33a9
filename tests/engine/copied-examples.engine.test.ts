/** Each example's one file, copied alone into a new project that has the package as it is published. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { exampleNames } from "../../lab/examples/names";
import type { Lab } from "../../lab/index";
import { repository, run, sharedLab } from "./shared-lab";

const copied = [...exampleNames, "fleet", "insecure", "languages/typescript"];

/** As `pulumi new kubernetes-typescript` writes it. */
const tsconfig = {
  compilerOptions: {
    strict: true,
    outDir: "bin",
    target: "es2020",
    module: "commonjs",
    moduleResolution: "node",
    sourceMap: true,
    experimentalDecorators: true,
    pretty: false,
    noFallthroughCasesInSwitch: true,
    noImplicitReturns: true,
    forceConsistentCasingInFileNames: true,
  },
};

/** What npm installs for a user: all but what only the development of this package needs. */
function installed(): string[] {
  const modules = path.join(repository, "node_modules");
  const { devDependencies, peerDependencies } = JSON.parse(
    readFileSync(path.join(repository, "package.json"), "utf8"),
  ) as Record<string, Record<string, string>>;
  const ofUsers = new Set([...Object.keys(peerDependencies ?? {}), "typescript", "@types/node"]);
  const ofOurs = new Set(Object.keys(devDependencies ?? {}).filter((name) => !ofUsers.has(name)));
  return readdirSync(modules)
    .flatMap((name) =>
      name.startsWith("@") ? readdirSync(path.join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    )
    .filter((name) => !ofOurs.has(name) && !name.startsWith(".") && !name.startsWith("pulumi-cluster-security"));
}

describe("an example's file, copied into a project of its own", function () {
  this.timeout(600_000);
  let folder: string;

  const npm = async (...args: string[]): Promise<string> => {
    const { code, output } = await run("npm", args, { cwd: repository });
    assert.equal(code, 0, output);
    return output;
  };

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-copied-"));
    // `npm test` has built it
    if (process.env["TEST_PACK_IS_BUILT"] === undefined) await npm("run", "--silent", "build");
    const listed = await npm("pack", "--dry-run", "--json", "--ignore-scripts", "--silent");
    const [packed] = JSON.parse(listed) as [{ files: { path: string }[] }];
    const modules = path.join(folder, "node_modules");
    for (const { path: file } of packed.files) {
      cpSync(path.join(repository, file), path.join(modules, "pulumi-cluster-security", file));
    }
    // what npm would install beside it
    for (const entry of installed()) {
      mkdirSync(path.dirname(path.join(modules, entry)), { recursive: true });
      symlinkSync(path.join(repository, "node_modules", entry), path.join(modules, entry));
    }
    const { code, output } = await run(
      process.execPath,
      [path.join(repository, "bin/sdk/cli/main.js"), "init", "begun"],
      {
        cwd: folder,
      },
    );
    assert.equal(code, 0, output);
    for (const name of copied) {
      const project = path.join(folder, name);
      mkdirSync(project, { recursive: true });
      cpSync(path.join(repository, "examples", name, "index.ts"), path.join(project, "index.ts"));
      writeFileSync(path.join(project, "Pulumi.yaml"), `name: ${path.basename(name)}-copy\nruntime: nodejs\n`);
      writeFileSync(path.join(project, "package.json"), JSON.stringify({ name, main: "index.ts" }));
      writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ ...tsconfig, files: ["index.ts"] }));
    }
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("compiles, each example, under the settings of a new Pulumi project", async () => {
    const file = path.join(folder, "tsconfig.json");
    writeFileSync(file, JSON.stringify({ ...tsconfig, files: [...copied, "begun"].map((name) => `${name}/index.ts`) }));
    const compiler = path.join(repository, "node_modules", "typescript", "bin", "tsc");
    const { code, output } = await run(process.execPath, [compiler, "--noEmit", "-p", file], { cwd: folder });
    assert.equal(code, 0, output);
  });

  for (const [name, planned] of [
    ["web-app", /web-app-app\/default-deny-all/],
    ["kubernetesx", /kubernetesx-default-deny-all/],
    // what `cluster-security init` writes
    ["begun", /security-demo\/default-deny-all|security-default-deny-all/],
  ] as const) {
    it(`runs: pulumi preview of ${name} plans its policies`, async () => {
      const lab: Lab = await sharedLab();
      const pulumi = (...args: string[]) =>
        run(lab.engine.path, [...args, "--non-interactive", "--color", "never"], {
          cwd: path.join(folder, name),
          env: { ...lab.env },
        });
      const made = await pulumi("stack", "init", "copy");
      assert.equal(made.code, 0, made.output);
      const preview = await pulumi("preview", "--stack", "copy");
      assert.equal(preview.code, 0, preview.output);
      assert.match(preview.output, planned);
      await pulumi("stack", "rm", "copy", "--yes", "--force");
    });
  }
});
