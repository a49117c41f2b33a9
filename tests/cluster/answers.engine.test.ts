/** What a person reads when a cluster does not answer as it should, from every command that asks one. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, namespace, tcp, workload } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { OnCall, onCall } from "../break-glass/on-call";
import { Plane, placeOf } from "../break-glass/plane";
import { run, type Ran } from "../cli/command";
import { answerStatus, FrontProxy, type Fault } from "./front-proxy";

const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web", { ports: [tcp(80)] }), workload("shop/api", { ports: [tcp(80)] })],
  flows: [flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web")],
  breakGlass: [
    { name: "nights", grantedTo: [onCall], namespaces: ["shop"], maxDuration: "1h", reason: "nights", owner: "ops" },
  ],
};

/** Every command that reads or changes a cluster. */
const commands: readonly (readonly string[])[] = [
  ["matrix"],
  ["explain", "shop/web", "shop/api:80"],
  ["check"],
  ["report", "-o", "report.html"],
  ["audit", "--baseline", "declaration.yaml"],
  ["verify", "-d", "declaration.yaml", "--create-probe-pods"],
  ["export", "--out", "exported"],
  ["restore", "another.yaml", "--yes"],
  ["rollback", "--to", "another.yaml", "--yes"],
  ["bypass", "list"],
  ["bypass", "close", "shop"],
  ["bypass", "open", "shop", "--for", "1h", "--owner", "shop", "--reason", "incident 7", "--yes"],
];

/** Those that stand for the others where waiting makes each of them long. */
const few = commands.filter(([name, verb]) => name === "audit" || name === "restore" || verb === "list");

