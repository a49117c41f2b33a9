import assert from "node:assert/strict";
import { readPulumiPreview } from "../../sdk/cli/sources/pulumi-preview";
import { isPulumiPreview } from "../../sdk/cli/sources/pulumi-preview";
import { isPulumiState, readPulumiState } from "../../sdk/cli/sources/pulumi-state";
import { plainValue } from "../../sdk/cli/sources/pulumi-values";
import { isUnknown } from "../../sdk/reachability/index";
import { folderWith, run } from "./command";

const signature = "4dabf18193072939515e22adb298388d";
const secret = (extra: object): object => ({ [signature]: "1b47061264138c4ac30d75fd1eb44270", ...extra });
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function urn(type: string, name: string): string {
  return `urn:pulumi:dev::shop::${type}::${name}`;
}

type Properties = Record<string, unknown>;

function resource(type: string, name: string, inputs: Properties, rest: Properties = {}): Properties {
  return { urn: urn(type, name), custom: true, type, inputs, outputs: inputs, ...rest };
}

const policyType = "kubernetes:networking.k8s.io/v1:NetworkPolicy";
const policy = (name: string, spec: unknown): Properties => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "shop" },
  spec,
});

function stateOf(...resources: Properties[]): unknown {
  return { version: 3, deployment: { manifest: {}, resources } };
}

function previewOf(steps: unknown[], changeSummary: Properties = {}): unknown {
  return { steps, changeSummary };
}

const names = (content: { objects: readonly { object: { kind: string; metadata?: { name?: string } } }[] }): string[] =>
  content.objects.map(({ object }) => `${object.kind}/${object.metadata?.name}`);

