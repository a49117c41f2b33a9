import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { load, loadAll } from "js-yaml";
import { repoRoot, run } from "./command";

/**
 * Runs every example of docs/cli.md in examples/manifests and compares what it prints. `UPDATE_SNAPSHOTS=1` writes what it
 * prints into the document instead.
 */
const document = path.join(repoRoot, "docs", "cli.md");
const folder = path.join(repoRoot, "examples", "manifests");
const fence = /^```console\n([^]*?)^```$/gm;

interface Example {
  readonly args: readonly string[];
  readonly text: string;
}

function exampleOf(text: string): Example {
  const [first = ""] = text.split("\n");
  assert.match(first, /^\$ cluster-security [A-Za-z0-9@:./ -]+$/, "an example that needs no shell");
  return { args: first.split(" ").slice(2), text };
}

/** What a terminal would show: the command, its answer, and its exit code where the document asks for it. */
async function shown({ args, text }: Example): Promise<string> {
  const { code, stdout, stderr } = await run(args, { cwd: folder });
  assert.ok(code === 0 || code === 1, `${args.join(" ")}: ${code}\n${stderr}`);
  const asked = text.includes("$ echo $?");
  assert.ok(asked || code === 0, `${args.join(" ")} exits with ${code}, and the document does not say so`);
  return `${text.split("\n")[0]}\n${stdout}${asked ? `$ echo $?\n${code}\n` : ""}`;
}

describe("docs/cli.md", () => {
  const text = readFileSync(document, "utf8");
  const examples = [...text.matchAll(fence)].map((match) => exampleOf(match[1] ?? ""));

  it("has an example of every command, and a heading", async () => {
    const { stdout } = await run(["--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z-]+)(?:\|[a-z]+)? .*\[options\]/gm)].map((match) => match[1] ?? "");
    assert.ok(commands.length >= 9, commands.join());
    for (const command of commands) {
      assert.ok(text.includes(`\n## ${command}: `), `a heading for ${command}`);
      // the first two read nothing, the others need a cluster
      if (!["init", "rbac", "verify", "export", "restore", "rollback"].includes(command))
        assert.ok(
          examples.some(({ args }) => args[0] === command),
          `an example of ${command}`,
        );
    }
  });

  for (const example of examples) {
    it(`prints what stands there: ${example.args.join(" ")}`, async () => {
      const now = await shown(example);
      if (process.env["UPDATE_SNAPSHOTS"] === "1") {
        writeFileSync(
          document,
          readFileSync(document, "utf8").replace(example.text, () => now),
        );
        return;
      }
      assert.equal(now, example.text);
    });
  }

  it("shows the exemptions file as it is", () => {
    const file = readFileSync(path.join(folder, "exemptions.yaml"), "utf8");
    const block = /```yaml\n([^]*?)```/.exec(text)?.[1] ?? "";
    assert.deepEqual(load(block), load(file));
  });

  it("prints a role that is YAML", async () => {
    const { code, stdout } = await run(["rbac", "--service-account", "ci/cluster-security"]);
    assert.equal(code, 0);
    const kinds = loadAll(stdout).map((each) => (each as { kind: string }).kind);
    assert.deepEqual(kinds, ["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"]);
    assert.equal((await run(["rbac", "--service-account", "ci"])).code, 2);
  });
});