describe("what a cluster answers, in every command that asks one", () => {
  let plane: Plane;
  let folder: string;
  let people: OnCall;
  const proxies: FrontProxy[] = [];

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-answers-"));
    plane = await Plane.start({ node: true });
    await plane.deploy(declaration);
    const pod: KubeObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "api", namespace: "shop", labels: { app: "api" } },
      spec: { containers: [{ name: "main", image: "main" }] },
    };
    // refused until the controller manager has made the namespace's service account
    await plane.until("the pod", async () => (await plane.call("POST", placeOf(pod), pod)).status === 201);
    const running = async (): Promise<boolean> =>
      (await plane.call("GET", placeOf(pod, "api"))).body.includes("Running");
    await plane.until("its start", running);
    people = await OnCall.on(plane, folder, ["--bypass", "shop"]);
    await people.add("bob");
    writeFileSync(path.join(folder, "declaration.yaml"), stringify(declaration));
    const backup = ["export", "--out", "backup", "--context", "prod", "--kubeconfig", "eve"];
    const exported = await run(backup, { cwd: folder });
    assert.equal(exported.code, 0, exported.stderr);
    // one that the cluster does not have: there is something to change
    const files = readdirSync(path.join(folder, "backup"), { recursive: true, encoding: "utf8" });
    const one = path.join(folder, "backup", files.find((file) => /shop\S*\.yaml$/.test(file)) ?? "");
    writeFileSync(path.join(folder, "another.yaml"), readFileSync(one, "utf8").replace(/\bname: .*/, "name: another"));
  });

  after(async () => {
    for (const proxy of proxies) await proxy.close();
    await plane?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Asks with another token, or through a proxy with a fault. */
  async function asking(args: readonly string[], { token, fault }: { token?: string; fault?: Fault }): Promise<Ran> {
    const [, own] = /token: (\S+)/.exec(readFileSync(path.join(folder, "eve"), "utf8")) ?? [];
    const proxy = await FrontProxy.before(plane.controlPlane);
    proxies.push(proxy);
    if (fault !== undefined) proxy.fault = fault;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "lab", cluster: { server: proxy.url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "me", user: { token: token ?? own } }],
      contexts: [{ name: "prod", context: { cluster: "lab", user: "me" } }],
    };
    const file = path.join(folder, `config-${proxies.length}`);
    writeFileSync(file, stringify(config), { mode: 0o600 });
    return run([...args, "--context", "prod", "--kubeconfig", file], { cwd: folder });
  }

  /** It is an answer in words, that names the context, and says neither that all is well nor a secret. */
  function assertTold({ code, stdout, stderr }: Ran, title: string, says: RegExp): void {
    // what could be compared may have drifted
    const hasDrifted = title === "audit" && code === 1 && stderr.includes("not compared: ");
    assert.ok(code === 4 || code === 3 || hasDrifted, `${title}: ${code}: ${stdout}${stderr}`);
    assert.match(stderr, says, title);
    assert.doesNotMatch(stderr, /\n\s+at |defect|\bundefined\b|\[object |secret|eyJ/, title);
    assert.doesNotMatch(stdout, /no drift|nothing to change|holds these policies/, title);
    assert.ok(!existsSync(path.join(folder, "report.html")) && !existsSync(path.join(folder, "exported")), title);
  }

  /** Faults of requests that read policies or what grants bypasses: every command sends one of them. */
  const everywhere =
    (answer: Fault): Fault =>
    (incoming, response) =>
      /networkpolicies|validatingadmissionpolicies/.test(incoming.url ?? "") && answer(incoming, response);

  for (const args of commands) {
    const name = args.slice(0, args[0] === "bypass" ? 2 : 1).join(" ");

    it(`${name}: 401, credentials that the API server does not know`, async () => {
      const ran = await asking(args, { token: "secret-token-of-mine" });
      assertTold(ran, name, /^cluster-security: context "prod": (GET|POST) \/\S+: 401 .*sign in again$/m);
    });

    it(`${name}: 403, a person without a role`, async () => {
      const ran = await run([...args, "--context", "prod", "--kubeconfig", "bob"], { cwd: folder });
      assertTold(
        ran,
        name,
        /(context "prod": (GET|POST) \/\S+: 403 .*bind a role)|(cluster prod: the role may not list)/,
      );
    });

    it(`${name}: 404, a page in place of an answer, one that is no list, and 429 with a long wait`, async () => {
      const answers: readonly [fault: Fault, says: RegExp][] = [
        [(_, response) => answerStatus(response, 404, {}), /the API server has no \S+.* \(404\)/],
        [
          (_, response) => {
            response.end("<html>sign in</html>");
            return true;
          },
          /context "prod": GET \/\S+: the answer is not JSON: is http\S+ a Kubernetes API server\?/,
        ],
        [
          (_, response) => {
            response.end("{}");
            return true;
          },
          /context "prod": GET \/\S+: the answer is no list of objects/,
        ],
        [
          (_, response) => answerStatus(response, 429, { message: "slow", headers: { "retry-after": "300" } }),
          /context "prod": GET \/\S+: 429 slow: .*repeat the command in 300 s/,
        ],
      ];
      for (const [fault, says] of answers) assertTold(await asking(args, { fault: everywhere(fault) }), name, says);
    });
  }

  it("410 that stays, 500 that stays, and a connection that is cut each time", async () => {
    const answers: readonly [fault: Fault, says: RegExp][] = [
      [(_, response) => answerStatus(response, 410, { message: "expired" }), /410 expired: the list changed/],
      [(_, response) => answerStatus(response, 500, { message: "etcd" }), /500 etcd: a fault of .* 6 attempts/],
      [
        (incoming) => {
          incoming.socket.destroy();
          return true;
        },
        /cannot reach the API server http\S+: .*6 attempts/,
      ],
    ];
    await Promise.all(
      answers.flatMap(([fault, says]) =>
        few.map(async (args) => assertTold(await asking(args, { fault: everywhere(fault) }), args.join(" "), says)),
      ),
    );
  });

  it("bypass open: what is refused half-way is taken back, and said", async () => {
    const refusals: readonly [method: string, at: RegExp, says: RegExp][] = [
      ["POST", /\/jobs$/, /POST \/\S+\/jobs: 422 no: the API server does not take the request/],
      ["POST", /\/networkpolicies$/, /POST \/\S+\/networkpolicies: 422 no/],
      ["PATCH", /\/pods\//, /PATCH \/\S+\/pods\/api: 422 no/],
    ];
    for (const [method, at, says] of refusals) {
      const open = commands.find(([, verb]) => verb === "open") ?? [];
      const fault: Fault = ({ method: is, url = "" }, response) =>
        is === method && at.test(url) && answerStatus(response, 422, { message: "no" });
      const ran = await asking([...open, "--cni", "kubernetes"], { fault });
      assert.equal(ran.code, 4, ran.stderr);
      assert.match(ran.stderr, says);
      assert.match(ran.stderr, /; nothing was opened$/m);
      const left = await people.bypass(["list", "--context", "prod"]);
      assert.doesNotMatch(left.stdout, /nights/);
    }
  });

  it("restore: a change that is refused, and a cluster that cannot be read after the changes", async () => {
    const restorer = { token: plane.controlPlane.token };
    const refusal: Fault = ({ method }, response) =>
      method === "PATCH" && answerStatus(response, 403, { message: 'admission webhook "w" denied the request' });
    const refused = await asking(["restore", "another.yaml", "--yes"], { ...restorer, fault: refusal });
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(
      refused.stderr,
      /^cluster-security: apply \S+ \S+: context "prod": PATCH \/\S+: 403 admission webhook .*0 of 1 changes were made/m,
    );
    let changed = false;
    const blind: Fault = ({ method, url }, response) => {
      changed ||= method === "PATCH";
      return changed && url === "/apis" && answerStatus(response, 401, {});
    };
    const unread = await asking(["restore", "another.yaml", "--yes"], { ...restorer, fault: blind });
    assert.equal(unread.code, 4, unread.stderr);
    assert.match(unread.stdout, /1 change in/);
    assert.match(unread.stderr, /context "prod": GET \/apis: 401 .*All changes were made; .* not looked at/);
  });
});
