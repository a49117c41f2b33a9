/** A declaration, its policies on a real Cilium, and the proof by packets that both say the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Verification } from "../../sdk/cluster/index";
import { describeProbe, formatVerification, verify } from "../../sdk/cluster/index";
import * as shop from "../../examples/shop/declaration";
import { cidr, Dialect, flow, internet, namespace, plan, tcp, workload } from "../../sdk/index";
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import type { LabObject, PodWish } from "../../lab/datapath/index";
import { computedReachability, LabExecutor } from "../../lab/datapath/index";
import { labContext } from "../../lab/control-plane/index";
import type { Ran } from "../cli/command";
import { run } from "../cli/command";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";

const applications = [
  workload("shop-front/web", { labels: { app: "web" }, ports: [tcp(8080, "http")] }),
  workload("shop-back/api", { labels: { app: "api" }, ports: [tcp(9000, "api")] }),
  workload("shop-back/primary", { labels: { app: "db", role: "primary" }, ports: [tcp(5432, "sql")] }),
  workload("shop-back/replica", { labels: { app: "db", role: "replica" }, ports: [tcp(5432, "sql")] }),
];

const declarationIn = (dialect: Dialect): ClusterSecurityDeclaration => ({
  dialect,
  namespaces: [namespace("shop-front"), namespace("shop-back")],
  workloads: applications,
  flows: [
    flow("web").to("api").on(tcp(9000)).because("pages show data").ownedBy("web"),
    flow("api").to("primary").on(tcp(5432)).because("data is written").ownedBy("data"),
    flow("api").to("replica").on(tcp(5432)).because("data is read, and written after a failover").ownedBy("data"),
    flow(internet()).to("web").on(tcp(8080)).because("customers").ownedBy("web"),
    flow("api").to(cidr("10.99.0.0/16")).on(tcp(443)).because("the old warehouse").ownedBy("data"),
  ],
});

const podsOf = (workloads: readonly WorkloadDeclaration[]): PodWish[] =>
  workloads.map(({ namespace: home, name, labels, ports }) => ({
    namespace: home,
    name,
    ...(labels ? { labels } : {}),
    ports: (ports ?? []).flatMap(({ port, name: portName }) =>
      port === undefined ? [] : [{ port, ...(portName ? { name: portName } : {}) }],
    ),
  }));

const pods = podsOf(applications);

describe("enforcement: verify", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
    for (const name of ["shop-front", "shop-back"]) await on.cluster.namespace(name);
    await on.cluster.addPods(pods);
    await on.cluster.untilReadyIn("kube-system");
  });

  after(async () => {
    await on.cluster.removePods(pods);
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

  for (const dialect of [Dialect.Cilium, Dialect.Kubernetes, Dialect.ClusterNetworkPolicy]) {
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
    const verification = await verified(Dialect.Cilium);
    assert.equal(verification.verdict, "violated");
    assert.match(formatVerification(verification, "tap"), /^not ok \d+ - metadata: .+ 169\.254\.169\.254 TCP 80/m);
    assert.match(formatVerification(verification, "junit"), /<failure message="must be denied, is connected/);
    assert.match(formatVerification(verification, "table"), /NOT OK/);
    assert.equal((JSON.parse(formatVerification(verification, "json")) as Verification).verdict, "violated");
  });

  describe("as anybody runs it on a live cluster: the command line, with pods of its own", () => {
    let folder: string;

    before(() => {
      folder = mkdtempSync(path.join(tmpdir(), "cluster-security-verify-"));
    });

    after(() => rmSync(folder, { recursive: true, force: true }));

    function commandLine(declared: ClusterSecurityDeclaration, more: readonly string[]): string[] {
      const declaration = path.join(folder, "declaration.json");
      writeFileSync(declaration, JSON.stringify(declared));
      return [
        ...["verify", "--context", labContext, "--kubeconfig", on.controlPlane.kubeconfigPath],
        ...["-d", declaration, "--timeout", "1", "--settle", "5", "--outside", "93.184.215.14,10.99.0.10", ...more],
      ];
    }

    const verifyLive = (declared: ClusterSecurityDeclaration, ...more: string[]): Promise<Ran> =>
      run(commandLine(declared, ["--create-probe-pods", ...more]));

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

    const policies = plan(declarationIn(Dialect.Cilium)).documents.map(({ object }) => object as unknown as LabObject);

    it("S4-14, S4-20: declared flows pass, metadata and the rest are closed; TAP says so, and nothing is left", async () => {
      await under(policies, async () => {
        const { code, stdout, stderr } = await verifyLive(declarationIn(Dialect.Cilium), "--all", "--format", "tap");
        assert.equal(code, 0, `${stdout}\n${stderr}`);
        assert.doesNotMatch(stdout, /^not ok/m);
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
      const { code, stdout } = await verifyLive(declarationIn(Dialect.Cilium), "--sample", "1", "--format", "junit");
      assert.equal(code, 1, stdout);
      assert.match(stdout, /<failure message="must be denied, is connected/);
      assert.match(stdout, /<failure message="it is declared, and the cluster does not have it"/);
    });

    it("S4-14: the eight scenarios of the jewelry shop as one run with TAP", async function () {
      this.timeout(400_000);
      const wishes = podsOf([
        ...shop.applications,
        ...shop.platform.filter(({ namespace: home }) => home !== "kube-system"),
      ]);
      for (const name of new Set(wishes.map((wish) => wish.namespace))) await on.cluster.namespace(name);
      const documents = plan(shop.declaration).documents.map(({ object }) => object as unknown as LabObject);
      try {
        await on.cluster.addPods(wishes);
        // a probe of the lab's own opens the port at its destination: somebody out there takes mail
        await on.cluster.probe([{ from: "world", to: "93.184.215.14", port: 587, protocol: "tcp" }]);
        await under(documents, async () => {
          const { code, stdout, stderr } = await verifyLive(
            shop.declaration,
            ...["-n", "jewelry-shop", "--all", "--format", "tap", "--max-pods", "60"],
          );
          assert.equal(code, 0, `${stdout}\n${stderr}`);
          assert.doesNotMatch(stdout, /^not ok/m);
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
          console.log(
            `      ${
              /^# .+$/m.exec(
                stdout
                  .split("\n")
                  .filter((line) => !line.startsWith("# not"))
                  .join("\n"),
              )?.[0]
            }`,
          );
        });
      } finally {
        await on.cluster.removePods(wishes);
      }
    });
  });
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
