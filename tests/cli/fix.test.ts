import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
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
    assert.match(stderr, /^2 repairs in 1 file; 0 violations left to decide on$/m);
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

  it("standard input and JSON have no file to repair", async () => {
    const { stdout, stderr } = await run(["check", "-", "--fix", "--rule", "not-understood"], {
      cwd: folder,
      stdin: policy,
    });
    assert.equal(stdout, "");
    assert.match(stderr, /nothing can be repaired for certain/);
  });
});