describe("Pulumi values", () => {
  it("secrets become unknown, encrypted or not, and so do the marks for unknown values", () => {
    for (const value of [
      unknown,
      "[secret]",
      secret({ ciphertext: "v1:abc" }),
      secret({ plaintext: '"hunter2"' }),
      { [signature]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", secret: true, value: "hunter2" },
      { [signature]: "d0e6a833031e9bbcd3f4e8bde6ca49a4" },
    ]) {
      assert.ok(isUnknown(plainValue(value)), JSON.stringify(value));
    }
  });

  it("a list that the provider hides for one value in it is what the inputs say: they hide that value alone", () => {
    const containers = (value: unknown): Properties[] => [
      { name: "main", ports: [{ containerPort: 8080 }], env: [{ name: "PASSWORD", value }] },
    ];
    const pod = (list: unknown): Properties => ({ apiVersion: "v1", kind: "Pod", spec: { containers: list } });
    const inputs = pod(containers(secret({ ciphertext: "v1:abc" })));
    const outputs = { ...pod(secret({ ciphertext: "v1:def" })), status: { podIP: "10.0.0.7" } };
    const state = stateOf(resource("kubernetes:core/v1:Pod", "web", inputs, { outputs }));
    const [found] = readPulumiState(state, "state.json").objects;
    const { spec, status } = (found?.object ?? {}) as { spec?: unknown; status?: unknown };
    const [main] = (spec as { containers: Properties[] }).containers;
    assert.deepEqual(main?.["ports"], [{ containerPort: 8080 }]);
    assert.ok(isUnknown((main["env"] as Properties[])[0]?.["value"]));
    assert.deepEqual(status, { podIP: "10.0.0.7" });
  });

  it("plain data stays, the provider's own keys go", () => {
    const value = { a: [1, "x", null, { b: true }], __inputs: { a: 1 }, __fieldManager: "x" };
    assert.deepEqual(plainValue(value), { a: [1, "x", null, { b: true }] });
    const known = { [signature]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", value: { c: "d" } };
    assert.deepEqual(plainValue(known), { c: "d" });
  });

  it("a key __proto__ is a key", () => {
    const value = plainValue(JSON.parse('{"__proto__": {"polluted": true}}')) as object;
    assert.deepEqual(Object.keys(value), ["__proto__"]);
    assert.equal(({} as Properties)["polluted"], undefined);
  });

  it("what is nested without end is unknown, not a crash", () => {
    let value: unknown = "end";
    for (let level = 0; level < 5000; level++) value = { a: value };
    assert.doesNotThrow(() => plainValue(value));
  });
});

describe("Pulumi state", () => {
  it("is known by its content: an export, or the file backend's checkpoint", () => {
    assert.ok(isPulumiState(stateOf()));
    assert.ok(isPulumiState({ version: 3, checkpoint: { stack: "dev", latest: { resources: [], manifest: {} } } }));
    assert.ok(!isPulumiState({ apiVersion: "apps/v1", kind: "Deployment", spec: {} }));
    assert.ok(!isPulumiState(null));
    assert.ok(isPulumiPreview({ steps: [] }));
    assert.ok(!isPulumiPreview({ steps: ["build"] }));
  });

  it("takes what the cluster made of the inputs, with the URN as source", () => {
    const inputs = policy("p", {});
    const outputs = { ...inputs, spec: { policyTypes: ["Ingress"] }, __inputs: inputs };
    const state = stateOf(resource(policyType, "p", inputs, { outputs }));
    const { objects, problems } = readPulumiState(state, "stack.json");
    assert.deepEqual(problems, []);
    assert.deepEqual(objects, [
      {
        object: { ...inputs, spec: { policyTypes: ["Ingress"] } },
        source: { urn: urn(policyType, "p"), file: "stack.json" },
      },
    ]);
  });

  it("finds objects whatever SDK made them, and no others", () => {
    const state = stateOf(
      resource("kubernetes:cilium.io/v2:CiliumNetworkPolicy", "a", {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "a" },
      }),
      resource("other:index:Policy", "b", policy("b", {})),
      resource("kubernetes:core/v1:Pod", "c", { metadata: { name: "c" }, spec: {} }),
      resource("aws:s3/bucket:Bucket", "d", { bucket: "d" }),
      resource("pulumi:providers:kubernetes", "default", { version: "4.34.2" }),
      { ...resource("kubernetes:yaml/v2:ConfigGroup", "g", {}), custom: false },
    );
    const content = readPulumiState(state, undefined);
    assert.deepEqual(names(content), ["CiliumNetworkPolicy/a", "NetworkPolicy/b", "Pod/c"]);
    assert.equal(content.objects[2]?.object.apiVersion, "v1");
    assert.deepEqual(content.problems, []);
  });

  it("lays patches over the objects they change", () => {
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { a: "1" } } };
    const patch = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { b: "2" } } };
    const content = readPulumiState(
      stateOf(
        resource("kubernetes:core/v1:NamespacePatch", "patch", patch),
        resource("kubernetes:core/v1:Namespace", "shop", namespace),
      ),
      undefined,
    );
    assert.deepEqual(
      content.objects.map(({ object }) => object.metadata?.labels),
      [{ a: "1", b: "2" }],
    );
  });

  it("a patch of a policy that is defined elsewhere is a hole, as long as the provider has not returned the whole", () => {
    const patch = policy("elsewhere", { egress: [{}] });
    const type = `${policyType}Patch`;
    const { problems, objects } = readPulumiState(stateOf(resource(type, "opener", patch)), undefined);
    assert.deepEqual(objects, []);
    assert.ok(problems[0]?.affectsVerdicts);
    assert.match(
      problems[0]?.message ?? "",
      /NetworkPolicyPatch opener changes a NetworkPolicy that is defined elsewhere/,
    );
    const whole = { ...patch, metadata: { name: "elsewhere", uid: "5e0c" } };
    const applied = readPulumiState(stateOf({ ...resource(type, "opener", patch), outputs: whole }), undefined);
    assert.deepEqual([names(applied), applied.problems], [["NetworkPolicy/elsewhere"], []]);
  });

  it("a resource that waits for its deletion counts until its successor is there", () => {
    const old = resource(policyType, "p", policy("old", {}), { delete: true });
    assert.deepEqual(names(readPulumiState(stateOf(old), undefined)), ["NetworkPolicy/old"]);
    const both = stateOf(resource(policyType, "p", policy("new", {})), old);
    assert.deepEqual(names(readPulumiState(both, undefined)), ["NetworkPolicy/new"]);
    const gone = resource(policyType, "p", policy("gone", {}), { pendingReplacement: true });
    assert.deepEqual(names(readPulumiState(stateOf(gone), undefined)), []);
  });

  it("an interrupted update leaves a hole", () => {
    const state = {
      deployment: {
        manifest: {},
        resources: [],
        pending_operations: [{ type: "creating", resource: resource(policyType, "p", policy("p", {})) }],
      },
    };
    const { problems } = readPulumiState(state, "stack.json");
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.affectsVerdicts);
    assert.match(problems[0]?.message ?? "", /pulumi refresh/);
  });

  it("a Helm release is an object of its own; policies it installed that the state does not hold are a hole", () => {
    const release = (resourceNames: unknown): unknown =>
      stateOf(
        resource(
          "kubernetes:helm.sh/v3:Release",
          "cilium",
          { chart: "cilium", version: "1.20.0", name: "cilium", namespace: "kube-system", values: { hubble: {} } },
          { outputs: { resourceNames } },
        ),
      );
    const harmless = readPulumiState(release({ "DaemonSet.apps/apps/v1": ["kube-system/cilium"] }), undefined);
    assert.deepEqual(harmless.problems, []);
    assert.deepEqual(harmless.objects[0]?.object, {
      apiVersion: "helm.sh/v3",
      kind: "Release",
      metadata: { name: "cilium", namespace: "kube-system" },
      spec: { chart: "cilium", version: "1.20.0", values: { hubble: {} } },
    });
    const bringing = { "NetworkPolicy.networking.k8s.io/networking.k8s.io/v1": ["shop/x"] };
    const hole = readPulumiState(release(bringing), undefined).problems;
    assert.deepEqual(
      hole.map(({ affectsVerdicts }) => affectsVerdicts),
      [true],
    );
  });
});

