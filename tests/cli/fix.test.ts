import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { writeTogether } from "../../sdk/cli/repaired-files";
import { folderWith, run } from "./command";
import { deployment, join, namespace } from "./fixtures";

const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-web, namespace: shop } # of the web team
spec:
  podselector: {} # all of them
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
      ports:
        - port: "8000-8090"
`;
const fixed = policy.replace("podselector", "podSelector").replace('"8000-8090"\n', "8000\n          endPort: 8090\n");

describe("cluster-security check --fix", () => {
  let folder: string;
  let remove: () => void;
  beforeEach(
    () =>
      ({ folder, remove } = folderWith({
        "apps.yaml": join(namespace("shop"), deployment("shop", "web", 8080)),
        "sub/policy.yaml": policy,
      })),
  );
  afterEach(() => remove());

  const check = (...args: string[]) => run(["check", ...args], { cwd: folder });
  const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");

  it("prints a patch that git applies, names each repair, and writes nothing", async () => {
    const { code, stdout, stderr } = await check(".", "--fix", "--rule", "not-understood");
    assert.equal(code, 0, stderr);
    assert.equal(read("sub/policy.yaml"), policy);
    assert.match(stderr, /^sub\/policy\.yaml:5: writes the field podselector as podSelector \(not-understood\)$/m);
    assert.match(stderr, /^2 repairs in 1 file: 0 paths opened, 2 closed, 2 changed; 0 violations left to decide on$/m);
    writeFileSync(path.join(folder, "fix.patch"), stdout);
    execFileSync("git", ["apply", "fix.patch"], { cwd: folder });
    assert.equal(read("sub/policy.yaml"), fixed);
  });

  it("--write writes the files; a second run finds nothing to repair", async () => {
    const { code, stdout, stderr } = await check(".", "--fix", "--write", "--rule", "not-understood");
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    assert.equal(read("sub/policy.yaml"), fixed);
    const again = await check(".", "--fix", "--rule", "not-understood");
    assert.equal(again.stdout, "");
    assert.match(again.stderr, /^nothing can be repaired for certain; 0 violations left to decide on$/m);
  });

  it("the exit code is that of what is left to decide on", async () => {
    assert.equal((await check(".", "--fix")).code, 1, "metadata addresses are open");
    assert.equal((await check(".", "--fix", "--fail-on", "none")).code, 0);
  });

  it("what is accepted is not repaired", async () => {
    writeFileSync(
      path.join(folder, "exemptions.json"),
      JSON.stringify([
        { finding: "not-understood", namespace: "shop", owner: "web", reason: "a trial", expires: "2099-01-01" },
      ]),
    );
    const { stdout } = await check(
      "apps.yaml",
      "sub",
      "--fix",
      "--rule",
      "not-understood",
      "--exemptions",
      "exemptions.json",
    );
    assert.equal(stdout, "");
  });

  it("--write without --fix is refused", async () => {
    const { code, stderr } = await check(".", "--write");
    assert.equal(code, 2);
    assert.match(stderr, /--write is for --fix/);
  });

  it("--format beside it is refused: it prints a patch", async () => {
    const { code, stdout, stderr } = await check(".", "--fix", "--format", "sarif");
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /--fix prints a patch in place of the findings: leave --format out/);
  });

  it("JSON is repaired, too, and keeps its form", async () => {
    const json = JSON.stringify(load(policy), undefined, 2);
    writeFileSync(path.join(folder, "policy.json"), json);
    const { code } = await check("apps.yaml", "policy.json", "--fix", "--write", "--rule", "not-understood");
    assert.equal(code, 0);
    assert.equal(
      read("policy.json"),
      json
        .replace("podselector", "podSelector")
        .replace('"port": "8000-8090"', '"port": 8000,\n            "endPort": 8090'),
    );
  });

  it("a default deny comes where it closes nothing that is used, and says which paths change", async () => {
    const own = policy.replace("podselector: {} # all of them", "podSelector: {matchLabels: {app: web}}");
    writeFileSync(path.join(folder, "sub/policy.yaml"), own.replace('"8000-8090"', "8000"));
    const { code, stderr } = await check(
      ".",
      "--fix",
      "--write",
      "--rule",
      "namespace-default-deny",
      "--fail-on",
      "none",
    );
    assert.equal(code, 0);
    assert.match(stderr, /^sub\/policy\.yaml:\d+: adds a default deny for namespace shop \(ingress\)/m);
    assert.match(stderr, /^1 repair in 1 file: no path opened, closed or changed; 1 violation left to decide on$/m);
    const added = read("sub/policy.yaml").slice(own.replace('"8000-8090"', "8000").length);
    assert.deepEqual(load(added.replace(/^---\n/, "")), {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "default-deny-ingress", namespace: "shop" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    });
    const again = await check(".", "--fix", "--rule", "namespace-default-deny", "--fail-on", "none");
    assert.equal(again.stdout, "");
  });

  it("--write refuses a git tree with other changes, unless it is told to go on", async () => {
    const git = (...args: string[]): void => void execFileSync("git", args, { cwd: folder, stdio: "pipe" });
    git("init", "-q");
    git("add", ".");
    git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "one");
    writeFileSync(path.join(folder, "apps.yaml"), `# changed\n${read("apps.yaml")}`);
    const refused = await check(".", "--fix", "--write", "--rule", "not-understood");
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /not committed \(apps\.yaml\): commit or discard them, .*; nothing was written/);
    assert.equal(read("sub/policy.yaml"), policy);
    const { code } = await check(".", "--fix", "--write", "--allow-dirty", "--rule", "not-understood");
    assert.equal(code, 0);
    assert.equal(read("sub/policy.yaml"), fixed);
    assert.equal((await check(".", "--allow-dirty")).code, 2);
  });

  it("--write follows no link out of the folder, and then writes no file at all", async () => {
    const other = folderWith({ "policy.yaml": policy.replace("allow-web", "allow-other") });
    try {
      symlinkSync(path.join(other.folder, "policy.yaml"), path.join(folder, "sub", "link.yaml"));
      const { code, stderr } = await check("apps.yaml", "sub", "--fix", "--write", "--rule", "not-understood");
      assert.equal(code, 4, stderr);
      assert.match(stderr, /"sub\/link\.yaml" is a link that leads to ".*": name that file itself/);
      assert.equal(read("sub/policy.yaml"), policy);
    } finally {
      other.remove();
    }
  });

  it("files are written together: where one cannot be, none is", async () => {
    writeFileSync(path.join(folder, "sub/second.yaml"), policy.replace("allow-web", "allow-second"));
    const before = new Map(["sub/policy.yaml", "sub/second.yaml"].map((name) => [path.join(folder, name), read(name)]));
    const texts = new Map([...before].map(([name, text]) => [name, `${text}# repaired\n`]));
    const draft = `.second.yaml.${process.pid}.part`;
    mkdirSync(path.join(folder, "sub", draft));
    await assert.rejects(writeTogether(texts, before, { sources: [folder], allowDirty: false }), /cannot be written/);
    for (const [name, text] of before) assert.equal(readFileSync(name, "utf8"), text);
    assert.deepEqual(readdirSync(path.join(folder, "sub")).sort(), [draft, "policy.yaml", "second.yaml"]);
  });

  it("standard input has no file to repair", async () => {
    const { stdout, stderr } = await run(["check", "-", "--fix", "--rule", "not-understood"], {
      cwd: folder,
      stdin: policy,
    });
    assert.equal(stdout, "");
    assert.match(stderr, /nothing can be repaired for certain/);
  });
});
