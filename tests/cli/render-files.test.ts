import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openFolder, writeFolder } from "../../sdk/cli/rendered-folder";
import { run, type Ran } from "./command";

const declaration = {
  namespaces: [{ name: "shop" }, { name: "data", existing: true }],
  workloads: [
    { namespace: "shop", name: "api", ports: [{ port: 8080 }] },
    { namespace: "data", name: "db", ports: [{ port: 5432 }] },
  ],
  flows: [
    {
      from: { workload: "shop/api" },
      to: { workload: "data/db" },
      ports: [{ port: 5432 }],
      reason: "orders",
      owner: "shop",
    },
  ],
};

const below = "kubernetes/apps/security/network-policies";

describe("cluster-security render", function () {
  this.timeout(60_000);
  let folder: string;
  let out: string;
  let declared: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-render-"));
    out = path.join(folder, "repository");
    mkdirSync(out);
    declared = path.join(folder, "declaration.json");
    writeFileSync(declared, JSON.stringify(declaration));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const render = (...args: string[]): Promise<Ran> =>
    run(["render", "-d", declared, "--out", out, ...(args.includes("--for") ? [] : ["--for", "flux"]), ...args]);
  const place = (file: string): string => path.join(out, below, file);
  const git = (...args: string[]): void => {
    const done = spawnSync("git", ["-C", out, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      encoding: "utf8",
    });
    assert.equal(done.status, 0, done.stderr);
  };

  /** Every file with its text and the time it was written. */
  function contents(): Map<string, string> {
    const found = new Map<string, string>();
    const walk = (at: string): void => {
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        const full = path.join(at, entry.name);
        if (entry.name === ".git") continue;
        if (entry.isDirectory()) walk(full);
        else if (entry.isFile()) found.set(full, `${statSync(full).mtimeMs} ${readFileSync(full, "utf8")}`);
      }
    };
    walk(folder);
    return found;
  }

  async function refused(pattern: RegExp, ...args: string[]): Promise<void> {
    const before = contents();
    const { code, stderr, stdout } = await render(...args);
    assert.match(stderr, pattern);
    assert.equal(code, 4);
    assert.equal(stdout, "");
    assert.deepEqual(contents(), before, "nothing is half written");
  }

  it("S3-14 writes the tree, says that the order is proved, and changes nothing the second time", async () => {
    const first = await render();
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /nothing opens or is cut on the way/);
    assert.match(
      first.stdout,
      /list \.\/network-policies\/ks\.yaml under resources of kubernetes\/apps\/security\/kustomization\.yaml/,
    );
    for (const file of ["ks.yaml", "app/kustomization.yaml", "app/default-deny-all.yaml", "app/shop/namespace.yaml"]) {
      assert.ok(existsSync(place(file)), file);
    }
    const before = contents();
    const second = await render();
    assert.match(second.stdout, /written 0, removed 0, unchanged \d+/);
    assert.deepEqual(contents(), before);
    assert.equal((await render("--check")).code, 0);
  });

  it("rewrites and removes only files that differ, and --check tells before", async () => {
    await render();
    const kept = statSync(place("app/allow-dns-ingress.yaml")).mtimeMs;
    writeFileSync(declared, JSON.stringify({ ...declaration, flows: [], workloads: [declaration.workloads[0]] }));
    const check = await render("--check");
    assert.equal(check.code, 1);
    assert.ok(existsSync(place("app/data/allow-api.shop-to-db.yaml")));
    const { stdout, code } = await render();
    assert.equal(code, 0);
    assert.match(stdout, /removed [1-9]/);
    assert.ok(!existsSync(place("app/data/allow-api.shop-to-db.yaml")));
    assert.ok(!existsSync(place("app/data")), "an empty folder goes with its last file");
    assert.equal(statSync(place("app/allow-dns-ingress.yaml")).mtimeMs, kept);
  });

  for (const target of ["argocd", "kustomize", "plain"]) {
    it(`renders for ${target}, twice the same`, async () => {
      const more = target === "argocd" ? ["--repository", "https://git.example.com/k8s.git"] : [];
      assert.equal((await render("--for", target, ...more)).code, 0);
      const before = contents();
      assert.equal((await render("--for", target, ...more)).code, 0);
      assert.deepEqual(contents(), before);
      await refused(/was rendered for/, "--for", "flux", "--path", target === "argocd" ? below : ".");
    });
  }

  it("refuses a folder with files of others", async () => {
    mkdirSync(place("app"), { recursive: true });
    writeFileSync(place("app/mine.yaml"), "kind: Mine\n");
    await refused(/holds files that were not rendered \(app\/mine\.yaml\)/);
    rmSync(place("app/mine.yaml"));
    assert.equal((await render()).code, 0);
    writeFileSync(place("app/mine.yaml"), "kind: Mine\n");
    await refused(/files that were not rendered \(app\/mine\.yaml\)/);
  });

  it("names the drafts of a run that was killed, and a folder in place of a declaration", async () => {
    assert.equal((await render()).code, 0);
    writeFileSync(place("app/.default-deny-all.yaml.123.part"), "");
    const killed = await render();
    assert.equal(killed.code, 4);
    assert.match(
      killed.stderr,
      /holds drafts of a run that was killed \(app\/\.default-deny-all\.yaml\.123\.part\): delete/,
    );
    const wrong = await run(["render", "-d", folder, "--for", "flux"]);
    assert.deepEqual([wrong.code, /is a folder: name the file that holds/.test(wrong.stderr)], [4, true], wrong.stderr);
  });

  it("refuses where somebody edited or deleted a file, or the record cannot be read", async () => {
    await render();
    const deny = readFileSync(place("app/default-deny-all.yaml"), "utf8");
    writeFileSync(place("app/default-deny-all.yaml"), `${deny}# mine\n`);
    await refused(/edited or deleted since they were rendered \(app\/default-deny-all\.yaml\)/);
    rmSync(place("app/default-deny-all.yaml"));
    await refused(/edited or deleted since they were rendered \(app\/default-deny-all\.yaml\)/);
    writeFileSync(place("app/default-deny-all.yaml"), deny);
    writeFileSync(place(".cluster-security.json"), "{");
    await refused(/\.cluster-security\.json that cannot be read/);
  });

  it("refuses a link out of the folder, at every depth", async () => {
    const elsewhere = path.join(folder, "elsewhere");
    mkdirSync(elsewhere);
    mkdirSync(path.dirname(place("")), { recursive: true });
    symlinkSync(elsewhere, place(""));
    await refused(/is a link, which may lead out of the folder/);
    rmSync(place(""));
    await render();
    rmSync(place("app/shop"), { recursive: true });
    symlinkSync(elsewhere, place("app/shop"));
    await refused(/is a link/);
    assert.deepEqual(readdirSync(elsewhere), []);
    const { code, stderr } = await render("--path", "../elsewhere");
    assert.equal(code, 2);
    assert.match(stderr, /leads out of the folder/);
  });

  it("refuses a git tree with other changes, and takes the changed declaration and its own files", async () => {
    git("init", "--quiet");
    declared = path.join(out, "declaration.json");
    writeFileSync(declared, JSON.stringify(declaration));
    writeFileSync(path.join(out, "other.yaml"), "a: 1\n");
    git("add", ".");
    git("commit", "--quiet", "-m", "begin");
    writeFileSync(declared, JSON.stringify({ ...declaration, flows: [] }));
    assert.equal((await render()).code, 0);
    git("add", ".");
    assert.equal((await render()).code, 0, "its own files are no other change");
    writeFileSync(path.join(out, "other.yaml"), "a: 2\n");
    writeFileSync(declared, JSON.stringify(declaration));
    await refused(/other changes that are not committed \(other\.yaml\)/);
    assert.equal((await render("--allow-dirty")).code, 0);
  });

  it("takes back what it changed where one of the files cannot be replaced", async () => {
    await render();
    const found = openFolder(out, below);
    const wanted = new Map([...found.texts].map(([file, text]) => [file, `${text}# new\n`]));
    wanted.set("app/new/one.yaml", "a: 1\n").delete("ks.yaml");
    // somebody puts a folder where a file is to go, after the folder was read
    const last = "app/shop/namespace.yaml";
    rmSync(place(last));
    mkdirSync(place(last));
    writeFileSync(place(`${last}/x`), "");
    const before = contents();
    await assert.rejects(writeFolder(found, wanted), /cannot be written: it is a folder; nothing was changed/);
    const texts = (all: Map<string, string>): string[] =>
      [...all].map(([file, text]) => `${file} ${text.slice(text.indexOf(" "))}`);
    assert.deepEqual(texts(contents()), texts(before));
  });

  it("S3-29 takes the policies down in two commits, the default deny first", async () => {
    await refused(/nothing to remove/, "--remove", "--commit", "1");
    await render();
    await refused(/first commit of the removal is missing/, "--remove", "--commit", "2");
    const app = [...contents()].filter(([file]) => file.includes("/app/"));
    const first = await render("--remove", "--commit", "1");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /nothing opens or is cut on the way/);
    assert.deepEqual(
      [...contents()].filter(([file]) => file.includes("/app/")),
      app,
      "the objects stay as they are",
    );
    const text = readFileSync(place("ks.yaml"), "utf8");
    const waits = [...text.matchAll(/^ {2}name: (\S+)\n[\s\S]*?(?=^---|$(?![\s\S]))/gm)].map(
      ([part, name = ""]) => [name, /dependsOn:\n {4}- name: (\S+)/.exec(part)?.[1]] as const,
    );
    assert.equal(new Map(waits).get("network-policies"), undefined, "the default deny waits for nothing");
    assert.equal(new Map(waits).get("network-policies-flows"), "network-policies");
    assert.match(text, /readyExpr: .*size\(dep\.status\.inventory\.entries\) == 0/);
    assert.doesNotMatch(text, /labelSelector: .*!=/);
    assert.equal((await render("--remove", "--commit", "2")).code, 0);
    assert.ok(!existsSync(place("ks.yaml")));
    assert.ok(!existsSync(place(".cluster-security.json")));
  });

  const removals = [
    ["flux", `${below}/app/shop/removal-allow-all-pods.yaml`, /commit, wait until "flux get kustomizations"/],
    ["argocd", `${below}/app/shop/removal-allow-all-pods.yaml`, /argocd app delete argocd\/network-policies/],
    [
      "kustomize",
      "shop/removal-allow-all-pods.yaml",
      /delete what kustomization.yaml lists, from the last to the first/,
    ],
    ["plain", "000-allow-all.yaml", /delete file by file, from the last to the first/],
  ] as const;
  for (const [target, file, next] of removals) {
    it(`S3-29 adds what lets everything pass where an allow isolates, and says how ${target} goes on`, async () => {
      writeFileSync(declared, JSON.stringify({ ...declaration, dialect: "kubernetes" }));
      const own = ["--for", target, "--repository", "https://git.example.com/k8s.git"];
      const standing = path.join(out, file);
      assert.equal((await render(...own)).code, 0);
      assert.ok(!existsSync(standing));
      const first = await render(...own, "--remove", "--commit", "1");
      assert.equal(first.code, 0, first.stderr);
      assert.match(first.stdout, /nothing opens or is cut on the way/);
      assert.match(first.stdout, /added {5}NetworkPolicy\.networking\.k8s\.io \S+\/removal-allow-all-pods, .*metadata/);
      assert.match(first.stdout, next);
      assert.ok(existsSync(standing));
      const second = await render(...own, "--remove", "--commit", "2");
      assert.equal(second.code, 0, second.stderr);
      assert.match(second.stdout, /next {6}commit/);
      assert.ok(!existsSync(standing));
    });
  }

  it("removes nothing while the declaration gives other objects than the folder holds", async () => {
    await render();
    writeFileSync(declared, JSON.stringify({ ...declaration, flows: [] }));
    await refused(/render and commit it first, then remove/, "--remove", "--commit", "1");
  });

  it("refuses an object that changes its Kustomization, and moves it in two commits", async () => {
    await render();
    // as if an earlier version had put the object elsewhere
    const record = JSON.parse(readFileSync(place(".cluster-security.json"), "utf8")) as {
      objects: Record<string, string>;
    };
    const id = "CiliumNetworkPolicy.cilium.io data/allow-api.shop-to-db";
    assert.equal(record.objects[id], "flows");
    record.objects[id] = "platform";
    writeFileSync(place(".cluster-security.json"), JSON.stringify(record));
    await refused(/from network-policies-platform to network-policies-flows/);
    await refused(/first commit of the move is missing/, "--move", "--commit", "2");
    const first = await render("--move", "--commit", "1");
    assert.equal(first.code, 0, first.stderr);
    const file = place("app/data/allow-api.shop-to-db.yaml");
    assert.match(
      readFileSync(file, "utf8"),
      /prune: disabled[\s\S]*stage: platform|stage: platform[\s\S]*prune: disabled/,
    );
    await refused(/from network-policies-platform to network-policies-flows/);
    assert.equal((await render("--move", "--commit", "2")).code, 0);
    assert.match(readFileSync(file, "utf8"), /stage: flows/);
    assert.doesNotMatch(readFileSync(file, "utf8"), /prune/);
    assert.match((await render()).stdout, /written 0/);
  });

  it("says what is wrong with the command line and with the declaration", async () => {
    for (const [args, pattern] of [
      [["--for", "argocd"], /--repository is missing/],
      [["--commit", "1"], /--commit needs --move or --remove/],
      [["--remove"], /add --commit 1, later --commit 2/],
      [["--move", "--remove", "--commit", "1"], /exclude each other/],
      [["--for", "helm"], /Allowed choices are flux, argocd, kustomize, plain/],
    ] as const) {
      const { code, stderr } = await render(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, pattern);
    }
    writeFileSync(declared, JSON.stringify({ namespaces: [{ name: "Shop" }] }));
    await refused(/namespaces\[0\]/);
  });
});
