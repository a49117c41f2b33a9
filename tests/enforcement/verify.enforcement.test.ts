/** A declaration, its policies on a real Cilium and a real Calico, and the proof by packets that both say the same. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Verification } from "../../sdk/cluster/index";
import { describeProbe, formatVerification, verify } from "../../sdk/cluster/index";
import { plan } from "../../sdk/index";
import type { ClusterSecurityDeclaration, Dialect } from "../../sdk/index";
import type { EnforcerName, LabObject } from "../../lab/datapath/index";
import { computedReachability, LabExecutor } from "../../lab/datapath/index";
import { dialectsOf } from "../../lab/whole-way/index";
import { declaredBy } from "../../lab/examples/index";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import type { Ran } from "../cli/command";
import { run, start } from "../cli/command";
import { makeVerifier, verifierContext } from "../cluster/verifier";
import { skipWithoutCalico } from "./calico";
import { podOf } from "./declared";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { applications, declarationIn, podsOf } from "./shop";

const [shop] = declaredBy("shop");
const [tiers] = declaredBy("zero-trust-tiers");
const pods = podsOf(applications);

const suiteOn = (cni: EnforcerName) => (): void => {
  const [api] = dialectsOf[cni];
  const inApi = (declaration: ClusterSecurityDeclaration): ClusterSecurityDeclaration => ({
    ...declaration,
    dialect: api,
  });
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    if (cni === "calico") await skipWithoutCalico(this);
    on = await sharedDatapath({ cni });
    for (const name of ["shop-front", "shop-back"]) await on.cluster.namespace(name);
    await on.cluster.addPods(pods);
    await on.cluster.untilReadyIn("kube-system");
  });

  after(async () => {
    await on?.cluster.removePods(pods);
  });

  async function verified(dialect: Dialect): Promise<Verification> {
    const reachability = await computedReachability(on.controlPlane);
    const executor = new LabExecutor(on.cluster, reachability);
    return await verify(reachability, executor, { plan: plan(declarationIn(dialect)), sample: "all" });
  }

  /** What failed, one line a probe. */
  function failures({ probes }: Verification): string[] {
    return probes
      .filter(({ holds }) => holds !== true)
      .map(({ probe, outcome }) => `${describeProbe(probe)} must be ${probe.expected}, is ${outcome.outcome}`);
  }

  for (const dialect of dialectsOf[cni]) {
    it(`S0-14, S4-14, S4-18: in ${dialect} every declared flow passes and nothing else, failover included`, async () => {
      const policies = plan(declarationIn(dialect)).documents.map(({ object }) => object as unknown as LabObject);
      try {
        const states = await on.cluster.apply(policies);
        assert.deepEqual(
          policies.filter((_policy, index) => states[index]?.state !== "enforced").map(({ metadata }) => metadata.name),
          [],
        );
        const verification = await verified(dialect);
        assert.deepEqual(failures(verification), []);
        assert.deepEqual(verification.findings, []);
        assert.equal(verification.verdict, "holds");
        const { probes } = verification;
        assert.equal(probes[0]?.probe.group, "metadata", "metadata addresses come first");
        const flows = probes.filter(({ probe }) => probe.group === "declared").map(({ probe }) => describeProbe(probe));
        for (const wanted of [
          "shop-front/web[Pod] → shop-back/api[Pod] TCP 9000",
          "shop-back/api[Pod] → shop-back/replica[Pod] TCP 5432",
          "shop-back/api[Pod] → 10.99.0.10 TCP 443",
          "93.184.215.14 → shop-front/web[Pod] TCP 8080",
        ]) {
          assert.ok(flows.includes(wanted), `${wanted} is among ${flows.join("; ")}`);
        }
        const undeclared = probes.filter(({ probe }) => probe.group === "undeclared");
        assert.ok(undeclared.length > 30, `${undeclared.length} undeclared paths are tried`);
        console.log(`      ${probes.length} probes, ${verification.unprobed.length} parts not to be probed`);
      } finally {
        await on.cluster.remove(policies);
      }
    });
  }

  it("S4-14: without the policies it is violated, and every format says so", async () => {
    const verification = await verified(api);
    assert.equal(verification.verdict, "violated");
    assert.match(formatVerification(verification, "tap"), /^not ok \d+ - metadata: .+ 169\.254\.169\.254 TCP 80/m);
    assert.match(formatVerification(verification, "junit"), /<failure message="must be denied, is connected/);
    assert.match(formatVerification(verification, "table"), /NOT OK/);
    assert.equal((JSON.parse(formatVerification(verification, "json")) as Verification).verdict, "violated");
  });

  describe("as anybody runs it on a live cluster: the command line, with pods of its own", () => {
    let folder: string;

    let kubeconfig: string;
    let token: string;
    let admin: ApiClient;

    before(async () => {
      folder = mkdtempSync(path.join(tmpdir(), "cluster-security-verify-"));
      kubeconfig = path.join(folder, "kubeconfig.json");
      // no administrator: what `rbac --verify` grants must do
      admin = apiClient(on.controlPlane);
      token = await makeVerifier(on.controlPlane, admin, { name: "verifier", file: kubeconfig });
    });

    after(() => {
      admin?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    function commandLine(declared: ClusterSecurityDeclaration, more: readonly string[]): string[] {
      const declaration = path.join(folder, "declaration.json");
      writeFileSync(declaration, JSON.stringify(declared));
      return [
        ...["verify", "--context", verifierContext, "--kubeconfig", kubeconfig],
        ...["-d", declaration, "--timeout", "1", "--settle", "5", "--outside", "93.184.215.14,10.99.0.10", ...more],
      ];
    }

    async function verifyLive(declared: ClusterSecurityDeclaration, ...more: string[]): Promise<Ran> {
      const ran = await run(commandLine(declared, ["--create-probe-pods", ...more]));
      assert.ok(!`${ran.stdout}${ran.stderr}`.includes(token), "the token is never printed");
      assert.doesNotMatch(ran.stderr, /left behind/);
      return ran;
    }

    function assertOk(tap: string, wanted: string): void {
      assert.match(tap, new RegExp(`^ok \\d+ - ${escaped(wanted)}$`, "m"));
    }

    async function under(policies: readonly LabObject[], work: () => Promise<void>): Promise<void> {
      try {
        await on.cluster.apply(policies);
        await work();
      } finally {
        await on.cluster.remove(policies);
      }
    }

    const policies = plan(declarationIn(api)).documents.map(({ object }) => object as unknown as LabObject);

    it("S4-14, S4-20: declared flows pass, metadata and the rest are closed; TAP says so, and nothing is left", async () => {
      await under(policies, async () => {
        const { code, stdout, stderr } = await verifyLive(declarationIn(api), "--all", "--format", "tap");
        assert.deepEqual(notOk(stdout), []);
        assert.equal(code, 0, `${stdout}\n${stderr}`);
        assert.match(stdout, /^ok 1 - canary: a deny-all blocks$/m);
        assert.match(stdout, /^ok 2 - policies: all \d+ declared policies exist$/m);
        for (const wanted of [
          "metadata: shop-back/api[Pod] → 169.254.169.254 TCP 80 is denied",
          "declared: shop-front/web[Pod] → shop-back/api[Pod] TCP 9000 is allowed",
          "declared: shop-back/api[Pod] → 10.99.0.10 TCP 443 is allowed",
          "declared: shop-front/web[Pod] → kube-system/coredns[Deployment] UDP 53 is allowed",
          "undeclared: shop-front/web[Pod] → shop-back/primary[Pod] TCP 5432 is denied",
        ]) {
          assertOk(stdout, wanted);
        }
        const pods = await on.cluster.pods();
        assert.deepEqual(
          pods.filter(({ name }) => name.startsWith("cluster-security-")).map(({ name }) => name),
          [],
        );
      });
    });

    it("S4-20: a probe that contradicts the declaration is exit code 1, in every format", async () => {
      const { code, stdout } = await verifyLive(declarationIn(api), "--sample", "1", "--format", "junit");
      assert.equal(code, 1, stdout);
      assert.match(stdout, /<failure message="must be denied, is connected/);
      assert.match(stdout, /<failure message="it is declared, and the cluster does not have it"/);
    });

    it("S1-19: a file of scenarios made of the declaration holds, with packets; one that is turned round does not", async () => {
      const files = ["security.json", "scenarios.yaml", "turned.yaml"].map((name) => path.join(folder, name));
      const [declaration = "", made = "", turned = ""] = files;
      writeFileSync(declaration, JSON.stringify(declarationIn(api)));
      const outside = ["--outside", "93.184.215.14,10.99.0.10"];
      const making = await run(["scenarios", declaration, ...outside, "--overwrite", "--output", made]);
      assert.equal(making.code, 0, making.stderr);
      const text = readFileSync(made, "utf8");
      const wrong = "to: shop-back/primary:5432/TCP\n    expect: denied";
      assert.ok(text.includes(`from: shop-front/web\n    ${wrong}`), text);
      writeFileSync(
        turned,
        text.replace(`from: shop-front/web\n    ${wrong}`, (found) => found.replace("denied", "allowed")),
      );
      await under(policies, async () => {
        const holds = await verifyLive(declarationIn(api), "--scenarios", made, "--format", "tap");
        assert.deepEqual(notOk(holds.stdout), []);
        assert.equal(holds.code, 0, `${holds.stdout}\n${holds.stderr}`);
        for (const wanted of [
          "scenario: shop-front/web[Pod] → shop-back/api[Pod] TCP 9000 is allowed",
          "scenario: shop-back/api[Pod] → 10.99.0.10 TCP 443 is allowed",
          "scenario: shop-front/web[Pod] → 169.254.169.254 TCP 80 is denied",
          "scenario: shop-front/web[Pod] → shop-back/primary[Pod] TCP 5432 is denied",
        ]) {
          assertOk(holds.stdout, wanted);
        }
        assert.doesNotMatch(holds.stdout, / - (declared|undeclared|metadata): /);
        const fails = await verifyLive(declarationIn(api), "--scenarios", turned, "--format", "junit");
        assert.equal(fails.code, 1, fails.stdout);
        assert.equal(fails.stdout.match(/<failure /g)?.length, 1);
        assert.match(fails.stdout, /<failure message="must be allowed, is blocked/);
        console.log(`      ${/^# (holds: .+)$/m.exec(holds.stdout)?.[1]}`);
      });
    });

    it("S1-19: a scenario about a workload that is not there is refused, and nothing is created", async () => {
      const file = path.join(folder, "slip.yaml");
      const slip = { from: "shop-front/web", to: "shop-back/apii:9000", expect: "denied", because: "a slip" };
      writeFileSync(file, JSON.stringify({ scenarios: [slip] }));
      const { code, stderr } = await verifyLive(declarationIn(api), "--scenarios", file);
      assert.equal(code, 4);
      assert.match(stderr, /slip\.yaml:1: scenarios\[0\]\.to there is no workload "shop-back\/apii".*Did you mean/);
      assert.doesNotMatch(stderr, /canary/);
    });

    it("S4-20: a missing policy and what it closes are told apart from all that still holds", async () => {
      const [missing] = policies.filter(({ metadata }) => /\ballow-web\b.*-to-api$/.test(metadata.name));
      assert.ok(missing, "there is such a policy");
      const rest = policies.filter((policy) => policy !== missing);
      await under(rest, async () => {
        const { code, stdout } = await verifyLive(declarationIn(api), "--sample", "1", "--format", "json");
        assert.equal(code, 1, stdout);
        const verification = JSON.parse(stdout) as Verification;
        assert.deepEqual(verification.policies.missing, [`${missing.kind} shop-back/${missing.metadata.name}`]);
        const wrong = verification.probes.filter(({ holds }) => holds !== true);
        assert.deepEqual(
          wrong.map(({ probe }) => describeProbe(probe)),
          ["shop-front/web[Pod] → shop-back/api[Pod] TCP 9000"],
        );
      });
    });

    it("S4-20: a pod that the cluster refuses proves nothing, and the reason is told", async () => {
      const quotas = "/api/v1/namespaces/shop-front/resourcequotas";
      const quota = { metadata: { name: "full" }, spec: { hard: { pods: "1" } } };
      assert.equal((await admin.call("POST", quotas, quota)).status, 201);
      try {
        await under(policies, async () => {
          const more = ["--start-timeout", "8", "-n", "shop-front", "--sample", "1"];
          const { code, stdout } = await verifyLive(declarationIn(api), ...more);
          assert.equal(code, 3, stdout);
          assert.match(stdout, /no proof/);
          assert.match(stdout.replaceAll(/\s+/g, " "), /exceeded quota: full/);
        });
      } finally {
        await admin.call("DELETE", `${quotas}/full`);
      }
    });

    it("S4-20: ended in the middle by SIGINT or SIGKILL: the workloads' own pods stay, and the next run is not misled", async function () {
      this.timeout(200_000);
      const ofOurs = async (ours: boolean): Promise<string[]> =>
        (await on.cluster.pods())
          .map(({ namespace: home, name }) => `${home}/${name}`)
          .filter((name) => name.includes("/cluster-security-") === ours)
          .sort();
      await under(policies, async () => {
        const own = await ofOurs(false);
        for (const signal of ["SIGINT", "SIGKILL"] as const) {
          const child = start(commandLine(declarationIn(api), ["--create-probe-pods", "--all"]));
          child.stdin?.end();
          // the canary is over, and pods run that look like the workloads
          while (!(await ofOurs(true)).some((name) => name.startsWith("shop-back/"))) {
            assert.equal(child.exitCode, null, "it is still at work");
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
          const closed = once(child, "close");
          child.kill(signal);
          assert.deepEqual(await closed, signal === "SIGINT" ? [130, null] : [null, "SIGKILL"]);
          if (signal === "SIGINT") await until(async () => (await ofOurs(true)).length === 0);
        }
        assert.notDeepEqual(await ofOurs(true), [], "who is killed removes nothing; the cluster does, in its time");
        const { code, stdout, stderr } = await verifyLive(declarationIn(api), "--format", "tap");
        assert.equal(code, 0, `${stdout}\n${stderr}`);
        assert.match(stdout, /^# not probed: shop-back\/cluster-security-.+ – it belongs to another verification$/m);
        assert.deepEqual(await ofOurs(false), own);
      });
      for (const home of ["shop-front", "shop-back"]) {
        await admin.call("DELETE", `/apis/batch/v1/namespaces/${home}/jobs?propagationPolicy=Background`);
      }
      await until(async () => (await ofOurs(true)).length === 0);
    });

    it("S3-24, S3-25, S3-26, S3-27: the checklist of the tiers as one run with TAP", async function () {
      this.timeout(400_000);
      const wishes = [
        ...tiers.applications,
        ...tiers.platform.filter(({ namespace: home }) => !/^(kube|flux)-system$/.test(home)),
      ].map(podOf);
      const spaces = [...new Set(wishes.map(({ namespace: home }) => home))];
      for (const name of spaces) await on.cluster.namespace(name);
      const documents = plan(inApi(tiers.declaration)).documents.map(({ object }) => object as unknown as LabObject);
      // on its node's network, as the node exporter of a real cluster is
      const exporter = "/api/v1/namespaces/kube-system/pods";
      const container = { name: "exporter", image: "exporter", ports: [{ containerPort: 9100 }] };
      const metadata = { name: "node-exporter", labels: { "app.kubernetes.io/name": "node-exporter" } };
      await admin.call("POST", exporter, { metadata, spec: { hostNetwork: true, containers: [container] } });
      try {
        await on.cluster.addPods(wishes);
        // a probe of the lab's own opens the port at its destination: a name server of somebody else's
        await on.cluster.probe([{ from: "world", to: "93.184.215.14", port: 53, protocol: "tcp" }]);
        await under(documents, async () => {
          const { code, stdout, stderr } = await verifyLive(
            inApi(tiers.declaration),
            ...["--all", "--format", "tap", "--max-pods", "60"],
          );
          assert.deepEqual(notOk(stdout), []);
          assert.equal(code, 0, `${stdout}\n${stderr}`);
          const dns = "kube-system/coredns[Deployment] UDP 53 is allowed";
          const agent = "observability/vmagent[Pod]";
          for (const item of [
            `policies: all ${documents.length} declared policies exist`,
            // names resolve for all pods
            ...tiers.applications.map(({ namespace: home, name }) => `declared: ${home}/${name}[Pod] → ${dns}`),
            // metrics are scraped from all namespaces
            `declared: ${agent} → business/odoo[Pod] TCP 8080 is allowed`,
            `declared: ${agent} → website/storefront[Pod] TCP 9090 is allowed`,
            `declared: ${agent} → cert-manager/cert-manager[Pod] TCP 9402 is allowed`,
            "declared: external-secrets/external-secrets[Pod] → external-secrets/onepassword-connect[Pod] TCP 8080 is allowed",
            // tier 2 apart, and the document's own example within one namespace
            "undeclared: website/storefront[Pod] → business/postgres[Pod] TCP 5432 is denied",
            "undeclared: business/odoo[Pod] → business/n8n[Pod] TCP 5678 is denied",
            "metadata: business/odoo[Pod] → 169.254.169.254 TCP 80 is denied",
          ]) {
            assertOk(stdout, item);
          }
          // what no connection between pods can stand for is said, too
          assert.match(stdout, /^# not probed: kube-system\/node-exporter\[Pod\] – it shares its node's network/m);
          assert.match(stdout, /^# not probed: .*n8n → .*api\.github\.com/m);
          assert.match(stdout, /^# not probed: .*cert-manager → .*letsencrypt\.org/m);
          console.log(`      ${/^# (holds: .+)$/m.exec(stdout)?.[1]}`);
        });
      } finally {
        await admin.call("DELETE", `${exporter}/node-exporter`);
        await on.cluster.removePods(wishes);
        await on.cluster.removeNamespaces(spaces);
      }
    });

    it("S4-14: the eight scenarios of the jewelry shop as one run with TAP", async function () {
      this.timeout(400_000);
      const wishes = podsOf([
        ...shop.applications,
        ...shop.platform.filter(({ namespace: home }) => home !== "kube-system"),
      ]);
      for (const name of new Set(wishes.map((wish) => wish.namespace))) await on.cluster.namespace(name);
      const documents = plan(inApi(shop.declaration)).documents.map(({ object }) => object as unknown as LabObject);
      try {
        await on.cluster.addPods(wishes);
        // a probe of the lab's own opens the port at its destination: somebody out there takes mail
        await on.cluster.probe([{ from: "world", to: "93.184.215.14", port: 587, protocol: "tcp" }]);
        await under(documents, async () => {
          const { code, stdout, stderr } = await verifyLive(
            inApi(shop.declaration),
            ...["-n", "jewelry-shop", "--all", "--format", "tap", "--max-pods", "60"],
          );
          assert.deepEqual(notOk(stdout), []);
          assert.equal(code, 0, `${stdout}\n${stderr}`);
          const at = (name: string): string => `jewelry-shop/${name}[Pod]`;
          for (const scenario of [
            `policies: all ${documents.length} declared policies exist`,
            `declared: ${at("django")} → ${at("postgresql")} TCP 5432 is allowed`,
            `declared: ${at("django")} → ${at("redis")} TCP 6379 is allowed`,
            `declared: ${at("nginx")} → ${at("django")} TCP 8000 is allowed`,
            `undeclared: traefik/traefik[Pod] → ${at("postgresql")} TCP 5432 is denied`,
            `undeclared: traefik/traefik[Pod] → ${at("redis")} TCP 6379 is denied`,
            `declared: ${at("celery-worker")} → ${at("postgresql")} TCP 5432 is allowed`,
            `declared: ${at("celery-worker")} → ${at("redis")} TCP 6379 is allowed`,
          ]) {
            assertOk(stdout, scenario);
          }
          console.log(`      ${/^# (holds: .+)$/m.exec(stdout)?.[1]}`);
        });
      } finally {
        await on.cluster.removePods(wishes);
      }
    });
  });
};

for (const cni of ["cilium", "calico"] as const) describe(`enforcement: verify, with ${cni}`, suiteOn(cni));

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The tests of a TAP document that failed, each with its outcome and the detail. */
function notOk(tap: string): string[] {
  return [...tap.matchAll(/^not ok .+(\n {2}.+)*/gm)].map(([test]) => test.replaceAll(/\n\s+/g, " "));
}

/** @throws Error where it does not come about within 30 s */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("it did not come about within 30 s");
}
