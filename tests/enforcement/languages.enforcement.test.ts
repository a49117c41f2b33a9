/** The example in other languages than TypeScript, deployed by Pulumi's language hosts and proved by packets on a real Cilium. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import { LabCluster, LabExecutor, computedReachability, provideDatapathPrograms } from "../../lab/datapath/index";
import type { Lab } from "../../lab/index";
import { openLab } from "../../lab/index";
import type { Language } from "../../lab/languages";
import { LiveProbes } from "../../lab/whole-way/live-probes";
import type { Probe } from "../../sdk/cluster/index";
import { describeProbe, verify } from "../../sdk/cluster/index";
import { Dialect, cidr, flow, namespace, plan, tcp, workload } from "../../sdk/index";
import type { Operation } from "../engine/automation";
import { operate, violations } from "../engine/automation";
import type { LanguageProgram } from "../engine/language-programs";
import { LanguageWorkshop, orSkip } from "../engine/language-programs";
import { texts } from "../engine/language-texts";
import { bundlePack, pack } from "../engine/shared-lab";
import { closeSharedDatapath } from "./shared-datapath";

/** What each of the programs declares. */
const bookshop = plan({
  dialect: Dialect.Kubernetes,
  cluster: { podCidrs: ["10.244.0.0/16"] },
  namespaces: [namespace("bookshop")],
  workloads: [
    workload("bookshop/frontend", { ports: [tcp(3000)] }),
    workload("bookshop/backend", { ports: [tcp(8080)] }),
  ],
  flows: [
    flow("frontend").to("backend").on(tcp(8080)).because("pages show books").ownedBy("web"),
    flow("backend").to(cidr("198.51.100.0/24")).on(tcp(443)).because("customers pay").ownedBy("shop"),
  ],
});

const frontend = { kind: "workload", id: "bookshop/frontend[Deployment]" } as const;
const backend = { kind: "workload", id: "bookshop/backend[Deployment]" } as const;

/** What may never pass, not even while the stack comes and goes. */
const undeclared: readonly Probe[] = (
  [
    [backend, frontend, 3000],
    [frontend, { kind: "address", address: "198.51.100.10" }, 443],
    [backend, { kind: "address", address: "203.0.113.10" }, 443],
    [backend, { kind: "address", address: "169.254.169.254" }, 80],
  ] as const
).map(([source, destination, port]) => ({
  ...{ group: "undeclared", source, destination, protocol: "TCP", port },
  ...{ expected: "denied", computed: "denied", reason: "nobody declared it" },
}));

const languages: readonly Language[] = ["yaml", "python", "go"];

describe("enforcement: programs in YAML, Python and Go on a real Cilium", () => {
  let lab: Lab;
  let cluster: LabCluster;
  let workshop: LanguageWorkshop;
  let folder: string;

  before(async function () {
    // builds what is missing
    this.timeout(0);
    // there is room for one
    await closeSharedDatapath();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-languages-"));
    await provideDatapathPrograms();
    await bundlePack();
    lab = await openLab({ dataDir: folder, quiet: true, fresh: true, datapath: true });
    cluster = new LabCluster(lab.controlPlane, lab.datapath?.nodes ?? []);
    await cluster.untilReadyIn("kube-system");
    workshop = await LanguageWorkshop.open(lab);
  });

  after(async function () {
    this.timeout(120_000);
    workshop?.close();
    cluster?.close();
    await lab?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Runs an operation with probes all the while; what may not pass does not. */
  async function probed(stack: Stack, verb: "up" | "destroy"): Promise<number> {
    const probes = new LiveProbes(cluster, undeclared);
    let operation: Operation;
    try {
      operation = await operate(stack, verb, verb === "up" ? { policyPacks: [pack] } : {});
    } finally {
      await probes.stop().catch(() => undefined);
    }
    assert.equal(operation.error, undefined, operation.output);
    const { violations: passed, undeclared: tried } = await probes.stop();
    assert.deepEqual(passed, []);
    return tried;
  }

  for (const language of languages) {
    describe(language, () => {
      let program: LanguageProgram;
      let stack: Stack;
      let isThere = false;

      before(async function () {
        this.timeout(0);
        program = await orSkip(this, () => workshop.program(language));
        stack = await program.open(lab, "datapath", workshop.plugin.env);
      });

      after(async () => {
        if (isThere) await operate(stack, "destroy");
        program?.remove();
      });

      it("is blocked while a service is in an unprotected namespace", async () => {
        await program.becomes(texts[language].unprotected);
        const blocked = await operate(stack, "preview", { policyPacks: [pack] });
        assert.ok(blocked.error !== undefined, "the preview ends well");
        const told = violations(blocked).map(({ message }) => message);
        assert.ok(
          told.some((message) => message.includes("Namespace default has no default deny")),
          told.join("\n"),
        );
      });

      it("once that is fixed, is deployed under the pack, and packets pass as declared and nothing else", async () => {
        await program.becomes();
        isThere = true;
        const tried = await probed(stack, "up");
        const reachability = await computedReachability(lab.controlPlane);
        const executor = new LabExecutor(cluster, reachability);
        const { probes, findings, verdict } = await verify(reachability, executor, { plan: bookshop, sample: "all" });
        const failing = probes.filter(({ holds }) => holds !== true);
        assert.deepEqual(
          failing.map(({ probe, outcome }) => `${describeProbe(probe)} is ${outcome.outcome}`),
          [],
        );
        assert.deepEqual(findings, []);
        assert.equal(verdict, "holds");
        const declared = probes
          .filter(({ probe }) => probe.group === "declared")
          .map(({ probe }) => describeProbe(probe));
        for (const wanted of [
          "bookshop/frontend[Deployment] → bookshop/backend[Deployment] TCP 8080",
          "bookshop/backend[Deployment] → 198.51.100.10 TCP 443",
        ]) {
          assert.ok(declared.includes(wanted), `${wanted} is among ${declared.join("; ")}`);
        }
        console.log(`      ${probes.length} probes, and ${tried} of what nobody declared during the update`);
      });

      it("is destroyed, and lets nothing through before it is gone", async () => {
        const tried = await probed(stack, "destroy");
        isThere = false;
        console.log(`      ${tried} probes of what nobody declared`);
      });
    });
  }
});
