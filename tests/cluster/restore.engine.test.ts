import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { labContext } from "../../lab/control-plane/index";
import { Dialect, plan, type ClusterSecurityDeclaration } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { OnCall } from "../break-glass/on-call";
import { Plane, placeOf } from "../break-glass/plane";
import { readCrds } from "../../lab/crds/index";
import { run, type Ran } from "../cli/command";
import { fixture } from "../support/fixtures";

function declarationOf(dialect: Dialect, home: string): ClusterSecurityDeclaration {
  return {
    dialect,
    namespaces: [{ name: home }],
    workloads: ["web", "api", "db"].map((name) => ({ namespace: home, name, ports: [{ port: 8080 }] })),
    flows: [
      ["web", "api"],
      ["api", "db"],
    ].map(([from, to]) => ({
      from: { workload: `${home}/${from}` },
      to: { workload: `${home}/${to}` },
      ports: [{ port: 8080 }],
      reason: "calls",
      owner: home,
    })),
  };
}

const declarations = [declarationOf(Dialect.Cilium, "sea"), declarationOf(Dialect.Kubernetes, "shop")];
const policies = declarations.flatMap((each) =>
  plan(each).documents.map(({ object }) => object as unknown as KubeObject),
);

describe("export, restore and rollback on a real API server", function () {
  let plane: Plane;
  let folder: string;
  let backup: string;
  let accounts: string;

  before(async () => {
    plane = await Plane.start();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-restore-"));
    backup = path.join(folder, "backup");
    for (const { namespaces = [], workloads = [] } of declarations) {
      for (const { name } of namespaces)
        await plane.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
      for (const { name, namespace } of workloads) {
        const pod: KubeObject = {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name, namespace, labels: { app: name } },
          spec: { containers: [{ name, image: name }] },
        };
        // refused until the controller manager has made the namespace's service account
        await plane.until("pods", async () => (await plane.call("POST", placeOf(pod), pod)).status === 201);
      }
    }
    for (const policy of policies) await plane.create(policy);
    // exactly the role that the command line prints for these commands
    accounts = mkdtempSync(path.join(tmpdir(), "cluster-security-restorer-"));
    await OnCall.on(plane, accounts, ["--restore"]);
  });
  after(async () => {
    await plane?.stop();
    for (const each of [folder, accounts]) if (each !== undefined) rmSync(each, { recursive: true, force: true });
  });

  const cluster = (command: string, ...args: string[]): Promise<Ran> =>
    run(
      [command, ...args, "--context", "prod", "--kubeconfig", path.join(accounts, "eve"), "--cni", "cilium", "--quiet"],
      {
        cwd: folder,
      },
    );

  /** What stands of a policy, without what only the server writes. */
  async function standing(policy: KubeObject): Promise<unknown> {
    const { status, body } = await plane.call("GET", placeOf(policy, policy.metadata?.name));
    if (status !== 200) return status;
    const { metadata, status: _status, ...rest } = JSON.parse(body) as KubeObject & { status?: unknown };
    const { name, namespace, labels, annotations } = metadata ?? {};
    return { ...rest, name, namespace, labels, annotations };
  }
  const allStanding = (): Promise<unknown[]> => Promise.all(policies.map(standing));
  const remove = async (policy: KubeObject): Promise<void> => {
    const { status } = await plane.call("DELETE", placeOf(policy, policy.metadata?.name));
    assert.equal(status, 200);
  };
  const named = (name: string): KubeObject =>
    policies.find(({ metadata }) => metadata?.name === name) ?? assert.fail(name);

  it("S4-16 exports, is deleted from, and restores: the same objects, the same reachability, allow before deny", async () => {
    const before = await allStanding();
    const matrix = (await cluster("matrix", "--format", "json")).stdout;
    const exported = await cluster("export", "--out", backup);
    assert.equal(exported.code, 0, exported.stderr);
    const files = (readdirSync(backup, { recursive: true }) as string[]).filter((file) => file.endsWith(".yaml"));
    assert.equal(files.length, policies.length);
    for (const file of files) {
      const text = readFileSync(path.join(backup, file), "utf8");
      assert.doesNotMatch(text, /uid:|resourceVersion|creationTimestamp|managedFields|generation:|^status:/m);
      const { kind } = load(text) as KubeObject;
      assert.match(kind, /Policy$/);
    }
    assert.match((await cluster("export", "--out", backup)).stdout, /0 files written, 0 removed/);

    for (const policy of policies) await remove(policy);
    const dry = await cluster("restore", backup, "--dry-run");
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /closed|changed/);
    const asked = await cluster("restore", backup);
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /add --yes to change the cluster/);
    assert.deepEqual(
      await allStanding(),
      policies.map(() => 404),
      "nothing is changed by either",
    );

    const restored = await cluster("restore", backup, "--yes");
    assert.equal(restored.code, 0, restored.stderr + restored.stdout);
    assert.match(restored.stdout, /checked: the cluster allows what was shown, nothing else/);
    const applied = [...restored.stdout.matchAll(/^applied (\S+) (\S+) /gm)].map(([, , name = ""]) => name);
    assert.equal(applied.length, policies.length);
    assert.equal(applied.at(-1), "default-deny-all");
    assert.ok(applied.indexOf("shop/default-deny-all") > applied.indexOf("shop/allow-web-egress"));
    assert.deepEqual(await allStanding(), before);
    assert.equal((await cluster("matrix", "--format", "json")).stdout, matrix);
    assert.match((await cluster("restore", backup, "--yes")).stdout, /nothing to change/);
  });

  it("S2-21 S3-29 rolls one bad change back to a git revision, times it, and leaves policies of others alone", async () => {
    const git = (...args: string[]): void => {
      const done = spawnSync("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
        encoding: "utf8",
      });
      assert.equal(done.status, 0, done.stderr);
    };
    git("init", "--quiet", "--initial-branch", "main");
    git("add", ".");
    git("commit", "--quiet", "-m", "good");
    const before = await allStanding();
    // one policy is gone, one is narrowed with a section that nobody declared, one was added; others have theirs too
    await remove(named("default-deny-all"));
    const changed =
      policies.find(({ metadata }) => metadata?.namespace === "sea" && metadata.name?.startsWith("allow-web-to-api")) ??
      assert.fail();
    const patch = await plane.call("PATCH", placeOf(changed, changed.metadata?.name), {
      spec: { ingressDeny: [{ fromEntities: ["all"] }] },
    });
    assert.equal(patch.status, 200, patch.body);
    const added = (name: string, labels: Record<string, string>): KubeObject => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name, namespace: "shop", labels },
      spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{}] },
    });
    const [ours, theirs] = [
      added("open", { "app.kubernetes.io/managed-by": "pulumi-cluster-security" }),
      added("theirs", {}),
    ];
    for (const each of [ours, theirs]) await plane.create(each);

    const one = await cluster("rollback", "--to", "git:main:backup", "--policy", "default-deny-all", "--dry-run");
    assert.equal((one.stdout.match(/^(apply|delete) /gm) ?? []).length, 1, one.stdout + one.stderr);
    const done = await run(
      [
        "rollback",
        "--to",
        "git:main:backup",
        "--yes",
        "--context",
        "prod",
        "--kubeconfig",
        path.join(accounts, "eve"),
        "--cni",
        "cilium",
      ],
      { cwd: folder },
    );
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stderr, /rollback took \d+\.\d s/);
    assert.match(done.stderr, /theirs is not in git:main:backup and stays/);
    assert.deepEqual(await allStanding(), before);
    assert.equal(await plane.exists(ours), false);
    assert.equal(await plane.exists(theirs), true);
    const steps = [...done.stdout.matchAll(/^(applied|deleted) \S+ (\S+) /gm)].map(
      ([, verb, name]) => `${verb} ${name}`,
    );
    assert.deepEqual(steps, ["applied sea/allow-web-to-api", "applied default-deny-all", "deleted shop/open"]);
    const rest = await cluster("rollback", "--to", backup, "--policy", "shop/theirs", "--yes");
    assert.equal(rest.code, 0, rest.stderr);
    assert.equal(await plane.exists(theirs), false);
  });

  it("S3-29 touches nothing that Flux applies and has not been suspended, and prints the steps that do work", async () => {
    const deny = named("default-deny-all");
    const flux = {
      "kustomize.toolkit.fluxcd.io/name": "network-policies",
      "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    };
    const marked = path.join(folder, "marked");
    cpSync(backup, marked, { recursive: true });
    const patch = await plane.call("PATCH", placeOf(deny, "default-deny-all"), {
      metadata: { labels: flux },
      spec: { description: "changed" },
    });
    assert.equal(patch.status, 200, patch.body);
    const { stdout, code } = await cluster("rollback", "--to", "git:main:backup", "--yes");
    assert.equal(code, 1, stdout);
    assert.match(stdout, /This alone changes nothing: policies that are applied stay enforced/);
    const at = [
      "flux suspend kustomization network-policies --namespace flux-system",
      "repeat this command",
      "git restore --source main -- backup && git commit",
      "flux resume",
    ].map((text) => stdout.indexOf(text));
    assert.ok(
      at.every((place, index) => place > (at[index - 1] ?? -1)),
      stdout,
    );
    assert.match(JSON.stringify(await standing(deny)), /"description":"changed"/);
    const suspended = await cluster("rollback", "--to", "git:main:backup", "--yes", "--suspended");
    assert.equal(suspended.code, 0, suspended.stdout + suspended.stderr);
    assert.doesNotMatch(JSON.stringify(await standing(deny)), /"description":"changed"/);
  });

  it("S2-21 rolls back to a Pulumi state: what the server wrote into it is left out", async () => {
    const deny = named("default-deny-all");
    const marks = { "kustomize.toolkit.fluxcd.io/name": null, "kustomize.toolkit.fluxcd.io/namespace": null };
    const bare = await plane.call("PATCH", placeOf(deny, "default-deny-all"), { metadata: { labels: marks } });
    assert.equal(bare.status, 200, bare.body);
    const before = await allStanding();
    const outputs = await Promise.all(
      policies.map(
        async (policy) => JSON.parse((await plane.call("GET", placeOf(policy, policy.metadata?.name))).body) as object,
      ),
    );
    const resources = outputs.map((object, index) => {
      const { apiVersion, kind } = object as KubeObject;
      const type = `kubernetes:${apiVersion}:${kind}`;
      return { urn: `urn:pulumi:dev::shop::${type}::${index}`, custom: true, type, inputs: object, outputs: object };
    });
    writeFileSync(path.join(folder, "stack.json"), JSON.stringify({ version: 3, deployment: { resources } }));
    await remove(named("default-deny-all"));
    const { code, stdout, stderr } = await cluster("rollback", "--to", "stack.json", "--yes");
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^applied CiliumClusterwideNetworkPolicy.cilium.io default-deny-all /m);
    assert.deepEqual(await allStanding(), before);
  });

  it("S2-06 rolls back to a version of the stack's history, which pulumi is asked for by its number", async () => {
    // the lab's engine keeps no versions: this stands for one that does
    const bin = path.join(folder, "bin");
    mkdirSync(bin);
    const wanted = "stack export --non-interactive --version 12 --stack shop/prod";
    const script = `#!/bin/sh\n[ "$*" = "${wanted}" ] || { echo "error: $*" >&2; exit 1; }\ncat "${path.join(folder, "stack.json")}"\n`;
    writeFileSync(path.join(bin, "pulumi"), script, { mode: 0o755 });
    const before = await allStanding();
    await remove(named("default-deny-all"));
    const ask = (to: string): Promise<Ran> =>
      run(
        [
          ...["rollback", "--to", to, "--yes", "--cni", "cilium", "--context", labContext],
          ...["--kubeconfig", plane.controlPlane.kubeconfigPath],
        ],
        { cwd: folder, env: { PATH: `${bin}:${process.env["PATH"] ?? ""}` } },
      );
    const done = await ask("history:12@shop/prod");
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stderr, /rollback took \d+\.\d s/);
    assert.deepEqual(await allStanding(), before);
    const none = await ask("history:13");
    assert.equal(none.code, 4);
    assert.match(
      none.stderr,
      /pulumi stack export --version 13 failed: error: stack export --non-interactive --version 13/,
    );
  });

  it("S3-29 goes on by itself once the Kustomization is suspended, and the Application without automatic sync", async function () {
    const definition = fixture("schemas/flux-kustomizations-crd.yaml");
    if (definition === undefined) return this.skip();
    const deny = named("default-deny-all");
    const flux = "kustomize.toolkit.fluxcd.io";
    const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const applications = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "applications.argoproj.io" },
      spec: {
        group: "argoproj.io",
        names: { kind: "Application", plural: "applications", singular: "application", listKind: "ApplicationList" },
        scope: "Namespaced",
        versions: [{ name: "v1alpha1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      },
    };
    const post = async (at: string, body: object): Promise<void> => {
      const { status, body: said } = await plane.call("POST", at, body);
      assert.ok(status < 300, said);
    };
    for (const one of [...readCrds(definition), applications]) {
      await post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", one);
    }
    const kustomizations = `/apis/${flux}/v1/namespaces/shop/kustomizations`;
    const apps = "/apis/argoproj.io/v1alpha1/namespaces/shop/applications";
    for (const at of [kustomizations, apps]) {
      await plane.until(at, async () => (await plane.call("GET", at)).status === 200);
    }
    const cases = [
      {
        marks: { labels: { [`${flux}/name`]: "net", [`${flux}/namespace`]: "shop" } },
        at: kustomizations,
        owner: {
          apiVersion: `${flux}/v1`,
          kind: "Kustomization",
          metadata: { name: "net" },
          spec: { interval: "10m", prune: true, sourceRef: { kind: "GitRepository", name: "net" } },
        },
        suspend: /flux suspend kustomization net --namespace shop --context/,
        suspended: { spec: { suspend: true } },
      },
      {
        marks: {
          labels: { [`${flux}/name`]: null, [`${flux}/namespace`]: null },
          annotations: {
            "argocd.argoproj.io/tracking-id": "shop_net:cilium.io/CiliumClusterwideNetworkPolicy:/default-deny-all",
          },
        },
        at: apps,
        owner: {
          apiVersion: "argoproj.io/v1alpha1",
          kind: "Application",
          metadata: { name: "net" },
          spec: { syncPolicy: { automated: { prune: true } } },
        },
        suspend: /argocd app set shop\/net --sync-policy none/,
        suspended: { spec: { syncPolicy: { automated: null } } },
      },
    ];
    for (const { marks, at, owner, suspend, suspended } of cases) {
      await post(at, owner);
      const place = placeOf(deny, "default-deny-all");
      const change = { metadata: marks, spec: { description: "changed" } };
      assert.equal((await plane.call("PATCH", place, change)).status, 200);
      const refused = await cluster("rollback", "--to", backup, "--policy", "default-deny-all", "--yes");
      assert.equal(refused.code, 1, refused.stdout + refused.stderr);
      assert.match(refused.stdout, suspend);
      assert.match(refused.stdout, /commit/);
      assert.match(JSON.stringify(await standing(deny)), /"description":"changed"/);
      assert.equal((await plane.call("PATCH", `${at}/net`, suspended)).status, 200);
      const done = await cluster("rollback", "--to", backup, "--policy", "default-deny-all", "--yes");
      assert.equal(done.code, 0, done.stdout + done.stderr);
      assert.doesNotMatch(JSON.stringify(await standing(deny)), /"description":"changed"/);
    }
  });

  it("S2-06 refuses an empty source, a value that is not known, another folder, and a context that is none", async () => {
    const empty = path.join(folder, "empty");
    mkdirSync(empty);
    writeFileSync(path.join(empty, "namespace.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    const none = await cluster("rollback", "--to", "empty", "--yes");
    assert.equal(none.code, 4);
    assert.match(none.stderr, /holds no policy: that would delete all of them/);
    const wrong = await run(
      ["restore", backup, "--context", "nowhere", "--kubeconfig", plane.controlPlane.kubeconfigPath, "--yes"],
      { cwd: folder },
    );
    assert.equal(wrong.code, 4);
    assert.match(wrong.stderr, /has no context "nowhere"/);
    assert.equal((await run(["restore", backup], { cwd: folder })).code, 2, "--context is never guessed");
    const foreign = await cluster("export", "--out", empty);
    assert.match(foreign.stderr, /holds files that were not rendered \(namespace\.yaml\)/);
    const named = await cluster("rollback", "--to", backup, "--policy", "shop/nothing", "--yes");
    assert.match(named.stderr, /there is no policy shop\/nothing on either side/);
  });
});
