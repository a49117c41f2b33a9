/** A declaration, its policies on a real Cilium, and the proof by packets that both say the same. */
import assert from "node:assert/strict";
import type { Verification } from "../../sdk/cluster/index";
import { describeProbe, formatVerification, verify } from "../../sdk/cluster/index";
import { cidr, Dialect, flow, internet, namespace, plan, tcp, workload } from "../../sdk/index";
import type { ClusterSecurityDeclaration } from "../../sdk/index";
import type { LabObject, PodWish } from "../../lab/datapath/index";
import { computedReachability, LabExecutor } from "../../lab/datapath/index";
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

const pods: readonly PodWish[] = applications.map(({ namespace: home, name, labels, ports }) => ({
  namespace: home,
  name,
  ...(labels ? { labels } : {}),
  ports: (ports ?? []).flatMap(({ port, name: portName }) =>
    port === undefined ? [] : [{ port, ...(portName ? { name: portName } : {}) }],
  ),
}));

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
});
