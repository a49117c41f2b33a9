/** What `verify` creates in a cluster, and that nothing of it stays: the real command line against a real API server. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ApiClient, ControlPlane } from "../../lab/control-plane/index";
import { apiClient, startControlPlane } from "../../lab/control-plane/index";
import { provideTools } from "../../lab/toolchain/index";
import { runLabel } from "../../sdk/cluster/index";
import { run, start } from "../cli/command";
import { grantedForVerifying, makeVerifier, verifierContext } from "./verifier";

describe("verify, against a real API server without nodes", () => {
  let folder: string;
  let plane: ControlPlane;
  let admin: ApiClient;
  let kubeconfig: string;
  let token: string;

  before(async function () {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-verify-"));
    const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
    plane = await startControlPlane({ dataDir: path.join(folder, "control-plane"), tools, fresh: true });
    admin = apiClient(plane);
    await create("/api/v1/namespaces", { metadata: { name: "shop" } });
    await create("/apis/apps/v1/namespaces/shop/deployments", {
      metadata: { name: "web" },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "web", image: "example.com/web:1", ports: [{ containerPort: 80 }] }] },
        },
      },
    });
    kubeconfig = path.join(folder, "kubeconfig.json");
    token = await makeVerifier(plane, admin, { name: "verifier", file: kubeconfig });
  });

  after(async () => {
    admin?.close();
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function create(at: string, body: object): Promise<unknown> {
    const answer = await admin.call("POST", at, body);
    assert.ok(answer.status < 300, `POST ${at}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  const command = (...more: string[]): string[] => [
    ...["verify", "--context", verifierContext, "--kubeconfig", kubeconfig],
    ...more,
  ];

  /** Everything in the cluster that verification has made and that nobody has deleted yet. */
  async function left(): Promise<string[]> {
    const found: string[] = [];
    for (const at of ["/api/v1/namespaces", "/apis/batch/v1/jobs"]) {
      const { body } = await admin.call("GET", `${at}?labelSelector=${encodeURIComponent(runLabel)}`);
      const { items } = body as { items: { metadata: { name: string; deletionTimestamp?: string } }[] };
      found.push(
        ...items
          .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
          .map(({ metadata }) => metadata.name),
      );
    }
    return found;
  }

  async function untilSomethingIsMade(): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt++) {
      if ((await left()).length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("nothing was made within 30 s");
  }

  it("creates nothing without consent, and says what it would create", async () => {
    const { code, stdout, stderr } = await run(command());
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /in shop: \d+ that listen, 1 that probe/);
    assert.match(stderr, /nothing was created: add --create-probe-pods/);
    assert.deepEqual(await left(), []);
  });

  it("S4-20: where no pod runs there is no evidence; the reason is told, and nothing is left", async () => {
    const { code, stdout, stderr } = await run(
      command("--create-probe-pods", "--start-timeout", "3", "--format", "tap"),
    );
    assert.equal(code, 3, stderr);
    assert.match(stdout, /^not ok 1 - canary: .+the probe pod did not start within 3 s/m);
    assert.match(stdout, /^Bail out! no evidence$/m);
    assert.deepEqual(await left(), []);
  });

  for (const [signal, expected] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`${signal} in the middle: everything is removed, exit code ${expected}`, async () => {
      const child = start(command("--create-probe-pods"));
      child.stdin?.end();
      await untilSomethingIsMade();
      child.kill(signal);
      assert.deepEqual(await once(child, "close"), [expected, null]);
      assert.deepEqual(await left(), []);
    });
  }

  it("what a killed run left is removed by the next one; what is not a leftover stays", async () => {
    const child = start(command("--create-probe-pods"));
    child.stdin?.end();
    await untilSomethingIsMade();
    child.kill("SIGKILL");
    await once(child, "close");
    const [name = ""] = (await left()).filter((each) => each.startsWith("cluster-security-canary-"));
    const again = await run(command("--create-probe-pods", "--start-timeout", "1"));
    assert.doesNotMatch(again.stderr, /removed what an earlier run left/, "it may still be running");
    assert.ok((await left()).includes(name));
    const patch = { metadata: { annotations: { "pulumi-cluster-security/verify-until": "2020-01-01T00:00:00Z" } } };
    await admin.call("PATCH", `/api/v1/namespaces/${name}`, patch, "application/merge-patch+json");
    const swept = await run(command("--create-probe-pods", "--start-timeout", "1"));
    assert.match(swept.stderr, new RegExp(`removed what an earlier run left: ${name}`));
    // the namespace's Job goes with it, a moment later
    for (let attempt = 0; attempt < 300 && (await left()).length > 0; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(await left(), []);
  });

  it("the role has all that is needed, and each part of it is: without any one of them something is missing", async function () {
    // a Job's pod that admission refuses leaves an event, which only whoever may read events can tell
    const api = "/apis/admissionregistration.k8s.io/v1";
    await create(`${api}/validatingadmissionpolicies`, {
      metadata: { name: "no-probe-pods" },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          namespaceSelector: { matchExpressions: [{ key: runLabel, operator: "Exists" }] },
          resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
        },
        validations: [{ expression: "false", message: "no pods on Saturdays" }],
      },
    });
    await create(`${api}/validatingadmissionpolicybindings`, {
      metadata: { name: "no-probe-pods" },
      spec: { policyName: "no-probe-pods", validationActions: ["Deny"] },
    });
    // what the checklist reads is no part of sending probes
    const granted = grantedForVerifying().filter(({ resource }) => resource !== "kustomizations");
    const tried = await Promise.all(
      [undefined, ...granted].map(async (without, index) => {
        const name = `verifier-${index}`;
        const file = path.join(folder, `${name}.json`);
        const secret = await makeVerifier(plane, admin, { name, file, ...(without ? { without } : {}) });
        const { code, stdout, stderr } = await run([
          ...["verify", "--context", verifierContext, "--kubeconfig", file, "--create-probe-pods"],
          ...["--start-timeout", "5", "--format", "tap"],
        ]);
        const said = `${stdout}${stderr}`;
        assert.ok(!said.includes(secret), "the token is not printed");
        return { without, code, said };
      }),
    );
    for (const { without, code, said } of tried) {
      const what = without ? `without ${without.verb} of ${without.resource}` : "with all";
      if (without === undefined) {
        assert.equal(code, 3, said);
        assert.match(said, /the probe pod did not start within 5 s: .+no pods on Saturdays/, what);
        assert.doesNotMatch(said, /forbidden: User|left behind/, what);
      } else if (without.resource === "events") assert.doesNotMatch(said, /Saturdays/, what);
      else assert.match(said, new RegExp(`cannot ${without.verb} resource "${without.resource}"`), what);
    }
    // what could not be deleted was named; the administrator does it
    for (const name of await left()) await admin.call("DELETE", `/api/v1/namespaces/${name}`);
  });

  it("a role that may only read: one sentence that says what is forbidden, and no token in it", async () => {
    const bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/verifier-verifies";
    await admin.call("DELETE", bindings);
    const { code, stdout, stderr } = await run(command("--create-probe-pods", "--quiet"));
    assert.equal(code, 4, stderr);
    assert.match(
      stderr,
      /^cluster-security: context "\S+": POST \/api\/v1\/namespaces: 403 .+cannot create resource "namespaces"/m,
    );
    assert.ok(!`${stdout}${stderr}`.includes(token));
  });
});