describe("Pulumi preview", () => {
  const step = (op: string, name: string, rest: Properties = {}): Properties => ({
    op,
    urn: urn(policyType, name),
    newState: resource(policyType, name, policy(name, {}), { outputs: undefined }),
    ...rest,
  });

  it("holds what there will be: no deleted objects, of a replacement the new one", () => {
    const steps = [
      step("create", "a"),
      step("update", "b"),
      step("delete", "c", { newState: undefined, oldState: {} }),
      step("create-replacement", "d"),
      step("replace", "d"),
      step("delete-replaced", "d", { newState: undefined }),
      step("same", "e"),
    ];
    const content = readPulumiPreview(previewOf(steps, { same: 1 }), undefined);
    assert.deepEqual(names(content), ["NetworkPolicy/a", "NetworkPolicy/b", "NetworkPolicy/d", "NetworkPolicy/e"]);
    assert.deepEqual(content.problems, []);
  });

  it("of an update the inputs count, for the outputs are the old ones", () => {
    const newState = resource(policyType, "a", policy("a", { new: true }), { outputs: policy("a", { old: true }) });
    const { objects } = readPulumiPreview(previewOf([step("update", "a", { newState })]), undefined);
    assert.deepEqual(objects[0]?.object.spec, { new: true });
  });

  it("one that leaves unchanged resources out has a hole, and says how to make it whole", () => {
    const { problems } = readPulumiPreview(previewOf([step("create", "a")], { create: 1, same: 3 }), "preview.json");
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.affectsVerdicts);
    assert.match(problems[0]?.message ?? "", /leaves out 3 unchanged resources.*--show-sames/);
  });

  it("one without the new state of a Kubernetes resource has a hole", () => {
    const { problems } = readPulumiPreview(previewOf([step("create", "a", { newState: undefined })]), undefined);
    assert.deepEqual(
      problems.map(({ affectsVerdicts }) => affectsVerdicts),
      [true],
    );
  });
});

describe("cluster-security on Pulumi files", () => {
  const workload = (name: string, labels: Properties, env: unknown = []): Properties =>
    resource("kubernetes:apps/v1:Deployment", name, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: "shop" },
      spec: { template: { metadata: { labels }, spec: { containers: [{ name: "main", env }] } } },
    });
  const deny = resource(policyType, "deny", policy("deny", { podSelector: {}, policyTypes: ["Ingress"] }));
  const allow = (label: unknown): Properties =>
    resource(
      policyType,
      "allow",
      policy("allow", {
        podSelector: { matchLabels: { owner: label } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 8080 }] }],
      }),
    );

  async function query(value: unknown, ...options: string[]) {
    const { folder, remove } = folderWith({ "stack.json": JSON.stringify(value) });
    try {
      return await run(["query", "shop/web", "shop/api:8080", "stack.json", "--format", "json", ...options], {
        cwd: folder,
      });
    } finally {
      remove();
    }
  }

  it("a known label is decided, an unknown one is unknown, never allowed", async () => {
    const api = (label: unknown): Properties => workload("api", { app: "api", owner: label });
    const known = await query(stateOf(deny, allow("me"), workload("web", { app: "web" }), api("me")));
    assert.equal(known.code, 0, known.stderr);
    assert.equal((JSON.parse(known.stdout) as Properties)["verdict"], "allowed");
    for (const label of [unknown, secret({ plaintext: '"me"' })]) {
      const open = await query(stateOf(deny, allow("me"), workload("web", { app: "web" }), api(label)));
      assert.equal(open.code, 3, open.stderr);
      assert.equal((JSON.parse(open.stdout) as Properties)["verdict"], "unknown");
      assert.match(open.stderr, /urn:pulumi:dev::shop::kubernetes:apps\/v1:Deployment::api/);
    }
  });

  it("prints no secret, whatever is asked", async () => {
    const hidden = "hunter2-very-secret";
    const env = [{ name: "PASSWORD", value: secret({ plaintext: JSON.stringify(hidden) }) }];
    const state = stateOf(
      deny,
      allow(secret({ plaintext: JSON.stringify(hidden) })),
      workload("web", { app: "web" }, env),
      workload("api", { app: "api", owner: secret({ plaintext: JSON.stringify(hidden) }) }),
    );
    const { folder, remove } = folderWith({ "stack.json": JSON.stringify(state) });
    try {
      for (const args of [
        ["matrix", "stack.json", "--format", "json"],
        ["explain", "shop/web", "shop/api:8080", "stack.json", "--every-rule"],
        ["explain", "shop/web", "shop/api:8080", "stack.json", "--every-rule", "--format", "json"],
      ]) {
        const { stdout, stderr } = await run(args, { cwd: folder });
        assert.ok(stdout.length > 0, stderr);
        assert.ok(!stdout.includes(hidden) && !stderr.includes(hidden));
      }
    } finally {
      remove();
    }
  });

  it("--as forces how a file is read, and says where it is not that", async () => {
    const state = stateOf(deny, workload("web", { app: "web" }), workload("api", { app: "api" }));
    assert.equal((await query(state, "--as", "state")).code, 1);
    const wrong = await query(state, "--as", "preview");
    assert.equal(wrong.code, 4);
    assert.match(wrong.stderr, /stack\.json is not what "pulumi preview --json --show-sames" writes/);
    assert.equal((await query(state, "--as", "manifests")).code, 4);
  });
});
